/**
 * Goal: what a member grants to a candidate, it grants once, on disk, and never below what it granted before.
 * Method: freezes asked of a settled cluster's members directly.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerState } from '../../agent/core/model.ts';
import type { Result } from '../../agent/core/result.ts';
import { settledWorld, type World } from './world.ts';

async function freeze(world: World, member: string, term: number, candidate: string): Promise<Result<PeerState>> {
  const handler = world.nodes.get(member)?.loop?.handler;
  assert.ok(handler !== undefined);
  const answer = handler.freeze({ term, candidate, host: world.database.server(candidate).ip, haPort: 5433 }, candidate);
  await world.run(100);
  return await answer;
}

function detailOf(answer: Result<PeerState>): string {
  return answer.ok ? 'granted' : answer.fault.detail;
}

test('a member refuses a term lower than one it granted, also after its agent was restarted', async () => {
  const world = await settledWorld();
  const [voter = '', other = ''] = world.standbys();
  assert.equal(detailOf(await freeze(world, voter, 9, other)), 'granted');
  assert.match(detailOf(await freeze(world, voter, 8, other)), /lower than 9/);
  world.killAgent(voter);
  world.startAgent(voter);
  await world.run(200);
  assert.match(detailOf(await freeze(world, voter, 8, other)), /lower than 9/);
});

test('a member grants one term to one candidate, as often as that one asks', async () => {
  const world = await settledWorld({ members: 4 });
  const [voter = '', first = '', second = ''] = world.standbys();
  assert.equal(detailOf(await freeze(world, voter, 9, first)), 'granted');
  assert.equal(detailOf(await freeze(world, voter, 9, first)), 'granted');
  assert.match(detailOf(await freeze(world, voter, 9, second)), new RegExp(`granted to ${first}`));
});

test('a member whose server ends before it has answered gives no vote, and is frozen all the same', async () => {
  const world = await settledWorld();
  const [voter = '', other = ''] = world.standbys();
  const server = world.database.server(voter);
  const { ip } = world.database.server(other);
  world.clock.every(1, () => {
    if (server.data?.lock?.host === ip && server.process !== undefined) world.database.kill(voter);
  });
  assert.match(detailOf(await freeze(world, voter, 9, other)), /the instance is stopped/);
  assert.equal(world.nodes.get(voter)?.records.freeze?.candidate, other);
});

test('two candidates that ask for one term in the same moment get one grant', async () => {
  const world = await settledWorld({ members: 4 });
  const [voter = '', first = '', second = ''] = world.standbys();
  const answers = Promise.all([freeze(world, voter, 9, first), freeze(world, voter, 9, second)]);
  const details = (await answers).map(detailOf);
  assert.equal(details[0], 'granted');
  assert.match(details[1] ?? '', new RegExp(`granted to ${first}`));
  assert.equal(world.nodes.get(voter)?.records.freeze?.candidate, first);
});

test('an agent that has not read its records yet grants nothing', async () => {
  const world = await settledWorld();
  const [voter = '', other = ''] = world.standbys();
  world.killAgent(voter);
  world.startAgent(voter);
  const answer = world.nodes
    .get(voter)
    ?.loop?.handler.freeze({ term: 9, candidate: other, host: '10.0.0.12', haPort: 5433 }, other);
  await world.run(100);
  assert.ok(answer !== undefined);
  assert.match(detailOf(await answer), /first cycle/);
});

test('a member refuses a term that the lease has left behind, though it has granted nothing yet', async () => {
  const world = await settledWorld();
  const [voter = '', other = ''] = world.standbys();
  const { term = 0 } = world.kube.lease ?? {};
  world.kube.editLease({ term: term + 5 });
  await world.run(50);
  assert.match(detailOf(await freeze(world, voter, term + 4, other)), /lower than \d+, the lease's/);
});

test('a leader with a permit grants nothing', async () => {
  const world = await settledWorld();
  const leader = world.primary() ?? '';
  assert.match(detailOf(await freeze(world, leader, 99, world.standbys()[0] ?? '')), /leads/);
});

test('a lagging reading of the lease does not replace a newer one', async () => {
  const world = await settledWorld();
  const old = world.kube.lease;
  const leader = world.primary() ?? '';
  await world.run(5000);
  const newer = world.kube.lease;
  assert.notEqual(old?.resourceVersion, newer?.resourceVersion);
  world.kube.lag(leader, old);
  await world.run(20_000);
  assert.equal(world.primary(), leader);
  assert.equal(world.kube.lease?.holder, newer?.holder);
});
