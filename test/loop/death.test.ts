/**
 * Goal: a container whose end the kubelet reports costs a second, not the whole lease; what proves nothing costs the
 * lease. Method: the real loop under virtual time; the test plays kubelet.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

/** A cluster whose kubelet has told the primary's container, which then stands in the lease. */
async function namedWorld(): Promise<{ world: World; old: string }> {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const startedAt = new Date(Date.parse(world.clock.wall()) - (world.clock.now() - 1_000_000)).toISOString();
  world.kube.setContainer(old, { id: 'c-1', state: 'running', startedAt });
  await world.until('the container stands in the lease', () => world.kube.lease?.containerId === 'c-1', 10_000);
  world.mark();
  return { world, old };
}

test('a holder whose container has ended, as the kubelet says, is succeeded before its lease runs out', async () => {
  const { world, old } = await namedWorld();
  world.killNode(old);
  await world.run(1000);
  world.kube.setContainer(old, { id: 'c-1', state: 'waiting', ended: ['c-1'] });
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old, 1500);
  await world.run(2000);
  world.singleWriter();
  world.loseNothing();
});

test('a container that ended before the one in the lease proves nothing', async () => {
  const { world, old } = await namedWorld();
  const { term } = world.kube.lease ?? {};
  world.kube.setContainer(old, { id: 'c-1', state: 'running', ended: ['c-0'] });
  await world.run(20_000);
  assert.equal(world.kube.lease?.term, term);
  assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
});

test('the next container of a former holder does not inherit the name in the lease', async () => {
  const { world, old } = await namedWorld();
  world.killNode(old);
  world.startAgent(old);
  await world.until('a primary', () => world.kube.lease?.holder !== '' && world.kube.lease?.containerId === undefined, 20_000);
  await world.until('everybody streams', () => world.primary() !== undefined && world.standbys().length === 2, 60_000);
  world.singleWriter();
  world.loseNothing();
});
