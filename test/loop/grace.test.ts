/**
 * Goal: a primary that is about to be killed gives the lease away while it can, whatever time it was left. Method: the real loop
 * under virtual time; the pod is deleted, the agent is told to stop, and two seconds later the container is killed, as a kubelet does.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const killedAfterMs = 2000;

const holderOf = (world: World) => world.kube.lease?.holder.split('/')[0];

async function succeeded(world: World, old: string): Promise<void> {
  await world.run(killedAfterMs);
  assert.notEqual(holderOf(world), old, `the lease was given away\n${world.story.slice(-40).join('\n')}`);
  world.killNode(old);
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old);
  await world.run(1000);
  world.loseNothing();
  world.singleWriter();
}

for (const [what, graceSeconds] of [
  ['was deleted by force', 0],
  ['has a second to end', 1],
] as const) {
  test(`a primary whose pod ${what} stops its server and gives the lease away before it is killed`, async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.kube.deletePod(old, graceSeconds);
    await world.run(graceSeconds === 0 ? 100 : 10);
    world.nodes.get(old)?.loop?.stop();
    await succeeded(world, old);
  });
}

test('one that hears of it in the middle of its hand-over does not finish that in order', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.nodes.get(old)?.loop?.stop();
  await world.until('the hand-over has begun', () => (world.kube.lease?.entries.length ?? 0) > 1);
  world.kube.deletePod(old, 0);
  await succeeded(world, old);
});
