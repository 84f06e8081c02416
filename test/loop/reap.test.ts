/**
 * Goal: an agent that was started again does not give the lease away while a promotion of the one before is still coming.
 * Method: the real loop under virtual time (world.ts); the agent dies in the middle of a promotion.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld } from './world.ts';

test('an agent that may lead no more kills the server that the agent before it was promoting, then releases', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.killNode(old);
  const promoting = () =>
    world.kube.events.find((event) => event.reason === 'Promoting' && event.member !== old && event.at > world.clock.now() - 20);
  await world.until('a promotion', () => promoting() !== undefined);
  const next = promoting()?.member ?? '';
  const { process } = world.database.server(next);
  world.killAgent(next);
  const pod = world.kube.pods.get(next);
  assert.ok(pod !== undefined && process !== undefined);
  world.kube.pods.set(next, { ...pod, annotations: { 'opengauss.agent/never-primary': 'true' } });
  world.startAgent(next);
  await world.until('the release', () => !(world.kube.lease?.holder ?? '').startsWith(`${next}/`));
  assert.notEqual(world.database.server(next).process?.pid, process.pid, 'the server that was being promoted is gone by then');
  world.singleWriter();
});
