/**
 * Goal: a member that has just died, and still counts as alive, does not delay the votes of the others. Method: a
 * failover of five members, alone and with one standby lost in the same moment.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

async function gapOfFailover(alsoLost: string | undefined): Promise<{ world: World; gap: number }> {
  const world = await settledWorld({ members: 5 });
  const old = world.primary() ?? '';
  if (alsoLost !== undefined) world.killNode(alsoLost);
  world.database.kill(old);
  world.mark();
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old);
  await world.run(3000);
  world.loseNothing();
  world.singleWriter();
  return { world, gap: world.longestGap() };
}

test('a standby that dies together with the primary does not delay the votes of the others (5 members)', async () => {
  const alone = await gapOfFailover(undefined);
  const both = await gapOfFailover('og-demo-4');
  assert.ok(both.gap <= alone.gap + 250, `${both.gap} ms beside ${alone.gap} ms\n${both.world.story.slice(-60).join('\n')}`);
});
