/**
 * Goal: a primary that is cut off from its standbys alone hands over by what they write on their pods, once, and what they
 * write is bounded and taken away. Method: the real loop under virtual time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const reportKey = 'opengauss.agent/could-lead';

function reports(world: World): string[] {
  return [...world.kube.pods.values()].flatMap((pod) => pod.annotations[reportKey] ?? []);
}

for (const mode of ['quorum', 'strict']) {
  test(`a primary that is cut off from its peers hands over, and comes back as a standby (${mode})`, async () => {
    const world = await settledWorld({ config: `sync: { mode: ${mode} }` });
    const old = world.primary() ?? '';
    const term = world.kube.lease?.term ?? 0;
    world.cut(old, 'peers');
    await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old, 12_000);
    await world.run(20_000);
    assert.equal(world.kube.lease?.term, term + 1, 'one change, however long it lasts');
    assert.deepEqual(reports(world), [], 'nothing is left of the reports');
    assert.ok(world.longestGap() < 9500, `gap ${world.longestGap()} ms`);
    world.heal();
    await world.until('everybody streams', () => world.standbys().length === 2, 60_000);
    world.singleWriter();
    world.loseNothing();
  });
}

test('nobody reports while nobody has the votes, and the primary stays', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const [, second = ''] = world.standbys();
  world.cut(old, 'peers');
  world.cut(second, 'peers');
  await world.run(20_000);
  assert.deepEqual(reports(world), [], 'nobody has the votes, so nobody reports');
  assert.equal(world.primary(), old);
  world.heal();
  await world.until('everybody streams', () => world.standbys().length === 2, 60_000);
  world.loseNothing();
});

test('where the heir dies before its turn, the one that handed over leaves it a while and then leads again', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const others = world.standbys();
  world.cut(old, 'peers');
  // The lease is released, and nobody else gets it.
  const refusal = { of: 'kube', kind: 'unreachable', done: 'no', detail: 'no answer' } as const;
  world.kube.trouble = ({ member, verb }) => (verb === 'writeLease' && member !== old ? refusal : undefined);
  await world.until('the lease is released', () => world.kube.lease?.holder === '', 12_000);
  for (const name of others) world.killAgent(name);
  await world.run(4000);
  assert.equal(world.kube.lease?.holder, '', 'it does not stand at once');
  await world.until('it holds the lease', () => world.kube.lease?.holder.startsWith(`${old}/`) === true, 10_000);
  for (const name of others) world.startAgent(name);
  world.heal();
  await world.until('everybody streams', () => world.primary() !== undefined && world.standbys().length === 2, 60_000);
  world.singleWriter();
  world.loseNothing();
});
