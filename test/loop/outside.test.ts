/**
 * Goal: what somebody does to a server past the agents makes no second writer and loses nothing. Method: one cluster under
 * virtual time; the server's role is changed behind the agent's back, as gs_ctl in a shell would.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld } from './world.ts';

for (const members of [2, 3]) {
  test(`a standby that is promoted by hand acknowledges nothing, and comes back as a standby (${members} members)`, async () => {
    const world = await settledWorld({ members });
    const primary = world.primary() ?? '';
    const [standby = ''] = world.standbys();
    const server = world.database.server(standby);
    server.role = 'Primary';
    server.streamsFrom = undefined;
    const process = server.process;
    await world.until('it is killed', () => server.process !== process);
    assert.ok(!world.database.acked.some((ack) => ack.by === standby));
    await world.until('everybody streams', () => world.standbys().length === members - 1);
    assert.equal(world.primary(), primary);
    world.loseNothing();
    world.singleWriter();
  });
}

test('a primary that is demoted by hand is succeeded by somebody, and commits go on', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const term = world.kube.lease?.term ?? 0;
  world.database.server(old).role = 'Standby';
  await world.until('a promotion', () => (world.kube.lease?.promoting?.term ?? 0) > term);
  await world.until('one primary and everybody streaming', () => world.primary() !== undefined && world.standbys().length === 2);
  world.mark();
  await world.run(1000);
  assert.ok(world.longestGap() < 200);
  world.loseNothing();
  world.singleWriter();
});

test('a winner of the lease that is made primary by hand before it has compared is killed, and promoted in order or not at all', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.killNode(old);
  const holder = () => (world.kube.lease?.holder ?? '').split('/')[0] ?? '';
  await world.until('another holder', () => holder() !== old);
  assert.equal(world.kube.lease?.promoting?.member, old);
  const server = world.database.server(holder());
  const { process } = server;
  server.role = 'Primary';
  server.streamsFrom = undefined;
  const acked = world.database.acked.length;
  await world.until('it is killed', () => server.process !== process, 2000);
  assert.equal(world.database.acked.length, acked);
  await world.until('a promotion in order', () => world.kube.lease?.promoting?.member !== old);
  await world.until('a primary', () => world.primary() !== undefined && world.primary() !== old);
  world.loseNothing();
  world.singleWriter();
});
