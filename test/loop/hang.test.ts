/** Goal: a hang of the server or of its volume costs hangSeconds and a failover, and no acknowledged row. Method: the real loop under virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

async function newPrimary(world: World, old: string, ms: number): Promise<void> {
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old, ms);
}

test('a primary that stops answering is killed after hangSeconds and succeeded', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.database.server(old).frozen = true;
  await world.run(8000);
  assert.notEqual(world.database.server(old).process, undefined, 'it has its time to come back');
  await newPrimary(world, old, 5000);
  world.database.server(old).frozen = false;
  await world.until('it streams', () => world.standbys().includes(old), 30_000);
  world.singleWriter();
  world.loseNothing();
});

test('a primary that stops answering for less is left alone', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const { process } = world.database.server(old);
  world.database.server(old).frozen = true;
  await world.run(6000);
  world.database.server(old).frozen = false;
  await world.run(5000);
  assert.equal(world.database.server(old).process, process);
  assert.equal(world.primary(), old);
});

for (const [how, silentMs] of [
  ['still answers from memory', undefined],
  ['stops answering a while later', 5000],
] as const) {
  test(`a primary whose data volume hangs and that ${how} is succeeded within hangSeconds and 3 s, though it cannot end`, async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    const server = world.database.server(old);
    Object.assign(server, { undying: true, dry: true });
    const node = world.nodes.get(old);
    assert.ok(node !== undefined);
    node.stalledSince = world.clock.now();
    if (silentMs !== undefined)
      void world.clock.until(world.clock.now() + silentMs).then(() => Object.assign(server, { frozen: true }));
    await world.run(9000);
    assert.ok(world.kube.lease?.holder.startsWith(`${old}/`), 'it has its time to come back');
    await newPrimary(world, old, 4000);
    assert.notEqual(server.process, undefined);
    world.singleWriter();
    world.loseNothing();
  });
}

test('an agent that starts beside a primary that does not answer keeps it guarded, and hands over when it stays mute', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.killAgent(old);
  world.database.server(old).frozen = true;
  world.startAgent(old);
  await world.run(8000);
  assert.notEqual(world.database.server(old).process, undefined, 'the lease is renewed, so PID 1 lets it live');
  assert.equal(world.nodes.get(old)?.fence?.process, world.database.server(old).process);
  await newPrimary(world, old, 8000);
  world.singleWriter();
  world.loseNothing();
});
