/** Goal: a cluster at rest does no more than it has to. Method: the real loop under virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld } from './world.ts';

test('a leader at rest renews every two seconds, in the cycle that it does anyway', async () => {
  const world = await settledWorld();
  await world.run(10_000);
  const leader = world.nodes.get(world.primary() ?? '');
  assert.ok(leader !== undefined);
  const before = leader.cycles;
  let renewals = 0;
  world.kube.trouble = ({ verb }) => {
    if (verb === 'writeLease') renewals += 1;
    return undefined;
  };
  await world.run(20_000);
  assert.ok(renewals >= 10 && renewals <= 11, `${renewals} renewals`);
  assert.ok(leader.cycles - before <= 11, `${leader.cycles - before} cycles`);
});

test('a member in whose log nothing happens says once a minute that nothing has', async () => {
  const world = await settledWorld();
  await world.run(3000);
  const from = world.story.length;
  await world.run(65_000);
  const told = world.story.slice(from).filter((line) => line.includes(' info summary '));
  const members = told.map((line) => /og-demo-\d/.exec(line)?.[0]).sort();
  assert.deepEqual(members, [...world.nodes.keys()].sort(), told.join('\n'));
  assert.ok(
    told.some((line) => /"reason":"leads".*"permitMsLeft":\d+.*"lsn":/.test(line)),
    told.join('\n'),
  );
});
