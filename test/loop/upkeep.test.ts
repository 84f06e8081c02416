/** Goal: what a cycle keeps in mind between two looks is right. Method: the real loop under virtual time, one fault per test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld } from './world.ts';

test('nobody is promoted while PID 1 echoes an older deadline than it was told', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  for (const node of world.nodes.values()) node.echoBehindMs = 2000;
  const before = world.promotions.length;
  world.killNode(old);
  await world.run(30_000);
  assert.equal(world.promotions.length, before);
  for (const node of world.nodes.values()) node.echoBehindMs = 0;
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old);
  world.loseNothing();
});

test('a server that ends before it answers is started again ever less often, and the count begins anew once it was up', async () => {
  const world = await settledWorld();
  const name = world.standbys()[0] ?? '';
  const server = world.database.server(name);
  server.livesMs = 10;
  const before = server.starts;
  world.database.kill(name);
  await world.run(20_000);
  assert.ok(server.starts - before >= 3 && server.starts - before <= 6, `${server.starts - before} starts in 20 s`);
  server.livesMs = undefined;
  await world.until('it streams again', () => world.standbys().includes(name));
  await world.run(3000);
  const again = server.starts;
  server.livesMs = 10;
  world.database.kill(name);
  await world.run(8000);
  assert.ok(server.starts - again >= 3, `${server.starts - again} starts soon after a good one`);
});

test('promotions are told apart: the first one, a failover with its whole outage, a switchover, a restart in place', async () => {
  const world = await settledWorld({ members: 2 });
  assert.deepEqual(
    world.promotions.map((one) => one.kind),
    ['start'],
  );
  const old = world.primary() ?? '';
  const downAt = world.clock.now();
  world.killNode(old);
  await world.until('the other one', () => world.promotions.length === 2);
  assert.equal(world.promotions[1]?.kind, 'failover');
  const outage = (world.clock.now() - downAt) / 1000;
  assert.ok((world.promotions[1]?.seconds ?? 0) >= outage - 0.1, 'counted from the first sign of trouble');
  world.startAgent(old);
  await world.until('both', () => world.standbys().length === 1 && world.kube.lease?.entries.length === 1);
  await world.run(5000);
  world.kube.ask({ kind: 'switchover', target: old });
  await world.until('the switchover', () => world.promotions.length === 3);
  assert.equal(world.promotions[2]?.kind, 'switchover');
});

test('a member tells since when it is what it is', async () => {
  const world = await settledWorld();
  const handler = world.nodes.get(world.standbys()[0] ?? '')?.loop?.handler;
  const since = (await handlerState(world, handler))?.since;
  await world.run(5000);
  assert.ok(since !== undefined);
  assert.equal((await handlerState(world, handler))?.since, since);
});

async function handlerState(
  world: Awaited<ReturnType<typeof settledWorld>>,
  handler: { state(): Promise<{ since: string | undefined } | undefined> } | undefined,
) {
  const answer = handler?.state();
  await world.run(10);
  return await answer;
}
