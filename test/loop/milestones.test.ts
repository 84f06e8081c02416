/**
 * Goal: people who look at the Events of a pod find what became of it, once and in order. Method: the real loop under
 * virtual time (world.ts); where two primaries are needed, which the world never has, views made by hand.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context } from '../../agent/loop/context.ts';
import { emptyMemory } from '../../agent/loop/memory.ts';
import { tellMilestones } from '../../agent/loop/milestones.ts';
import { aLeadingView, aPeer, aPrimaryPeer, now } from '../core/builders.ts';
import { settledWorld, type World } from './world.ts';

const own = ['LeaseLost', 'Demoting', 'Demoted', 'RejoinStarted', 'RejoinCompleted', 'MultiplePrimaries'];

function eventsOf(world: World, name: string, since: number): string[] {
  const events = world.kube.events.filter((event) => event.member === name && event.at >= since);
  return events.map((event) => event.reason).filter((reason) => own.includes(reason));
}

test('a primary that hands over tells that it gives its role up, starts again, and streams', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const since = world.clock.now();
  world.kube.ask({ kind: 'switchover' });
  await world.until('the old one streams', () => world.primary() !== old && world.standbys().includes(old));
  await world.run(5000);
  assert.deepEqual(eventsOf(world, old, since), ['Demoting', 'RejoinStarted', 'Demoted', 'RejoinCompleted']);
  for (const name of world.nodes.keys()) if (name !== old) assert.deepEqual(eventsOf(world, name, since), []);
});

test('a primary that was cut off tells that its lease is lost, and whose it is, when it sees it', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const since = world.clock.now();
  world.cut(old, 'all');
  await world.until('a successor', () => world.primary() !== undefined && world.primary() !== old);
  world.heal();
  await world.until('the old one streams', () => world.standbys().includes(old));
  await world.run(5000);
  const told = eventsOf(world, old, since);
  for (const reason of ['LeaseLost', 'RejoinStarted', 'Demoted', 'RejoinCompleted'])
    assert.equal(told.filter((one) => one === reason).length, 1, `${reason} in ${told.join(', ')}`);
  const lost = world.kube.events.find((event) => event.reason === 'LeaseLost' && event.member === old);
  assert.match(lost?.note ?? '', new RegExp(`is ${world.primary()}'s`));
  assert.ok(!told.includes('MultiplePrimaries'));
});

test('a member that gives its lease back, or is renewed by its next agent, has lost nothing', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  const since = world.clock.now();
  world.killAgent(old);
  world.startAgent(old);
  await world.run(5000);
  world.database.kill(old);
  await world.until('a successor', () => world.primary() !== undefined && world.primary() !== old);
  await world.run(10_000);
  assert.ok(!eventsOf(world, old, since).includes('LeaseLost'));
});

test('a build that fails is told with what can be done', async () => {
  const world = await settledWorld();
  const primary = world.primary() ?? '';
  const [name = ''] = world.standbys();
  world.killNode(name);
  world.database.server(name).data = undefined;
  world.startAgent(name);
  const told = (reason: string) => world.kube.events.find((event) => event.reason === reason && event.member === name);
  const before = world.kube.events.length;
  await world.until('a build', () => world.kube.events.slice(before).some((event) => event.reason === 'BuildStarted'));
  world.database.kill(primary);
  await world.until('its failure', () => told('BuildFailed') !== undefined);
  assert.match(told('BuildFailed')?.note ?? '', /^full: no primary to build from\. It is tried again by itself/);
});

test('two primaries are told once, when both have said it again', () => {
  const told: string[] = [];
  const memory = emptyMemory({ granted: 0, freeze: undefined, build: undefined });
  const ctx = {
    memory,
    event: (note: { reason: string; note: string }) => told.push(`${note.reason} ${note.note}`),
    log: { error() {} },
  } as unknown as Context;
  const nothing = { lease: { do: 'nothing' }, instance: { do: 'nothing' }, reason: 'leads' } as const;
  const look = (at: number, heardAt: number, is: 'primary' | 'standby') => {
    const peer = is === 'primary' ? aPrimaryPeer() : aPeer('og-demo-0');
    tellMilestones(ctx, aLeadingView({ now: at, peers: { 'og-demo-0': { ...peer, at: heardAt } } }), nothing);
    return told.length;
  };
  assert.equal(look(now, now - 500, 'primary'), 0, 'a word from before the take-over');
  assert.equal(look(now + 100, now - 500, 'primary'), 0);
  assert.equal(look(now + 600, now + 500, 'primary'), 1);
  assert.match(told[0] ?? '', /^MultiplePrimaries og-demo-0 and og-demo-1 say/);
  assert.equal(look(now + 1600, now + 1500, 'primary'), 1);
  look(now + 2600, now + 2500, 'standby');
  look(now + 3600, now + 3500, 'primary');
  assert.equal(look(now + 4600, now + 4500, 'primary'), 2, 'it is so again');
});
