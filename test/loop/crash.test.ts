/** Goal: servers that crash, once or again and again, cost as little as they can, and no leadership goes to and fro. Method: the real loop under virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

function terms(world: World): number {
  return world.kube.lease?.term ?? 0;
}

test('a primary that cannot restart in time gives its lease up, and comes back in the end (one of two members)', async () => {
  const world = await settledWorld({ members: 2 });
  const old = world.primary() ?? '';
  const other = world.standbys()[0] ?? '';
  world.killNode(other);
  await world.run(1000);
  world.database.server(old).startMs = 20_000;
  world.database.kill(old);
  await world.until('the lease is free', () => world.kube.lease?.holder === '', 9000);
  world.startAgent(other);
  await world.until('a primary', () => world.promotions.length > 1, 60_000);
  await world.run(3000);
  world.singleWriter();
  world.loseNothing();
});

test('starts that end at once are no new beginning: the lease is given up in the time that one start may take', async () => {
  const world = await settledWorld({ members: 2, config: 'primaryStartTimeoutSeconds: 40\n' });
  const old = world.primary() ?? '';
  world.killNode(world.standbys()[0] ?? '');
  await world.run(3000);
  world.database.server(old).livesMs = 10;
  world.database.kill(old);
  await world.run(35_000);
  assert.notEqual(world.kube.lease?.holder, '', 'it is tried here first');
  await world.until('the lease is free', () => world.kube.lease?.holder === '', 7000);
});

test('an agent that dies in the promotion of its server leaves no primary whose term is not the one of the record', async () => {
  const world = await settledWorld({ members: 2, config: 'sync:\n  mode: off\n' });
  const next = world.standbys()[0] ?? '';
  const { term } = world.kube.lease?.promoting ?? { term: 0 };
  world.killNode(world.primary() ?? '');
  await world.until('the promotion is asked for', () => (world.database.server(next).data?.promotedTerm ?? 0) > term, 20_000);
  assert.equal(world.database.server(next).role, 'Standby');
  world.killAgent(next);
  // The promotion falls into the second write of the next agent, the one that would record a further term.
  let writes = 0;
  world.kube.trouble = ({ member, verb }) => {
    if (member === next && verb === 'writeLease') writes += 1;
    return verb === 'writeLease' && writes === 2 ? 80 : undefined;
  };
  world.startAgent(next);
  await world.until('it leads', () => world.primary() === next && world.database.write(next), 20_000);
  assert.equal(world.database.server(next).data?.promotedTerm, world.kube.lease?.promoting?.term);
  await world.run(5000);
  const { process } = world.database.server(next);
  world.killAgent(next);
  world.startAgent(next);
  await world.run(5000);
  assert.equal(world.database.server(next).process, process, 'a healthy primary was ended');
});

test('a server that crashes a second time in five minutes is not restarted in place again', async () => {
  const world = await settledWorld({ members: 2, config: 'sync:\n  degradeAfterSeconds: 2\n' });
  const old = world.primary() ?? '';
  world.killNode(world.standbys()[0] ?? '');
  await world.until('degraded', () => world.kube.lease?.entries.at(-1)?.w === 0 && world.kube.lease.entries.length === 1);
  world.database.kill(old);
  await world.until('it writes again', () => world.database.write(old), 5000);
  await world.run(10_000);
  const story = world.story.length;
  world.database.kill(old);
  await world.run(500);
  assert.ok(world.story.slice(story).some((line) => line.includes('lease released')));
  await world.until('it leads again', () => world.primary() === old && world.database.write(old), 20_000);
  world.loseNothing();
});

test('where failover is manual a primary comes back by itself, from crashes and from the loss of its node, and nobody takes over', async () => {
  const world = await settledWorld({ config: 'failover: manual\n' });
  const old = world.primary() ?? '';
  for (let crash = 0; crash < 3; crash += 1) {
    world.database.kill(old);
    await world.until('it writes again', () => world.database.write(old), 20_000);
    await world.run(2000);
  }
  world.killNode(old);
  await world.run(20_000);
  const acting = [...world.nodes.keys()].filter((name) => world.database.server(name).role === 'Primary' && name !== old);
  assert.deepEqual(acting, []);
  world.startAgent(old);
  await world.until('it leads again', () => world.primary() === old && world.database.write(old), 20_000);
  world.singleWriter();
  world.loseNothing();
});

test('two members whose servers crash right after each promotion do not hand the lease to and fro all the time', async () => {
  const world = await settledWorld({ members: 2 });
  const before = terms(world);
  world.clock.every(100, () => {
    for (const name of world.nodes.keys()) if (world.database.server(name).role === 'Primary') world.database.kill(name);
  });
  await world.run(40_000);
  const changes = terms(world) - before;
  assert.ok(changes > 2 && changes < 16, `${changes} terms in 40 s`);
  assert.ok(world.story.some((line) => line.includes('"reason":"held-off"')));
});

test('a member that waits while the lease is free looks at its pace, not all the time', async () => {
  const world = await settledWorld({ members: 2 });
  const entries = [{ term: 1, primary: 'og-demo-9', dataId: 'nobody', names: ['og-demo-8'], w: 1 }];
  world.kube.editLease({ holder: '', entries });
  await world.run(5000);
  const server = world.database.server('og-demo-1');
  const before = server.looks;
  await world.run(10_000);
  assert.ok(server.looks - before < 60, `${server.looks - before} looks in 10 s`);
});
