/**
 * What a peer may answer over a kept connection: in pieces, with more than was asked for, not at all, or by hanging up.
 * Each exchange ends by its deadline, and nothing is ever sent that was given up before.
 */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { openLines, readAnswer } from '../../../agent/adapters/peers/lines.ts';
import { nextAddress, until } from './support.ts';

const port = 18_011;
const answer = 'HTTP/1.1 200 OK\r\nog-mac: m\r\ncontent-length: 2\r\n\r\n{}';

/** A peer that does what it is told with each request, and lines to it. */
async function peer(t: TestContext, onRequest: (socket: Socket, text: string) => void) {
  const host = nextAddress();
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      asked.push(data.toString());
      onRequest(socket, data.toString());
    });
  });
  await new Promise<void>((resolve) => server.listen({ host, port }, resolve));
  const lines = openLines({ host, port, localAddress: undefined });
  t.after(() => {
    lines.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { lines, sockets, asked, send: (text: string, withinMs = 5000) => lines.send(Buffer.from(text), withinMs) };
}

test('an answer that comes byte by byte is whole', async (t) => {
  const { send, sockets } = await peer(t, (socket) => {
    socket.setNoDelay(true);
    let at = 0;
    const drip = () => void (at < answer.length && socket.write(answer[at++] ?? '', () => setImmediate(drip)));
    drip();
  });
  for (let count = 0; count < 3; count += 1) {
    const got = await send('a');
    assert.deepEqual(got.ok && { ...got.value, body: got.value.body.toString() }, { status: 200, mac: 'm', body: '{}' });
  }
  assert.equal(sockets.size, 1, 'the connection was kept');
});

test('a connection on which more comes than was asked for is not used again', async (t) => {
  const { send, sockets } = await peer(t, (socket) => void socket.write(answer + answer));
  assert.ok((await send('a')).ok);
  assert.ok((await send('b')).ok);
  assert.equal(sockets.size, 2);
});

test('what waited for a connection in vain was not sent, and says so', async (t) => {
  const { send, asked } = await peer(t, () => {});
  const hung = ['a', 'b', 'c', 'd'].map((text) => send(text, 1000));
  await until('four are under way', () => asked.length === 4);
  const late = await send('late', 50);
  assert.equal(late.ok ? '' : `${late.fault.kind} ${late.fault.done}`, 'timeout no');
  for (const one of await Promise.all(hung)) assert.equal(one.ok ? '' : `${one.fault.kind} ${one.fault.done}`, 'timeout maybe');
  void send('next', 1000);
  await until('the next one is asked', () => asked.includes('next'));
  assert.deepEqual(asked.sort(), ['a', 'b', 'c', 'd', 'next']);
});

test('what waits goes on the next connection that is free, a new one when the old one broke', async (t) => {
  const { send, asked } = await peer(t, (socket, text) => {
    if (text === 'break') socket.destroy();
    else if (text !== 'hang') socket.write(answer);
  });
  const hung = ['hang', 'hang', 'hang'].map((text) => send(text, 1000));
  await until('three are under way', () => asked.length === 3);
  const [broken, next, last] = await Promise.all([send('break'), send('next'), send('last')]);
  assert.equal(broken.ok ? '' : `${broken.fault.kind} ${broken.fault.done}`, 'unreachable maybe');
  assert.ok(next.ok && last.ok);
  await Promise.all(hung);
});

test('a peer that refuses connections has done nothing', async () => {
  const lines = openLines({ host: nextAddress(), port, localAddress: undefined });
  const refused = await lines.send(Buffer.from('a'), 5000);
  assert.equal(refused.ok ? '' : `${refused.fault.kind} ${refused.fault.done}`, 'refused no');
  lines.close();
});

const none = [
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n',
  'HTTP/2 200\r\ncontent-length: 0\r\n\r\n',
  `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(5000)}`,
];
for (const text of none)
  test(`this is no answer: ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.equal(readAnswer(Buffer.from(text)), 'malformed');
  });
