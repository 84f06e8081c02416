/**
 * The peer API over real sockets: members that know each other exchange states and orders; a dead or hung one delays
 * nobody. Attacks on its signatures are in attacks.test.ts.
 */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { untilTurn } from '../../../agent/adapters/peers/peers.ts';
import { failed, ok } from '../../../agent/core/result.ts';
import { acquaint, aState, nextAddress, port, station, stations, until } from './support.ts';

const member = stations();

test('two members learn each other’s state, positions included', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  await until(
    'both have seen each other',
    () => a.peers.seen()['og-demo-1'] !== undefined && b.peers.seen()['og-demo-0'] !== undefined,
  );
  assert.deepEqual(a.peers.seen()['og-demo-1']?.state, aState('og-demo-1'));
});

test('turns fall on the same moments everywhere, never far apart and never close together', () => {
  for (const period of [20, 200, 1000]) {
    for (let wall = 1_795_000_000_000; wall < 1_795_000_000_000 + 3 * period; wall += period / 20) {
      const left = untilTurn(wall, period);
      assert.equal((wall + left) % period, 0);
      assert.ok(left >= period / 4 && left < 1.25 * period, `${left} of ${period}`);
    }
  }
});

test('the moment of a sight is when it was asked for, and it moves on', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  await until('a first sight', () => a.peers.seen()['og-demo-1'] !== undefined);
  const first = a.peers.seen()['og-demo-1']?.at ?? 0;
  const asked = performance.now();
  await a.peers.refresh(5000);
  const second = a.peers.seen()['og-demo-1']?.at ?? 0;
  assert.ok(second > first && second >= asked && second <= performance.now());
});

test('a freeze reaches the member with its term and candidate, and its answer comes back', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  const ask = { term: 9, candidate: 'og-demo-0', host: a.ip, haPort: 5433 };
  const answer = await a.peers.freeze('og-demo-1', ask, 5000);
  assert.ok(answer.ok);
  assert.deepEqual(answer.value.frozenFor, { term: 9, candidate: 'og-demo-0' });
  assert.deepEqual(b.freezes, [ask]);
  assert.ok((await a.peers.unfreeze('og-demo-1', 9, 5000)).ok);
  assert.deepEqual(b.unfreezes, [{ term: 9, from: 'og-demo-0' }]);
});

test('a promise reaches the member with its holder, term and time, and whom it comes from is what the key says', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  const ask = { holder: 'og-demo-0/uid-0/inc-0', term: 9, durationMs: 8000 };
  const answer = await a.peers.promise('og-demo-1', ask, 5000);
  assert.ok(answer.ok);
  assert.deepEqual(answer.value.promised, { holder: ask.holder, term: 9 });
  assert.deepEqual(a.peers.seen()['og-demo-1']?.state.promised, { holder: ask.holder, term: 9 }, 'it is news as well');
  assert.deepEqual(b.promises, [{ ...ask, from: 'og-demo-0' }]);
});

test('a refused freeze comes back as the fault that the member gave', async () => {
  const fault = {
    of: 'peer',
    kind: 'refused',
    done: 'no',
    detail: 'term 9 is granted to og-demo-2',
    hint: 'Ask again with a higher term.',
  } as const;
  const a = await member('og-demo-0');
  const b = await member('og-demo-1', { handler: { freeze: async () => failed(fault) } });
  acquaint(a, b);
  const answer = await a.peers.freeze('og-demo-1', { term: 9, candidate: 'og-demo-0', host: a.ip, haPort: 5433 }, 5000);
  assert.deepEqual(answer, { ok: false, fault });
});

test('a member that accepts and never answers delays nobody, and a freeze that waits for it says what became of it', async (t) => {
  const sockets = new Set<Socket>();
  const hung = createServer((socket) => void sockets.add(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    hung.close();
  });
  const ip = nextAddress();
  await new Promise<void>((resolve) => hung.listen({ host: ip, port }, resolve));
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  const others = [b, { name: 'og-demo-2', ip }].map((one) => ({ name: one.name, uid: `${one.name}-uid`, ip: one.ip }));
  a.peers.setPeers(others);
  await until('a sight of the living one', () => a.peers.seen()['og-demo-1'] !== undefined);
  const answer = await a.peers.freeze('og-demo-2', { term: 9, candidate: 'og-demo-0', host: a.ip, haPort: 5433 }, 300);
  assert.deepEqual(answer.ok ? undefined : [answer.fault.kind, answer.fault.done], ['timeout', 'no'], 'only the hello was sent');
  assert.equal(a.peers.seen()['og-demo-2'], undefined);
});

test('a promise of a living member is not held up by one that never answers, nor by one that is not there', async (t) => {
  const sockets = new Set<Socket>();
  const hung = createServer((socket) => void sockets.add(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    hung.close();
  });
  const ip = nextAddress();
  await new Promise<void>((resolve) => hung.listen({ host: ip, port }, resolve));
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  const gone = { name: 'og-demo-3', uid: 'u', ip: nextAddress() };
  a.peers.setPeers([{ name: b.name, uid: 'u', ip: b.ip }, { name: 'og-demo-2', uid: 'u', ip }, gone]);
  const ask = { holder: 'og-demo-0/uid-0/inc-0', term: 9, durationMs: 8000 };
  const kinds: string[] = [];
  let hungIsOpen = true;
  let first = false;
  await Promise.all(
    ['og-demo-2', 'og-demo-3', 'og-demo-1'].map(async (name) => {
      const answer = await a.peers.promise(name, ask, 3000);
      if (name === 'og-demo-2') hungIsOpen = false;
      if (name === 'og-demo-1') first = hungIsOpen;
      kinds.push(`${name} ${answer.ok ? 'promised' : answer.fault.kind}`);
    }),
  );
  assert.deepEqual(kinds.sort(), ['og-demo-1 promised', 'og-demo-2 timeout', 'og-demo-3 refused']);
  assert.ok(first, 'the living one answered while the hung one was still waited for');
});

test('a member whose agent restarts is understood again, and a lost one is noted once', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  await until('a first sight', () => a.peers.seen()['og-demo-1'] !== undefined);
  await b.peers.close();
  await until('the loss is noted', () => a.notes.some((note) => note.what === 'peer-lost'));
  const again = await member('og-demo-1', { ip: b.ip });
  acquaint(a, again);
  await until('it is found again', () => a.notes.some((note) => note.what === 'peer-found'));
  assert.equal(a.notes.filter((note) => note.what === 'peer-lost').length, 1);
});

test('a pod made anew under the same name loses what the old one said', async () => {
  const a = await member('og-demo-0');
  const b = await member('og-demo-1');
  acquaint(a, b);
  await until('a first sight', () => a.peers.seen()['og-demo-1'] !== undefined);
  a.peers.setPeers([{ name: 'og-demo-1', uid: 'another', ip: nextAddress() }]);
  assert.deepEqual(a.peers.seen(), {});
});

test('connections come from the member’s own address when it is no wildcard', async (t) => {
  const seen = new Set<string | undefined>();
  const ip = nextAddress();
  const ear = createServer((socket) => {
    seen.add(socket.remoteAddress);
    socket.destroy();
  });
  t.after(() => ear.close());
  await new Promise<void>((resolve) => ear.listen({ host: ip, port }, resolve));
  const a = await member('og-demo-0');
  a.peers.setPeers([{ name: 'og-demo-1', uid: 'u', ip }]);
  await until('a connection', () => seen.size > 0);
  assert.deepEqual([...seen], [a.ip]);
});

test('a port that is taken is a fault, not a crash', async () => {
  const a = await member('og-demo-0');
  await assert.rejects(station('og-demo-1', { ip: a.ip }), /EADDRINUSE/);
});

for (const [what, use] of [
  ['more inodes free than there are', { inodes: 1000, inodesFree: 2 ** 64 }],
  ['a size beyond all measure', { capacityBytes: 2 ** 63, availableBytes: 2 ** 63 }],
  ['no figure at all', { usedRatio: Number.NaN }],
  ['a size below nothing', { availableBytes: -4096 }],
] as const)
  test(`a member is heard, and votes, whose volume has ${what}`, async () => {
    const a = await member('og-demo-0');
    const odd = { mount: 'data', capacityBytes: 1000, availableBytes: 400, usedRatio: 0.6, ...use };
    const frozenFor = { term: 9, candidate: 'og-demo-0' };
    const freeze = async () => ok(aState('og-demo-1', { frozenFor, volumes: [odd] }));
    const b = await member('og-demo-1', { handler: { freeze } });
    acquaint(a, b);
    const answer = await a.peers.freeze('og-demo-1', { term: 9, candidate: 'og-demo-0', host: a.ip, haPort: 5433 }, 5000);
    assert.deepEqual(answer.ok && answer.value.frozenFor, frozenFor);
  });
