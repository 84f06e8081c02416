/**
 * Goal: who sees a lease run out late is not waited for, and gets it all the same when it has more. Method: two members lose
 * their power, the primary last, and come back one after the other; the primary's pod was made anew meanwhile.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld } from './world.ts';

test('a member that came back later than the other leads when it has more, without a wait (one of two members)', async () => {
  const world = await settledWorld({ members: 2 });
  const last = world.primary() ?? '';
  const first = last === 'og-demo-0' ? 'og-demo-1' : 'og-demo-0';
  world.killNode(first);
  // Written, and acknowledged by nobody.
  await world.run(100);
  world.killNode(last);
  const pod = world.kube.pods.get(last);
  assert.ok(pod !== undefined);
  world.kube.pods.set(last, { ...pod, uid: 'uid-9' });
  const has = (name: string) => world.database.server(name).data?.wal.length ?? 0;
  assert.ok(has(last) > has(first), `${has(last)} and ${has(first)}`);
  world.startAgent(first);
  await world.run(3000);
  world.startAgent(last);
  await world.until('a primary', () => world.primary() !== undefined && world.kube.lease?.promoting?.term !== 1, 9000);
  assert.equal(world.primary(), last, world.story.slice(-60).join('\n'));
  await world.until('both stream', () => world.standbys().length === 1, 30_000);
  world.singleWriter();
  world.loseNothing();
});
