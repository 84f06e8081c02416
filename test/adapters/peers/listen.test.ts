/**
 * What somebody may send to the peer port before anybody looks at signatures: no HTTP, HTTP that could be read in two
 * ways, more than one request at once, nothing at all. None of it reaches the routes.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createListener, readRequest, type Request } from '../../../agent/adapters/peers/listen.ts';
import { bodyBytesMax } from '../../../agent/adapters/peers/sign.ts';
import { nextAddress, until } from './support.ts';

const port = 18_012;

/** A listener that notes what it is asked and answers when it is let. */
async function listener(t: TestContext, mayAnswer = Promise.resolve()) {
  const host = nextAddress();
  const asked: Request[] = [];
  const server = createListener(async (request) => {
    asked.push(request);
    await mayAnswer;
    return { status: 200, headers: {}, body: Buffer.from('{}') };
  });
  await new Promise<void>((resolve) => server.listen({ host, port }, resolve));
  t.after(() => {
    server.close();
    server.endAll();
  });
  const caller = () => {
    const told = { text: '', closed: false };
    const socket: Socket = connect({ host, port });
    socket.on('error', () => {}).on('close', () => (told.closed = true));
    socket.on('data', (data) => (told.text += data.toString()));
    t.after(() => socket.destroy());
    return { socket, told };
  };
  return { asked, caller };
}

const get = 'GET /v1/state HTTP/1.1\r\nhost: x\r\n\r\n';

test('requests follow each other on one connection, however they are cut', async (t) => {
  const { asked, caller } = await listener(t);
  const { socket, told } = caller();
  socket.setNoDelay(true);
  for (let count = 1; count <= 3; count += 1) {
    for (const letter of `POST /v1/x HTTP/1.1\r\nContent-Length: 3\r\n\r\na:${count}`) {
      socket.write(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until('an answer', () => told.text.split('{}').length === count + 1);
  }
  assert.deepEqual(
    asked.map(({ method, path, body }) => `${method} ${path} ${body}`),
    ['POST /v1/x a:1', 'POST /v1/x a:2', 'POST /v1/x a:3'],
  );
});

test('who asks again before he is answered loses his connection', async (t) => {
  let letAnswer = (): void => {};
  const { asked, caller } = await listener(t, new Promise((resolve) => (letAnswer = resolve)));
  const { socket, told } = caller();
  socket.write(get);
  await until('it is asked', () => asked.length === 1);
  socket.write(get);
  await until('the connection is ended', () => told.closed);
  letAnswer();
  assert.deepEqual([asked.length, told.text], [1, '']);
});

test('who connects and says nothing is sent away within seconds', async (t) => {
  const { caller } = await listener(t);
  const { told } = caller();
  await until('the connection is ended', () => told.closed);
  assert.equal(told.text, '');
});

test('who says half a head is told that it took too long', async (t) => {
  const { caller } = await listener(t);
  const { socket, told } = caller();
  socket.write('GET /v1/state HTTP/1.1\r\nhost');
  await until('the connection is ended', () => told.closed);
  assert.match(told.text, /^HTTP\/1\.1 408 /);
});

const wrong: { title: string; text: string; is: 'none' | 'too long' }[] = [
  { title: 'another version', text: 'GET / HTTP/1.0\r\n\r\n', is: 'none' },
  { title: 'no path', text: 'GET x HTTP/1.1\r\n\r\n', is: 'none' },
  { title: 'no name of a header', text: 'GET / HTTP/1.1\r\n: x\r\n\r\n', is: 'none' },
  { title: 'a header over two lines', text: 'GET / HTTP/1.1\r\na: x\r\n y: z\r\n\r\n', is: 'none' },
  { title: 'a name with a blank', text: 'GET / HTTP/1.1\r\ncontent-length : 1\r\n\r\na', is: 'none' },
  { title: 'two lengths', text: 'POST / HTTP/1.1\r\ncontent-length: 1\r\nContent-Length: 2\r\n\r\nab', is: 'none' },
  { title: 'a length that is none', text: 'POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\na', is: 'none' },
  { title: 'pieces', text: 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n', is: 'none' },
  { title: 'pieces that are not there yet', text: 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n', is: 'none' },
  { title: 'two at once', text: `${get}${get}`, is: 'none' },
  { title: 'too long a body', text: `POST / HTTP/1.1\r\ncontent-length: ${bodyBytesMax + 1}\r\n\r\n`, is: 'too long' },
  { title: 'an endless head', text: 'x'.repeat(5000), is: 'too long' },
];
for (const { title, text, is } of wrong)
  test(`this is no request: ${title}`, () => {
    assert.equal(readRequest(Buffer.from(text)), is);
  });
