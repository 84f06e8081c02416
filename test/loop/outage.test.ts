/**
 * Goal: a primary that is without the API server and without the promises it needs stops in time, one that ends is
 * succeeded when that is safe, and nothing is begun that the record has to know of. Method: as in failsafe.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const off = 'sync:\n  mode: off\n';

function cutAll(world: World): void {
  for (const name of world.nodes.keys()) world.cut(name, 'kube');
}

function served(world: World, since: number): boolean {
  return world.database.acked.some((ack) => ack.at >= since);
}

/** No acknowledgement after the fence could have come late. */
function silentAfter(world: World, moment: number): void {
  const late = world.database.acked.filter((ack) => ack.at > moment);
  assert.deepEqual(late.slice(0, 3), [], world.story.slice(-40).join('\n'));
}

test('the API server is away and both standbys die: the primary is fenced in time and leads again when it is back', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const standbys = world.standbys();
  cutAll(world);
  await world.run(20_000);
  const diedAt = world.clock.now();
  for (const name of standbys) world.killNode(name);
  await world.run(8000);
  assert.equal(world.database.server(primary).process === undefined || world.database.server(primary).role !== 'Primary', true);
  silentAfter(world, diedAt + 7000);
  world.heal();
  for (const name of standbys) world.startAgent(name);
  await world.until('a primary and everybody streaming', () => world.primary() !== undefined && world.standbys().length === 2);
  world.loseNothing();
  world.singleWriter();
});

test('in mode off one member that cannot promise is one that could lead: the primary is fenced in time', async () => {
  const world = await settledWorld({ config: off });
  const primary = world.primary() ?? '';
  const [first = ''] = world.standbys();
  world.cut(primary, 'kube');
  world.cut(first, 'peers');
  const cutAt = world.clock.now();
  await world.run(20_000);
  assert.deepEqual(
    world.database.acked.filter((ack) => ack.by === primary && ack.at > cutAt + 7000),
    [],
  );
  assert.equal(world.primary(), first);
  world.singleWriter();
});

test('a primary that is cut off from everything after an outage of the API server is fenced, and succeeded', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  world.cut(primary, 'kube');
  await world.run(15_000);
  const cutAt = world.clock.now();
  world.cut(primary, 'all');
  await world.run(20_000);
  assert.deepEqual(
    world.database.acked.filter((ack) => ack.by === primary && ack.at > cutAt + 7000),
    [],
  );
  assert.ok(world.primary() !== undefined && world.primary() !== primary);
  world.singleWriter();
  world.heal();
  await world.until('everybody streams', () => world.standbys().length === 2);
  world.loseNothing();
});

test('a server that dies while the API server is away is succeeded promptly once it is back, and not before', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const { term } = world.kube.lease ?? {};
  cutAll(world);
  await world.run(20_000);
  world.database.kill(primary);
  await world.run(15_000);
  assert.equal(world.kube.lease?.term, term);
  const backAt = world.clock.now();
  world.heal();
  await world.until('a new term', () => (world.kube.lease?.term ?? 0) > (term ?? 0) && served(world, backAt), 10_000);
  world.singleWriter();
  world.loseNothing();
});

test('a server that dies on a primary cut off from the API server alone is succeeded without waiting for the promises', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  world.cut(primary, 'kube');
  await world.run(15_000);
  world.database.kill(primary);
  const diedAt = world.clock.now();
  await world.until(
    'a successor',
    () => world.primary() !== undefined && world.primary() !== primary && served(world, diedAt),
    7000,
  );
  world.singleWriter();
  world.loseNothing();
});

test('a node that dies while the API server is away is not succeeded before the promises made to it have ended', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  world.cut(primary, 'kube');
  await world.run(15_000);
  const { term } = world.kube.lease ?? {};
  world.killNode(primary);
  await world.run(5500);
  assert.equal(world.kube.lease?.term, term);
  await world.until('a successor', () => world.primary() !== undefined && world.primary() !== primary, 10_000);
  world.loseNothing();
});

test('a write whose answer is lost may stand in the lease: the holder does not rely on the entry that it dropped', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const [first = '', second = ''] = world.standbys();
  const entries = () => world.kube.lease?.entries.map((entry) => entry.names.join('+')).join(' ');
  world.database.cutPairs.add(`${first} ${primary}`);
  while (entries() !== `${first}+${second} ${second}`) await world.run(1);
  // The old entry is dropped, and the primary never hears of it: with the first one's promise it would feel safe.
  world.kube.trouble = ({ member, verb }) => {
    if (member !== primary || verb !== 'writeLease') return undefined;
    world.kube.cut.add(primary);
    return 'lost';
  };
  await world.until('the old entry is dropped', () => entries() === second, 5000);
  world.cut(second, 'peers');
  world.kube.cut.delete(second);
  await world.until('a successor', () => world.primary() === second, 30_000);
  await world.run(5000);
  world.singleWriter();
  assert.equal(world.database.server(primary).process === undefined || world.database.server(primary).role !== 'Primary', true);
  world.kube.trouble = () => undefined;
  world.heal();
  await world.until('everybody streams', () => world.standbys().length === 2);
  world.loseNothing();
});

test('an outage in the middle of a switchover undoes it, and the primary goes on', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
  await world.until('the others are pointed at the target', () => world.database.server('og-demo-2').data?.lock !== undefined);
  cutAll(world);
  world.mark();
  await world.run(15_000);
  assert.ok(world.longestGap() < 3000, `gap ${world.longestGap()} ms\n${world.story.slice(-60).join('\n')}`);
  world.heal();
  await world.until(
    'the whole set',
    () => world.kube.lease?.entries.length === 1 && world.kube.lease.entries[0]?.names.length === 2,
  );
  assert.equal(world.primary(), primary);
  world.loseNothing();
});

test('a primary that is asked to stop in an outage stops its server instead of handing over', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  cutAll(world);
  await world.run(20_000);
  world.nodes.get(primary)?.loop?.stop();
  await world.until('the server is stopped', () => world.database.server(primary).process === undefined, 10_000);
  world.heal();
  await world.until('a successor', () => world.primary() !== undefined && world.primary() !== primary);
  world.loseNothing();
});
