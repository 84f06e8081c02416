/** The HTTP port and the tcp readiness port over real sockets: answers, limits, and that nothing is answered by chance. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { after, test } from 'node:test';
import { createBoard } from '../../../agent/adapters/http/board.ts';
import { createMetrics } from '../../../agent/adapters/http/metrics.ts';
import { serveReady } from '../../../agent/adapters/http/ready.ts';
import { routes } from '../../../agent/adapters/http/routes.ts';
import { serveHttp } from '../../../agent/adapters/http/server.ts';
import { known } from '../../../agent/core/result.ts';
import type { Snapshot, View } from '../../../agent/core/view.ts';
import { aLeadingView, aPod, aStandby, aView, me, now } from '../../core/builders.ts';

const closers: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closers) await close();
});

function shot(view: View): Snapshot {
  return {
    view,
    decision: { lease: { do: 'nothing' }, instance: { do: 'nothing' }, reason: 'leads' },
    cycle: 7,
    at: '2026-11-21T07:16:00Z',
  };
}

const labelled = known([aPod(me, { labels: { 'opengauss.role': 'primary' } }), aPod('og-demo-0'), aPod('og-demo-2')], now);

async function surface() {
  const board = createBoard();
  const clock = { at: now, now: () => clock.at };
  const metrics = createMetrics({ version: '0.1.0', cluster: 'demo', pod: me, board, clock });
  const served = await serveHttp({ address: '127.0.0.1', port: 0, board, metrics, clock });
  assert.ok(served.ok);
  closers.push(served.value.close);
  return { board, clock, metrics, port: served.value.port };
}

function ask(
  port: number,
  path: string,
  method = 'GET',
  body = '',
): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function statuses(port: number, paths: string[]): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const path of paths) found[path] = (await ask(port, path)).status;
  return found;
}

test('before the first cycle only metrics and liveness answer 200', async () => {
  const { port } = await surface();
  const all = Object.fromEntries(routes.map(({ path }) => [path, path === '/metrics' || path === '/livez' ? 200 : 503]));
  assert.deepEqual(await statuses(port, Object.keys(all)), all);
});

test('a primary and a standby are told apart by status code', async () => {
  const { port, board } = await surface();
  const paths = ['/livez', '/startupz', '/readyz', '/primary', '/standby', '/sync'];
  board.show(shot(aLeadingView({ pods: labelled })));
  assert.deepEqual(Object.values(await statuses(port, paths)), [200, 200, 200, 200, 503, 503]);
  board.show(shot(aView()));
  assert.deepEqual(Object.values(await statuses(port, paths)), [200, 200, 503, 503, 200, 503]);
});

test('a primary whose permit ended meanwhile is not called primary, although no cycle came', async () => {
  const { port, board, clock } = await surface();
  board.show(shot(aLeadingView({ pods: labelled })));
  assert.equal((await ask(port, '/primary')).status, 200);
  clock.at = now + 5001;
  assert.equal((await ask(port, '/primary')).status, 503);
});

test('answers of probes have ok and a reason, and nothing may be cached', async () => {
  const { port, board } = await surface();
  board.show(shot(aView()));
  const { text, headers } = await ask(port, '/readyz');
  assert.deepEqual(JSON.parse(text), { ok: false, reason: 'no Service selects this member' });
  assert.equal(headers['cache-control'], 'no-store');
});

test('the status is the document, and the history is the facts’', async () => {
  const { port, board } = await surface();
  const history = [{ term: 7, primary: me, at: '2026-11-21T00:00:00Z', reason: 'promoted' }];
  board.show(shot(aLeadingView({ facts: known({ systemId: '42', history, resourceVersion: '5' }, now) })));
  const status = JSON.parse((await ask(port, '/status')).text) as { kind: string; members: unknown[] };
  assert.deepEqual([status.kind, status.members.length], ['ClusterStatus', 3]);
  assert.deepEqual((JSON.parse((await ask(port, '/history')).text) as { history: unknown }).history, history);
});

test('what is asked wrongly is refused in words', async () => {
  const { port, board } = await surface();
  board.show(shot(aView()));
  assert.deepEqual(
    await statuses(port, [
      '/readyz?mode=psychic',
      '/readyz?lag=much',
      '/standby?lag=-1',
      '/nothing',
      '/status/',
      '//status',
      '/__proto__',
    ]),
    {
      '/readyz?mode=psychic': 400,
      '/readyz?lag=much': 400,
      '/standby?lag=-1': 400,
      '/nothing': 404,
      '/status/': 404,
      '//status': 404,
      '/__proto__': 404,
    },
  );
  assert.match((await ask(port, '/nothing')).text, /"reason":"no such path/);
});

test('only GET and HEAD are answered; HEAD has no body', async () => {
  const { port, board } = await surface();
  board.show(shot(aView()));
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const { status, headers } = await ask(port, '/status', method, method === 'POST' ? 'x'.repeat(100_000) : '');
    assert.deepEqual([status, headers['allow']], [405, 'GET, HEAD'], method);
  }
  const head = await ask(port, '/status', 'HEAD');
  assert.deepEqual([head.status, head.text], [200, '']);
});

/** Sends raw text and returns what comes back until the server closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let back = '';
    socket.on('data', (data) => {
      back += data.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(back));
    socket.write(text);
  });
}

test('headers over the limit, half a request and plain garbage cost nothing but their own connection', async () => {
  const { port, board } = await surface();
  board.show(shot(aView()));
  assert.match(await raw(port, `GET /status HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431/);
  assert.match(await raw(port, '\u0000\u0001garbage\r\n\r\n'), /^HTTP\/1\.1 400/);
  const half = raw(port, 'GET /status HTTP/1.1\r\nhost: x\r\n');
  assert.equal((await ask(port, '/livez')).status, 200);
  assert.match(await half, /^HTTP\/1\.1 408/);
});

test('a port that is taken is a fault that names it', async () => {
  const { port, board, metrics, clock } = await surface();
  const served = await serveHttp({ address: '127.0.0.1', port, board, metrics, clock });
  assert.ok(!served.ok);
  assert.match(served.fault.detail, new RegExp(`127.0.0.1:${port}: EADDRINUSE`));
});

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('the readiness port opens and closes with the fitness, also when only time passes', async () => {
  const board = createBoard();
  const clock = { at: now, now: () => clock.at };
  const port = await freePort();
  const changes: boolean[] = [];
  const ready = serveReady({ address: '127.0.0.1', port, board, clock, onChange: ({ open }) => changes.push(open) });
  closers.push(ready.close);
  assert.equal(await connects(port), false);
  board.show(shot(aLeadingView({ pods: labelled })));
  await eventually('it opens', () => connects(port));
  board.show(shot(aView({ pods: labelled, instance: aStandby() })));
  await eventually('it closes', async () => !(await connects(port)));
  board.show(shot(aLeadingView({ pods: labelled })));
  await eventually('it opens again', () => connects(port));
  clock.at = now + 5001;
  await eventually('it closes by the permit’s end', async () => !(await connects(port)));
  assert.deepEqual(changes, [false, true, false, true, false]);
});

test('a client that never closes its side holds nothing at the readiness port', async (t) => {
  const port = await freePort();
  const board = createBoard();
  const ready = serveReady({ address: '127.0.0.1', port, board, clock: { now: () => now } });
  closers.push(ready.close);
  board.show(shot(aLeadingView({ pods: labelled })));
  await eventually('it opens', () => connects(port));
  const client = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  t.after(() => client.destroy());
  let gone = false;
  client.on('error', () => {
    gone = true;
  });
  client.resume();
  await once(client, 'end');
  await eventually('nobody is there any more', async () => {
    client.write('x');
    return gone;
  });
});

test('a readiness port that somebody else holds is tried again until it is free', async (t) => {
  const thief = createServer();
  t.after(() => thief.close());
  await new Promise<void>((resolve) => thief.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const { port } = thief.address() as { port: number };
  const board = createBoard();
  const reasons: string[] = [];
  const ready = serveReady({
    address: '127.0.0.1',
    port,
    board,
    clock: { now: () => now },
    onChange: ({ open, reason }) => reasons.push(`${open} ${reason}`),
  });
  closers.push(ready.close);
  board.show(shot(aLeadingView({ pods: labelled })));
  await eventually('it is told', async () => reasons.some((reason) => reason.includes('EADDRINUSE')));
  await new Promise((resolve) => thief.close(resolve));
  await eventually('it opens', () => connects(port));
});
