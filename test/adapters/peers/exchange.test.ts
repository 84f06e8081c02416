/**
 * The exchange of states: one question carries the state of who asks and brings back the other one's. What is told that way counts
 * as old as it may be, never as fresh as its coming in; whoever is told nothing asks. Members are real, on real sockets; where a
 * message must be late or wrong it is signed by hand with the real key.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { header, randomToken, signRequest } from '../../../agent/adapters/peers/sign.ts';
import { encodeState, encodeTold } from '../../../agent/adapters/peers/wire.ts';
import type { PeerState } from '../../../agent/core/model.ts';
import { acquaint, aState, key, nextAddress, port, stations, until } from './support.ts';

const member = stations();

/** Nobody listens there. */
const deadPort = 18_010;

test('a member that is asked is told how the other one is, and keeps hearing it without asking', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1', { port: deadPort });
  acquaint(a, b);
  await until('it knows the other one', () => b.peers.seen()['og-demo-0'] !== undefined);
  assert.deepEqual(b.peers.seen()['og-demo-0']?.state, aState('og-demo-0'));
  const { at } = b.peers.seen()['og-demo-0'] ?? { at: 0 };
  await until('it hears it again', () => (b.peers.seen()['og-demo-0']?.at ?? 0) > at + 100);
  assert.ok((b.peers.seen()['og-demo-0']?.at ?? 0) <= performance.now());
});

test('a member that is told nothing asks, again and again', async () => {
  const a = await member('og-demo-0', { port: deadPort });
  const b = await member('og-demo-1');
  acquaint(a, b);
  await until('it knows the other one', () => b.peers.seen()['og-demo-0'] !== undefined);
  const { at } = b.peers.seen()['og-demo-0'] ?? { at: 0 };
  await until('it asks again', () => (b.peers.seen()['og-demo-0']?.at ?? 0) > at + 100);
});

test('a member that is told what another pod of that name says asks the right one', async () => {
  const a = await member('og-demo-0', { handler: { state: async () => aState('og-demo-0', { uid: 'of an old pod' }) } });
  const b = await member('og-demo-1', { port: deadPort });
  acquaint(a, b);
  await until('it was asked often', () => b.asked > 4);
  assert.deepEqual(b.peers.seen(), {});
});

test('a question does not wait for a look at the own server that does not end', async () => {
  const a = await member('og-demo-0', { handler: { state: () => new Promise(() => undefined) } });
  const b = await member('og-demo-1');
  acquaint(a, b);
  await until('a first sight', () => a.peers.seen()['og-demo-1'] !== undefined);
  const { at } = a.peers.seen()['og-demo-1'] ?? { at: 0 };
  await until('it is asked again', () => (a.peers.seen()['og-demo-1']?.at ?? 0) > at);
  assert.equal(b.peers.seen()['og-demo-0'], undefined);
});

test('what is told counts from before the look, not from after it', async () => {
  const state = async (): Promise<PeerState> => {
    const reason = String(performance.now());
    await new Promise((resolve) => setTimeout(resolve, 60));
    return aState('og-demo-0', { reason });
  };
  const a = await member('og-demo-0', { handler: { state }, periodMs: 400 });
  const b = await member('og-demo-1', { port: deadPort });
  acquaint(a, b);
  const sight = () => b.peers.seen()['og-demo-0'];
  await until('it is told', () => sight() !== undefined);
  const { at, state: first } = sight() ?? { at: Number.NaN, state: { reason: '' } };
  assert.ok(at <= Number(first.reason), `${at} of a look at ${first.reason}`);
});

interface Question {
  session: string;
  counter: number;
  body?: string;
}

/** What og-demo-0 would send, by hand. */
function asks(ip: string, { session, counter, body = '' }: Question, [method, path] = ['GET', '/v1/state']): Promise<string> {
  const parts = {
    method: method ?? '',
    path: path ?? '',
    from: 'og-demo-0',
    to: 'og-demo-1',
    session,
    counter,
    nonce: randomToken(),
  };
  const headers = {
    [header.from]: parts.from,
    [header.to]: parts.to,
    [header.session]: session,
    [header.counter]: String(counter),
    [header.nonce]: parts.nonce,
    [header.mac]: signRequest(key, { ...parts, body: Buffer.from(body) }),
    'content-length': String(Buffer.byteLength(body)),
  };
  return new Promise((resolve, reject) => {
    const sent = request({ host: ip, port, method: parts.method, path: parts.path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode} ${text}`)),
      );
    });
    sent.on('error', reject).end(body);
  });
}

async function hello(ip: string): Promise<string> {
  return (JSON.parse(await asks(ip, { session: '', counter: 1 }, ['POST', '/v1/hello'])) as { session: string }).session;
}

/** A member that can ask nobody, and what og-demo-0 tells it. */
async function listener() {
  const b = await member('og-demo-1', { port: deadPort });
  b.peers.setPeers([{ name: 'og-demo-0', uid: 'og-demo-0-uid', ip: nextAddress() }]);
  const session = await hello(b.ip);
  const tell = (counter: number, after: number, heldMs: number, difference: Partial<PeerState> = {}, of = session) => {
    const state = JSON.stringify(encodeState(aState('og-demo-0', difference)));
    return asks(b.ip, { session: of, counter, body: encodeTold(state, { after, heldMs }) });
  };
  return { b, session, tell, sight: () => b.peers.seen()['og-demo-0'] };
}

test('what a member is told is as old as the answer that it came after and the time since, however late it comes', async () => {
  const { b, session, tell, sight } = await listener();
  const before = performance.now();
  await asks(b.ip, { session, counter: 2 });
  const answered = performance.now();
  await until('time has passed', () => performance.now() > answered + 300);
  await tell(3, 2, 40);
  const at = sight()?.at ?? 0;
  assert.ok(at >= before + 39 && at <= answered + 40, `${at} after an answer between ${before} and ${answered}`);
});

test('what a member is told never counts from a moment that is still to come', async () => {
  const { b, session, tell, sight } = await listener();
  await asks(b.ip, { session, counter: 2 });
  await tell(3, 2, 1e9);
  assert.ok((sight()?.at ?? Number.POSITIVE_INFINITY) <= performance.now());
});

test('a member that names no answer, or not the last one, is not believed how old its state is', async () => {
  const { b, session, tell, sight } = await listener();
  await tell(2, 0, 1);
  assert.equal(sight(), undefined, 'nothing was answered before');
  await asks(b.ip, { session, counter: 3 });
  await tell(4, 2, 1);
  assert.equal(sight(), undefined, 'another answer was the last one');
  await tell(5, 4, 1, { reason: 'first' });
  await tell(6, 4, 1e6, { reason: 'second' });
  assert.equal(sight()?.state.reason, 'first');
});

test('an answer of another session counts for nothing in this one', async () => {
  const { b, session, tell, sight } = await listener();
  await asks(b.ip, { session, counter: 2 });
  await tell(3, 2, 1, {}, await hello(b.ip));
  assert.equal(sight(), undefined);
});

test('a member tells about itself only, and as the pod that the API server shows', async () => {
  const { b, session, tell, sight } = await listener();
  await asks(b.ip, { session, counter: 2 });
  await tell(3, 2, 1, { name: 'og-demo-2' });
  await tell(4, 3, 1, { uid: 'of an old pod' });
  assert.deepEqual(b.peers.seen(), {});
  await tell(5, 4, 1);
  assert.equal(sight()?.state.name, 'og-demo-0');
});

test('who tells what cannot be understood is answered all the same', async () => {
  const { b, session, sight } = await listener();
  await asks(b.ip, { session, counter: 2 });
  const bodies = ['x', '[]', '{"after":2,"heldMs":-1,"state":{}}', '{"after":3,"heldMs":0,"state":7}'];
  for (const [index, body] of bodies.entries())
    assert.match(await asks(b.ip, { session, counter: 3 + index, body }), /"og-demo-1"/);
  assert.equal(sight(), undefined);
});
