/**
 * Goal: a winner of the lease whose own redo stands still does not keep the cluster waiting once somebody else can lead.
 * Method: the primary ends, and redo stands still on who could succeed it, which answers all the same.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memberOf } from '../../agent/core/lease.ts';
import { reach, recovers, watchedWorld } from './losses.ts';
import { isPrimary } from './server.ts';
import type { World } from './world.ts';

const holderOf = (world: World) => memberOf(world.kube.lease?.holder ?? '');

async function taken(world: World, old: string): Promise<string> {
  await reach(world, 'another one holds the lease', () => !['', old].includes(holderOf(world)));
  return holderOf(world);
}

test('a winner whose redo stands still gives the lease to the old primary that is back', async () => {
  const watched = await watchedWorld(3);
  const { world } = watched;
  const old = world.primary() ?? '';
  for (const name of world.standbys()) world.database.server(name).redoStands = true;
  world.database.kill(old);
  await taken(world, old);
  await reach(world, 'the old primary leads again', () => holderOf(world) === old && isPrimary(world, old));
  await recovers(watched);
});

test('a winner whose redo stands still does not take the lease back when its heir is slow', async () => {
  const watched = await watchedWorld(5);
  const { world } = watched;
  const old = world.primary() ?? '';
  world.killNode(old);
  const winner = await taken(world, old);
  world.database.server(winner).redoStands = true;
  await reach(world, 'it gives the lease away', () => holderOf(world) === '');
  const refused = { of: 'kube', kind: 'unreachable', done: 'no', detail: 'answered 503' } as const;
  world.kube.trouble = ({ member, verb }) => (member !== winner && verb === 'writeLease' ? refused : undefined);
  await world.run(5000);
  assert.equal(holderOf(world), '', world.story.slice(-60).join('\n'));
  world.kube.trouble = () => undefined;
  world.startAgent(old);
  await recovers(watched);
});
