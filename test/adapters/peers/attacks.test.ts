/**
 * What somebody in the network can try against the peer API without the key, or with a recording of what went over
 * the wire: every attempt is refused and changes nothing.
 */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { request } from 'node:http';
import { test } from 'node:test';
import { createSessions } from '../../../agent/adapters/peers/sessions.ts';
import { bodyBytesMax, header, randomToken, signAnswer, signRequest } from '../../../agent/adapters/peers/sign.ts';
import { acquaint, key, nextAddress, port, type Station, stations, until } from './support.ts';

const member = stations();

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

function send(ip: string, method: string, path: string, headers: Record<string, string>, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: ip, port, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

interface Forgery {
  method: string;
  path: string;
  from: string;
  to: string;
  session: string;
  counter: number;
  body: string;
}

/** A request signed with the real key, as a member would. */
function signed(change: Partial<Forgery>): { headers: Record<string, string>; sent: Forgery; nonce: string } {
  const sent = {
    method: 'POST',
    path: '/v1/hello',
    from: 'og-demo-0',
    to: 'og-demo-1',
    session: '',
    counter: 1,
    body: '',
    ...change,
  };
  const nonce = randomToken();
  const mac = signRequest(key, { ...sent, nonce, body: Buffer.from(sent.body) });
  const headers = {
    [header.from]: sent.from,
    [header.to]: sent.to,
    [header.session]: sent.session,
    [header.counter]: String(sent.counter),
    [header.nonce]: nonce,
    [header.mac]: mac,
  };
  return { headers, sent, nonce };
}

async function post(ip: string, change: Partial<Forgery>): Promise<Answer> {
  const { headers, sent } = signed(change);
  return await send(ip, sent.method, sent.path, headers, sent.body);
}

async function sessionAt(ip: string): Promise<string> {
  const answer = await post(ip, {});
  assert.equal(answer.status, 200, answer.body);
  return (JSON.parse(answer.body) as { session: string }).session;
}

const freezeBody = JSON.stringify({ term: 9, candidate: 'og-demo-0', host: '127.0.0.1', haPort: 5433 });

async function pair(): Promise<[Station, Station]> {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  b.peers.setPeers([{ name: a.name, uid: 'u', ip: a.ip }]);
  return [a, b];
}

test('an unsigned request gets nothing, not even a reason', async () => {
  const [, b] = await pair();
  const answer = await send(b.ip, 'GET', '/v1/state', {});
  assert.equal(answer.status, 401);
  assert.equal(answer.body, '');
});

test('a request signed with another key is refused', async () => {
  const [, b] = await pair();
  const stranger = await member('og-demo-0', { key: Buffer.from('f'.repeat(32)) });
  stranger.peers.setPeers([{ name: b.name, uid: 'u', ip: b.ip }]);
  const answer = await stranger.peers.freeze(
    'og-demo-1',
    { term: 9, candidate: 'og-demo-0', host: '127.0.0.1', haPort: 5433 },
    5000,
  );
  assert.equal(answer.ok ? 'answered' : answer.fault.kind, 'denied');
  assert.deepEqual(b.freezes, []);
});

test('a recorded request is done once', async () => {
  const [, b] = await pair();
  const session = await sessionAt(b.ip);
  const { headers, sent } = signed({ path: '/v1/freeze', session, counter: 2, body: freezeBody });
  assert.equal((await send(b.ip, 'POST', sent.path, headers, sent.body)).status, 200);
  assert.equal((await send(b.ip, 'POST', sent.path, headers, sent.body)).status, 403);
  assert.equal(b.freezes.length, 1);
});

test('a recorded request means nothing to a member that has restarted, or to another member', async () => {
  const [a, b] = await pair();
  const c = await member('og-demo-2');
  c.peers.setPeers([{ name: a.name, uid: 'u', ip: a.ip }]);
  const session = await sessionAt(b.ip);
  const { headers, sent } = signed({ path: '/v1/freeze', session, counter: 2, body: freezeBody });
  assert.equal((await send(c.ip, 'POST', sent.path, headers, sent.body)).status, 403);
  await b.peers.close();
  const again = await member('og-demo-1', { ip: b.ip });
  again.peers.setPeers([{ name: a.name, uid: 'u', ip: a.ip }]);
  assert.equal((await send(again.ip, 'POST', sent.path, headers, sent.body)).status, 409);
  assert.deepEqual([...again.freezes, ...c.freezes], []);
});

const changes: {
  title: string;
  alter: (headers: Record<string, string>) => { path?: string; body?: string; headers?: Record<string, string> };
}[] = [
  { title: 'another path', alter: () => ({ path: '/v1/unfreeze' }) },
  { title: 'another body', alter: () => ({ body: freezeBody.replace('9', '10') }) },
  { title: 'another sender', alter: (headers) => ({ headers: { ...headers, [header.from]: 'og-demo-2' } }) },
  { title: 'another counter', alter: (headers) => ({ headers: { ...headers, [header.counter]: '77' } }) },
  { title: 'another nonce', alter: (headers) => ({ headers: { ...headers, [header.nonce]: randomToken() } }) },
];
for (const { title, alter } of changes) {
  test(`a request changed on the way is refused: ${title}`, async () => {
    const [, b] = await pair();
    const session = await sessionAt(b.ip);
    const { headers, sent } = signed({ path: '/v1/freeze', session, counter: 2, body: freezeBody });
    const changed = alter(headers);
    const answer = await send(b.ip, 'POST', changed.path ?? sent.path, changed.headers ?? headers, changed.body ?? sent.body);
    assert.equal(answer.status, 401);
    assert.deepEqual(b.freezes, []);
  });
}

test('a sender that is no member is refused although it has the key', async () => {
  const [, b] = await pair();
  const answer = await post(b.ip, { from: 'og-demo-7' });
  assert.equal(answer.status, 403);
  assert.match(answer.body, /not a member/);
});

test('a member’s own request sent back to it is refused', async () => {
  const [, b] = await pair();
  assert.equal((await post(b.ip, { from: 'og-demo-1', to: 'og-demo-1' })).status, 403);
  assert.equal((await post(b.ip, { from: 'og-demo-0', to: 'og-demo-0' })).status, 403);
});

test('a body over the limit ends the connection', async () => {
  const [, b] = await pair();
  await assert.rejects(post(b.ip, { path: '/v1/freeze', body: 'x'.repeat(bodyBytesMax + 1) }));
});

test('a recorded promise is given once, and never to a member that sends it as its own', async () => {
  const [, b] = await pair();
  const session = await sessionAt(b.ip);
  const body = JSON.stringify({ holder: 'og-demo-0/uid-0/inc-0', term: 9, durationMs: 8000 });
  const { headers, sent } = signed({ path: '/v1/promise', session, counter: 2, body });
  assert.equal((await send(b.ip, 'POST', sent.path, headers, sent.body)).status, 200);
  assert.equal((await send(b.ip, 'POST', sent.path, headers, sent.body)).status, 403);
  const stolen = { ...headers, [header.from]: 'og-demo-2' };
  assert.equal((await send(b.ip, 'POST', sent.path, stolen, sent.body)).status, 401);
  assert.equal(b.promises.length, 1);
});

test('a promise with a field that does not fit never reaches the handler', async () => {
  const [, b] = await pair();
  const session = await sessionAt(b.ip);
  const good = { holder: 'og-demo-0/uid-0/inc-0', term: 9, durationMs: 8000 };
  const bad = [{ term: -1 }, { term: '9' }, { durationMs: -1 }, { durationMs: 600_001 }, { durationMs: 0.5 }, { holder: 5 }];
  for (const [index, difference] of bad.entries()) {
    const body = JSON.stringify({ ...good, ...difference });
    assert.equal((await post(b.ip, { path: '/v1/promise', session, counter: 2 + index, body })).status, 400, body);
  }
  assert.deepEqual(b.promises, []);
});

const nowhere = [
  { method: 'GET', path: '/v1/promise' },
  { method: 'DELETE', path: '/v1/freeze' },
  { method: 'POST', path: '/v1/state' },
  { method: 'POST', path: '/v2/freeze' },
  { method: 'GET', path: '/' },
  { method: 'POST', path: '/v1/freeze?x=1' },
];
test('a method or a path that is not there does nothing, with the key too', async () => {
  const [, b] = await pair();
  const session = await sessionAt(b.ip);
  for (const [index, part] of nowhere.entries()) {
    const answer = await post(b.ip, { ...part, session, counter: 2 + index, body: part.method === 'POST' ? freezeBody : '' });
    assert.equal(answer.status, 404, `${part.method} ${part.path}`);
  }
  assert.deepEqual([b.freezes, b.promises], [[], []]);
});

test('what is no HTTP ends its connection, and nobody notices', async () => {
  const [a, b] = await pair();
  a.peers.setPeers([{ name: b.name, uid: 'u', ip: b.ip }]);
  for (const garbage of ['\0\x01\x02', 'GET\r\n\r\n', 'POST /v1/freeze HTTP/9.9\r\n\r\n', 'x'.repeat(10_000)]) {
    const socket = connect({ host: b.ip, port });
    socket.on('error', () => {});
    socket.end(garbage);
    await new Promise<void>((resolve) => socket.on('close', () => resolve()).resume());
  }
  assert.ok((await a.peers.promise(b.name, { holder: 'og-demo-0/u/i', term: 1, durationMs: 1 }, 5000)).ok);
});

test('a freeze with a field that does not fit never reaches the handler', async () => {
  const [, b] = await pair();
  const session = await sessionAt(b.ip);
  const bad = [{ term: -1 }, { term: 2 ** 31 }, { term: '9' }, { haPort: 0 }, { host: 5 }, { candidate: null }];
  for (const [index, difference] of bad.entries()) {
    const body = JSON.stringify({ ...(JSON.parse(freezeBody) as object), ...difference });
    assert.equal((await post(b.ip, { path: '/v1/freeze', session, counter: 2 + index, body })).status, 400, body);
  }
  assert.deepEqual(b.freezes, []);
});

/** Answers every request with what `make` gives; stands in for an attacker between two members. */
async function impostor(ip: string, make: (text: string) => string): Promise<() => void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => void socket.write(make(data.toString())));
  });
  await new Promise<void>((resolve) => server.listen({ host: ip, port }, resolve));
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
}

function response(body: string, mac: string): string {
  return `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${header.mac}: ${mac}\r\n\r\n${body}`;
}

test('an answer that the peer did not sign is not believed', async (t) => {
  const ip = nextAddress();
  const body = JSON.stringify({ session: randomToken() });
  t.after(await impostor(ip, () => response(body, 'a'.repeat(64))));
  const a = await member('og-demo-0');
  a.peers.setPeers([{ name: 'og-demo-1', uid: 'u', ip }]);
  const answer = await a.peers.freeze('og-demo-1', { term: 9, candidate: 'og-demo-0', host: a.ip, haPort: 5433 }, 2000);
  assert.equal(answer.ok ? 'answered' : answer.fault.kind, 'denied');
});

test('an answer to another request is not believed although the peer signed it', async (t) => {
  const ip = nextAddress();
  const body = JSON.stringify({ session: randomToken() });
  const recorded = signAnswer(key, {
    status: 200,
    from: 'og-demo-1',
    to: 'og-demo-0',
    nonce: randomToken(),
    body: Buffer.from(body),
  });
  t.after(await impostor(ip, () => response(body, recorded)));
  const a = await member('og-demo-0');
  a.peers.setPeers([{ name: 'og-demo-1', uid: 'u', ip }]);
  const answer = await a.peers.freeze('og-demo-1', { term: 9, candidate: 'og-demo-0', host: a.ip, haPort: 5433 }, 2000);
  assert.equal(answer.ok ? 'answered' : answer.fault.kind, 'denied');
});

test('an endless answer is cut off', async (t) => {
  const ip = nextAddress();
  const endless = `10000\r\n${'x'.repeat(65_536)}\r\n`.repeat(4);
  t.after(await impostor(ip, () => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${endless}`));
  const a = await member('og-demo-0');
  a.peers.setPeers([{ name: 'og-demo-1', uid: 'u', ip }]);
  const answer = await a.peers.unfreeze('og-demo-1', 9, 2000);
  assert.equal(answer.ok, false);
});

test('clients that connect and say nothing, or half a request, keep nobody out', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  const idle = Array.from({ length: 20 }, () => connect({ host: b.ip, port }));
  for (const socket of idle)
    socket.on('error', () => {}).on('connect', () => void socket.write('GET /v1/state HTTP/1.1\r\nhost: x\r\n'));
  acquaint(a, b);
  await until('a sight', () => a.peers.seen()['og-demo-1'] !== undefined);
  for (const socket of idle) socket.destroy();
});

test('a client that takes more connections than a member needs loses them at once, and keeps nobody out', async (t) => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  const greedy = nextAddress();
  const sockets = new Set<Socket>();
  let cut = 0;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let count = 0; count < 120; count += 1) {
    const socket = connect({ host: b.ip, port, localAddress: greedy });
    sockets.add(socket);
    // A whole head and no body: such a request may take seconds.
    socket.write('POST /v1/freeze HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n');
    socket
      .on('error', () => {})
      // Whoever runs out of time is told so; whoever is cut back is not.
      .on('close', () => {
        sockets.delete(socket);
        if (socket.bytesRead === 0) cut += 1;
      })
      .resume();
  }
  await until('it is cut back', () => cut >= 96);
  acquaint(a, b);
  await until('a sight', () => a.peers.seen()['og-demo-1'] !== undefined);
});

test('a body that comes byte by byte is given up within seconds', async () => {
  const [, b] = await pair();
  const session = await sessionAt(b.ip);
  const { headers } = signed({ path: '/v1/freeze', session, counter: 2, body: freezeBody });
  const socket = connect({ host: b.ip, port });
  const lines = Object.entries({ ...headers, 'content-length': String(freezeBody.length) }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  socket.write(`POST /v1/freeze HTTP/1.1\r\nhost: x\r\n${lines.join('\r\n')}\r\n\r\n`);
  let at = 0;
  const drip = setInterval(() => socket.write(freezeBody[at++] ?? ''), 500);
  let closed = false;
  socket
    .on('error', () => {})
    .on('close', () => (closed = true))
    .resume();
  await until('the connection is ended', () => closed, 15_000);
  clearInterval(drip);
  assert.deepEqual(b.freezes, []);
});

test('sessions: a window lets requests overtake each other, once each', () => {
  const sessions = createSessions();
  const token = sessions.open('og-demo-0');
  const admit = (counter: number) => sessions.admit('og-demo-0', token, counter);
  assert.deepEqual([5, 3, 4, 3, 5, 200, 137, 136, 200].map(admit), [
    'fresh',
    'fresh',
    'fresh',
    'replayed',
    'replayed',
    'fresh',
    'fresh',
    'replayed',
    'replayed',
  ]);
  for (const counter of [0, -1, 1.5, Number.NaN]) assert.equal(admit(counter), 'replayed');
  assert.equal(sessions.admit('og-demo-2', token, 300), 'no-session');
});

test('sessions: recorded hellos do not push a session in use out', () => {
  const sessions = createSessions();
  const token = sessions.open('og-demo-0');
  sessions.admit('og-demo-0', token, 1);
  for (let index = 0; index < 100; index++) sessions.open('og-demo-0');
  assert.equal(sessions.admit('og-demo-0', token, 2), 'fresh');
});
