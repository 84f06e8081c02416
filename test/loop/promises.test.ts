/**
 * Goal: a promise is on disk before it is answered, binds over a restart for its whole duration, and comes too late
 * for a member that is taking the lease. Method: promises asked of a settled cluster's members directly.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerState, PromiseAsk } from '../../agent/core/model.ts';
import type { Result } from '../../agent/core/result.ts';
import { settledWorld, type World } from './world.ts';

function handlerOf(world: World, member: string) {
  const handler = world.nodes.get(member)?.loop?.handler;
  assert.ok(handler !== undefined, `${member} runs`);
  return handler;
}

async function promise(world: World, member: string, from: string, part: Partial<PromiseAsk> = {}): Promise<Result<PeerState>> {
  const holder = world.kube.lease?.holder ?? '';
  const term = world.kube.lease?.term ?? 0;
  const answer = handlerOf(world, member).promise({ holder, term, durationMs: 8000, ...part }, from);
  await world.run(50);
  return await answer;
}

async function freeze(world: World, member: string, candidate: string): Promise<string> {
  const term = (world.kube.lease?.term ?? 0) + 5;
  const answer = handlerOf(world, member).freeze(
    { term, candidate, host: world.database.server(candidate).ip, haPort: 5433 },
    candidate,
  );
  await world.run(100);
  const given = await answer;
  return given.ok ? 'granted' : given.fault.detail;
}

test('a promise is on disk before its answer, and a member that gave it grants to nobody else until it ends', async () => {
  const world = await settledWorld();
  const holder = world.primary() ?? '';
  const [first = '', second = ''] = world.standbys();
  const given = await promise(world, first, holder);
  assert.ok(given.ok);
  assert.equal(given.value.promised?.holder, world.kube.lease?.holder);
  assert.equal(world.nodes.get(first)?.records.promise?.term, world.kube.lease?.term);
  assert.match(await freeze(world, first, second), /promised to/);
  await world.run(8500);
  assert.equal(world.nodes.get(first)?.records.promise, undefined, 'an ended promise is taken off the disk');
  assert.equal(await freeze(world, first, second), 'granted');
});

test('a member that promised does not stand, and does when the promise has ended', async () => {
  const world = await settledWorld();
  const holder = world.primary() ?? '';
  for (const standby of world.standbys()) assert.ok((await promise(world, standby, holder, { durationMs: 20_000 })).ok);
  const { term } = world.kube.lease ?? {};
  world.killNode(holder);
  await world.run(16_000);
  assert.equal(world.kube.lease?.term, term);
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== holder);
  world.loseNothing();
});

test('an agent that restarts is bound for the whole duration again', async () => {
  const world = await settledWorld();
  const holder = world.primary() ?? '';
  const standbys = world.standbys();
  for (const standby of standbys) assert.ok((await promise(world, standby, holder, { durationMs: 20_000 })).ok);
  const { term } = world.kube.lease ?? {};
  await world.run(15_000);
  world.killNode(holder);
  for (const standby of standbys) {
    world.killAgent(standby);
    world.startAgent(standby);
  }
  await world.run(16_000);
  assert.equal(world.kube.lease?.term, term);
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== holder);
});

test('a member without records counts as bound for a whole duration', async () => {
  const world = await settledWorld();
  const [first = '', second = ''] = world.standbys();
  const node = world.nodes.get(first);
  assert.ok(node !== undefined);
  world.killAgent(first);
  node.records = { granted: 0, freeze: undefined, build: undefined, fresh: true };
  world.startAgent(first);
  await world.run(1000);
  assert.match(await freeze(world, first, second), /promised to/);
  await world.run(8000);
  assert.equal(await freeze(world, first, second), 'granted');
});

test('a member without records waits as long as this cluster promises, and without an end while it cannot know that', async () => {
  const world = await settledWorld({ config: 'lease:\n  durationSeconds: 30\n' });
  const [first = '', second = ''] = world.standbys();
  const node = world.nodes.get(first);
  assert.ok(node !== undefined);
  world.killAgent(first);
  node.records = { granted: 0, freeze: undefined, build: undefined, fresh: true };
  world.cut(first, 'kube');
  world.startAgent(first);
  await world.run(40_000);
  assert.match(await freeze(world, first, second), /promised to/);
  world.heal();
  await world.run(5000);
  assert.equal(await freeze(world, first, second), 'granted');

  world.killAgent(second);
  const other = world.nodes.get(second);
  assert.ok(other !== undefined);
  other.records = { granted: 0, freeze: undefined, build: undefined, fresh: true };
  world.startAgent(second);
  await world.run(20_000);
  assert.match(await freeze(world, second, first), /promised to/);
});

test('a promise is given back by the holder that has no server any more, and by nobody else', async () => {
  const world = await settledWorld();
  const holder = world.primary() ?? '';
  const [first = '', second = ''] = world.standbys();
  assert.ok((await promise(world, first, holder)).ok);
  assert.ok((await promise(world, first, second, { durationMs: 0 })).ok);
  assert.ok((await promise(world, first, holder, { durationMs: 0, term: 99 })).ok);
  assert.ok(world.nodes.get(first)?.records.promise !== undefined);
  const back = await promise(world, first, holder, { durationMs: 0 });
  assert.ok(back.ok);
  assert.equal(back.value.promised, undefined);
  assert.equal(world.nodes.get(first)?.records.promise, undefined);
});

test('a member votes for the very holder that it has promised once that one has released its lease, and not before', async () => {
  const world = await settledWorld();
  const holder = world.primary() ?? '';
  const [first = ''] = world.standbys();
  assert.ok((await promise(world, first, holder)).ok);
  assert.match(await freeze(world, first, holder), /promised to/);
  const { holder: identity, term } = world.kube.lease ?? { holder: '', term: 0 };
  world.kube.editLease({ holder: '', releasedBy: identity });
  // At once, so that nobody else takes it; everybody is told of both.
  world.kube.editLease({ holder: identity, term: term + 1 });
  await world.run(20);
  assert.equal(world.kube.lease?.holder, identity);
  assert.equal(await freeze(world, first, holder), 'granted');
});

test('who has voted for the holder of a term promises to it all the same; who has promised first does not vote even for it', async () => {
  const world = await settledWorld();
  const holder = world.primary() ?? '';
  const [first = '', second = ''] = world.standbys();
  const ask = { term: world.kube.lease?.term ?? 0, candidate: holder, host: world.database.server(holder).ip, haPort: 5433 };
  const voted = handlerOf(world, first).freeze(ask, holder);
  await world.until('the vote is on disk', () => world.nodes.get(first)?.records.freeze?.term === ask.term, 1000);
  assert.ok((await promise(world, first, holder)).ok);
  assert.ok((await voted).ok);
  assert.ok((await promise(world, second, holder)).ok);
  const late = handlerOf(world, second).freeze(ask, holder);
  await world.run(100);
  assert.ok(!(await late).ok);
});

test('a promise that could not be put on disk is not answered as given', async () => {
  const world = await settledWorld();
  const holder = world.primary() ?? '';
  const [first = ''] = world.standbys();
  const node = world.nodes.get(first);
  assert.ok(node !== undefined);
  node.diskBroken = true;
  const given = await promise(world, first, holder);
  assert.equal(given.ok ? 'given' : given.fault.of, 'disk');
});
