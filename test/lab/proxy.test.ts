/**
 * The lab's proxies and services on real sockets: what a cut, a held link and a Service do to connections. Each test
 * has its own loopback address and waits for conditions, never for a time.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { closed, type LinkState, listen, startProxy } from './proxy.ts';
import { createService } from './service.ts';

const network = `127.${randomInt(2, 250)}.${randomInt(0, 250)}`;

async function until(what: string, condition: () => boolean | Promise<boolean>) {
  const end = performance.now() + 5000;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `not in five seconds: ${what}`);
    await sleep(5);
  }
}

/** A server that answers every chunk with itself, and counts what it got. */
async function echo(host: string, port: number): Promise<{ server: Server; received: () => number; close(): Promise<void> }> {
  let received = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received += chunk.length;
      socket.write(chunk);
    });
  });
  await listen(server, { host, port });
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return closed(server);
  };
  return { server, received: () => received, close };
}

interface Talk {
  socket: Socket;
  text: () => string;
  ended: () => boolean;
}

function talk(host: string, port: number, localAddress: string): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, localAddress });
    let text = '';
    let ended = false;
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('close', () => {
      ended = true;
    });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.on('error', () => undefined);
      resolve({ socket, text: () => text, ended: () => ended });
    });
  });
}

test('a cut link forwards nothing and stays open, and is reset when it is healed', async () => {
  const far = await echo(`${network}.10`, 15000);
  let state: LinkState = 'open';
  const options = {
    listen: { host: `${network}.10`, port: 15001 },
    target: { host: `${network}.10`, port: 15000 },
    source: undefined,
  };
  const proxy = await startProxy({ ...options, linkOf: (caller) => (caller === `${network}.11` ? state : 'open') });
  const one = await talk(`${network}.10`, 15001, `${network}.11`);
  const other = await talk(`${network}.10`, 15001, `${network}.12`);
  one.socket.write('a');
  other.socket.write('a');
  await until('both answered', () => one.text() === 'a' && other.text() === 'a');
  state = 'cut';
  proxy.refresh();
  one.socket.write('b');
  const late = await talk(`${network}.10`, 15001, `${network}.11`);
  late.socket.write('c');
  other.socket.write('d');
  await until('the other link works', () => other.text() === 'ad');
  assert.equal(far.received(), 3);
  assert.equal(one.text(), 'a');
  assert.equal(one.ended() || late.ended(), false);
  state = 'open';
  proxy.refresh();
  await until('broken connections are reset', () => one.ended() && late.ended());
  const again = await talk(`${network}.10`, 15001, `${network}.11`);
  again.socket.write('e');
  await until('a new one works', () => again.text() === 'e');
  for (const each of [again, other]) each.socket.destroy();
  await proxy.close();
  await far.close();
});

test('a link that is cut one way forwards what goes the other way, and the rest once it is open again', async () => {
  const far = await echo(`${network}.40`, 15000);
  let state: LinkState = 'open';
  const [listen, target] = [15001, 15000].map((port) => ({ host: `${network}.40`, port }));
  assert.ok(listen !== undefined && target !== undefined);
  const proxy = await startProxy({ listen, target, source: undefined, linkOf: () => state });
  const one = await talk(`${network}.40`, 15001, `${network}.41`);
  one.socket.write('a');
  await until('answered', () => one.text() === 'a');
  state = 'deaf';
  proxy.refresh();
  one.socket.write('b');
  await until('what a deaf caller says arrives', () => far.received() === 2);
  await sleep(100);
  assert.equal(one.text(), 'a', 'and no answer comes');
  state = 'unheard';
  proxy.refresh();
  await until('the answer comes when only the caller is cut off', () => one.text() === 'ab');
  one.socket.write('c');
  await sleep(100);
  assert.equal(far.received(), 2, 'what an unheard caller says does not arrive');
  state = 'open';
  proxy.refresh();
  await until('what was under way arrives', () => one.text() === 'abc');
  await proxy.close();
  await far.close();
});

test('what a held link keeps back arrives after the release, and is lost when the sender dies', async () => {
  const far = await echo(`${network}.20`, 15000);
  let state: LinkState = 'held';
  const options = {
    listen: { host: `${network}.20`, port: 15001 },
    target: { host: `${network}.20`, port: 15000 },
    source: undefined,
  };
  const proxy = await startProxy({ ...options, linkOf: () => state });
  const one = await talk(`${network}.20`, 15001, `${network}.21`);
  one.socket.write('abc');
  await until('held', () => proxy.heldBytes(`${network}.21`) === 3);
  assert.equal(one.text(), '');
  state = 'open';
  proxy.refresh();
  await until('released', () => one.text() === 'abc');
  state = 'held';
  proxy.refresh();
  one.socket.write('def');
  await until('held again', () => proxy.heldBytes(`${network}.21`) === 3);
  await far.close();
  await until('the caller is told of the end', one.ended);
  assert.equal(one.text(), 'abc');
  await proxy.close();
});

test('a Service refuses at once without an endpoint and follows its endpoints with new connections', async () => {
  const far = await echo(`${network}.30`, 15000);
  const service = createService({ host: `${network}.31`, port: 15000 });
  const refused = () =>
    talk(`${network}.31`, 15000, `${network}.32`).then(
      ({ socket }) => {
        socket.destroy();
        return false;
      },
      (error: { code?: string }) => error.code === 'ECONNREFUSED',
    );
  assert.equal(await refused(), true);
  service.setEndpoints([{ host: `${network}.30`, port: 15000 }]);
  await until('accepts', async () => !(await refused()));
  const one = await talk(`${network}.31`, 15000, `${network}.32`);
  one.socket.write('a');
  await until('answered', () => one.text() === 'a');
  service.setEndpoints([]);
  await until('refuses', refused);
  one.socket.write('b');
  await until('the established connection stays', () => one.text() === 'ab');
  await service.close();
  await until('closed with the service', one.ended);
  await far.close();
});
