/**
 * Goal: a promotion that is interrupted after any of its steps, by the loss of any part of the winner, of the one that
 * voted for it or of the old primary, ends in one primary that has every acknowledged commit, nobody frozen for a term that
 * is nobody's, everybody streaming; never are there two primaries. Method: the old primary's server ends, and a table of
 * steps and losses under virtual time; each cell is a cluster of its own. Of two members the other one needs no vote but
 * its own.
 */
import { test } from 'node:test';
import { memberOf } from '../../agent/core/lease.ts';
import { nobody, sameNames } from '../../agent/core/sync.ts';
import { lose, parts, reach, recovers, watchedWorld } from './losses.ts';
import type { World } from './world.ts';

const old = 'og-demo-0';

/** Who took the lease, and who is to vote for it; of two members nobody is. */
interface Parties {
  winner: string;
  voter: string | undefined;
}

interface Step {
  name: string;
  /** Frozen and compared is only who is needed. */
  votes?: true;
  reached(world: World, parties: Parties): boolean;
}

const steps: Step[] = [
  { name: 'the lease is taken', reached: (world, { winner }) => memberOf(world.kube.lease?.holder ?? '') === winner },
  {
    name: 'the freeze is on record',
    votes: true,
    reached: (world, parties) => both(parties).every((name) => isFrozenFor(world, name, parties.winner)),
  },
  {
    name: 'redo has finished and the positions can be compared',
    votes: true,
    reached: (world, parties) => both(parties).every((name) => isReady(world, name)),
  },
  { name: 'the promotion is recorded', reached: (world, { winner }) => world.kube.lease?.promoting?.member === winner },
  { name: 'the winner is primary', reached: (world, { winner }) => world.database.server(winner).role === 'Primary' },
  { name: 'the term is in the WAL', reached: (world, { winner, voter }) => carriesTerm(world, voter ?? winner) },
  { name: 'the names are set', reached: (world, { winner }) => areNamesSet(world, winner) },
  {
    name: 'the locks are off',
    votes: true,
    reached: (world, parties) => both(parties).every((name) => world.database.server(name).data?.lock === undefined),
  },
];

function both({ winner, voter = winner }: Parties): string[] {
  return [winner, voter];
}

function isFrozenFor(world: World, name: string, winner: string): boolean {
  const { freeze } = world.nodes.get(name)?.records ?? {};
  return freeze?.candidate === winner && freeze.term === world.kube.lease?.term;
}

function isReady(world: World, name: string): boolean {
  const { data, streamsFrom, streamEndedAt } = world.database.server(name);
  return data?.lock !== undefined && streamsFrom === undefined && world.clock.now() - streamEndedAt > 100;
}

function carriesTerm(world: World, name: string): boolean {
  return world.database.server(name).data?.wal.at(-1)?.term === world.kube.lease?.term;
}

function areNamesSet(world: World, winner: string): boolean {
  const { role, syncNames } = world.database.server(winner);
  return role === 'Primary' && !sameNames(syncNames, nobody);
}

/** The lease of the dead primary has been taken. */
async function takenOver(world: World, members: number): Promise<Parties> {
  const holder = () => memberOf(world.kube.lease?.holder ?? '');
  world.database.kill(old);
  await reach(world, 'the lease is taken', () => holder() !== '' && holder() !== old);
  const winner = holder();
  return { winner, voter: members === 2 ? undefined : [...world.nodes.keys()].find((name) => name !== winner && name !== old) };
}

for (const members of [3, 2]) {
  for (const step of steps) {
    if (members === 2 && step.votes === true) continue;
    for (const party of ['winner', 'voter', 'old primary'] as const) {
      if (members === 2 && party === 'voter') continue;
      for (const part of parts) {
        test(`${members} members: the ${part} of the ${party} is lost when ${step.name}`, async () => {
          const watched = await watchedWorld(members, part);
          const { world } = watched;
          const parties = await takenOver(world, members);
          await reach(world, step.name, () => step.reached(world, parties));
          lose(world, (party === 'old primary' ? old : parties[party]) ?? '', part);
          await recovers(watched);
        });
      }
    }
  }
}
