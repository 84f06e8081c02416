/** Goal: a suspend makes a holder renew before it acts, and costs no more than that; a set wall clock costs nothing. Method: the real loop under virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld } from './world.ts';

test('a holder that was suspended for less than its permit claims the lease back before it does anything, and goes on', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const { process } = world.database.server(old);
  const { term } = world.kube.lease ?? {};
  world.clock.suspend(2500);
  await world.run(20_000);
  assert.ok(world.story.some((line) => line.startsWith(`${line.split(' ')[0]} ${old} warn the machine was suspended`)));
  assert.ok(world.story.some((line) => line.includes(`${old} info decision`) && line.includes('lease-claimed-back')));
  assert.equal(world.database.server(old).process, process);
  assert.equal(world.kube.lease?.term, term);
  world.singleWriter();
  world.loseNothing();
});

test('a holder that was suspended for longer than its permit is fenced first and asks later', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const { process } = world.database.server(old);
  world.clock.suspend(60_000);
  await world.run(200);
  assert.notEqual(world.database.server(old).process, process);
  await world.until('a primary and both standbys', () => world.primary() !== undefined && world.standbys().length === 2);
  world.singleWriter();
  world.loseNothing();
});

test('a holder that was suspended and cannot renew is killed at the end of the permit that it had, without PID 1 too', async () => {
  const world = await settledWorld({ config: 'sync:\n  mode: off\n' });
  const old = world.primary() ?? '';
  const { process } = world.database.server(old);
  const node = world.nodes.get(old);
  assert.ok(node !== undefined && process !== undefined);
  node.fenceBroken = true;
  world.clock.suspend(2500);
  world.cut(old, 'all');
  await world.until('its server is killed', () => world.database.server(old).process !== process, 6000);
  await world.until('a successor', () => ![undefined, old].includes(world.primary()), 20_000);
  world.singleWriter();
});

test('a wall clock that is set by an hour is told and changes nothing', async () => {
  const world = await settledWorld();
  const { term } = world.kube.lease ?? {};
  world.mark();
  world.clock.setWall(3_600_000);
  await world.run(10_000);
  world.clock.setWall(-7_200_000);
  await world.run(10_000);
  assert.equal(world.kube.lease?.term, term);
  assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
  assert.equal(world.story.filter((line) => line.includes('the wall clock was set')).length, 6);
});
