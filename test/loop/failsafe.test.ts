/**
 * Goal: a primary goes on without the API server for as long as nobody else can lead; how it ends stands in
 * outage.test.ts. Method: the whole loop under virtual time, the API server cut from everybody or from the primary alone,
 * with members dead, cut off, restarted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const off = 'sync:\n  mode: off\n';

function cutAll(world: World): void {
  for (const name of world.nodes.keys()) world.cut(name, 'kube');
}

for (const { title, members = 3, config, ms } of [
  { title: '3 members, quorum, longer than any reading is kept', ms: 75_000 },
  { title: '2 members, quorum', members: 2, ms: 15_000 },
  { title: '5 members, quorum', members: 5, ms: 15_000 },
  { title: '3 members, off', config: off, ms: 15_000 },
  { title: '3 members, strict', config: 'sync:\n  mode: strict\n', ms: 15_000 },
  { title: 'alone', members: 1, ms: 15_000 },
]) {
  test(`the API server is away from everybody: no gap, no promotion, the same term (${title})`, async () => {
    const world = await settledWorld({ members, ...(config === undefined ? {} : { config }) });
    const primary = world.primary() ?? '';
    const { term } = world.kube.lease ?? {};
    cutAll(world);
    world.mark();
    await world.run(ms);
    assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms\n${world.story.slice(-60).join('\n')}`);
    world.heal();
    await world.until('the lease is renewed', () => world.kube.events.some((event) => event.reason === 'FailsafeEnded'));
    await world.run(20_000);
    assert.ok(world.longestGap() < 200, `gap after ${world.longestGap()} ms`);
    assert.deepEqual([world.primary(), world.kube.lease?.term], [primary, term]);
    world.singleWriter();
    world.loseNothing();
  });
}

test('an API server that is away is told in the log once a minute, not at each try', async () => {
  const world = await settledWorld();
  cutAll(world);
  const from = world.story.length;
  await world.run(150_000);
  const lines = world.story.slice(from).filter((line) => line.includes('lease write failed'));
  assert.ok(lines.length >= 2 && lines.length <= 6, `${lines.length} lines`);
});

test('the API server is away and a standby dies: the primary goes on by the promise of the other (3 members)', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const [first = ''] = world.standbys();
  const { term } = world.kube.lease ?? {};
  cutAll(world);
  await world.run(5000);
  world.killNode(first);
  world.mark();
  await world.run(15_000);
  assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
  world.heal();
  world.startAgent(first);
  await world.until('everybody streams', () => world.standbys().length === 2);
  assert.deepEqual([world.primary(), world.kube.lease?.term], [primary, term]);
  world.loseNothing();
});

test('a primary that goes on by its promises is not succeeded because somebody takes its name out of the lease (off)', async () => {
  const world = await settledWorld({ config: off });
  const primary = world.primary() ?? '';
  world.cut(primary, 'kube');
  await world.run(5000);
  world.kube.editLease({ holder: '' });
  await world.until('its fence', () => world.database.server(primary).process === undefined);
  await world.until('a successor', () => world.primary() !== undefined && world.primary() !== primary);
  await world.run(1000);
  world.singleWriter();
});

for (const config of [undefined, off]) {
  test(`a primary cut off from the API server alone goes on, and nobody stands (${config === undefined ? 'quorum' : 'off'})`, async () => {
    const world = await settledWorld(config === undefined ? {} : { config });
    const primary = world.primary() ?? '';
    const { term } = world.kube.lease ?? {};
    world.cut(primary, 'kube');
    world.mark();
    await world.run(15_000);
    assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms\n${world.story.slice(-60).join('\n')}`);
    assert.equal(world.kube.lease?.term, term);
    world.heal();
    await world.run(10_000);
    assert.deepEqual([world.primary(), world.kube.lease?.term], [primary, term]);
    world.singleWriter();
    world.loseNothing();
  });
}

test('a primary and one standby without the API server, the other with it and alone: no grant, no promotion (F23)', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const [first = '', second = ''] = world.standbys();
  const { term } = world.kube.lease ?? {};
  world.cut(primary, 'kube');
  world.cut(first, 'kube');
  world.mark();
  await world.run(15_000);
  assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
  assert.equal(world.kube.lease?.term, term);
  // Now it cannot even see the others.
  world.cut(second, 'peers');
  await world.run(15_000);
  assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
  assert.equal(world.kube.lease?.term, term);
  world.heal();
  await world.until('everybody streams', () => world.standbys().length === 2);
  assert.equal(world.primary(), primary);
  world.singleWriter();
  world.loseNothing();
});

test('standbys whose agents restart in the outage keep their promise and give it again', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const { term } = world.kube.lease ?? {};
  world.cut(primary, 'kube');
  await world.run(10_000);
  world.mark();
  for (const name of world.standbys()) {
    world.killAgent(name);
    await world.run(500);
    world.startAgent(name);
    await world.run(15_000);
  }
  assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms\n${world.story.slice(-60).join('\n')}`);
  assert.deepEqual([world.primary(), world.kube.lease?.term], [primary, term]);
});

test('agents of standbys that restart while the API server is away from everybody are asked and promise all the same', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const { term } = world.kube.lease ?? {};
  cutAll(world);
  await world.run(5000);
  for (const name of world.standbys()) {
    world.killAgent(name);
    world.startAgent(name);
  }
  world.mark();
  await world.run(15_000);
  assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms\n${world.story.slice(-60).join('\n')}`);
  world.heal();
  await world.run(10_000);
  assert.deepEqual([world.primary(), world.kube.lease?.term], [primary, term]);
});

test('a promise for a term that the lease has left behind prolongs nothing', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const promised = () => world.standbys().some((name) => world.nodes.get(name)?.records.promise !== undefined);
  world.promisesTakeMs = 300;
  world.kube.trouble = ({ member, verb }) =>
    member === primary && verb === 'writeLease' ? { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'timed out' } : undefined;
  const lastRenewedBefore = world.clock.now();
  await world.until('promises are given', promised, 10_000);
  // On its way back the lease gets another term, by a person's hand; for that one nobody promises anything.
  world.nobodyPromises = true;
  world.kube.editLease({ term: (world.kube.lease?.term ?? 0) + 5 });
  await world.run(lastRenewedBefore + 6100 - world.clock.now());
  assert.equal(world.database.server(primary).process, undefined, world.story.slice(-40).join('\n'));
  world.kube.trouble = () => undefined;
  await world.until('a primary and everybody streaming', () => world.primary() !== undefined && world.standbys().length === 2);
  world.singleWriter();
  world.loseNothing();
});
