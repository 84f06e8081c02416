/**
 * Goal: a switchover that is interrupted after any of its steps, by the loss of any part of any party, ends in one primary
 * that has everything, everybody streaming, nobody pointed away, no brake left and an answer to the request; never are
 * there two primaries. Method: a table of steps and losses under virtual time; each cell is a cluster of its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lose, parts, reach, recovers, type Watched, watchedWorld } from './losses.ts';
import type { World } from './world.ts';

const old = 'og-demo-0';
const target = 'og-demo-1';
/** Where the command was given; with two members that is the old primary. */
const asking = 'og-demo-2';
const parties = { 'old primary': old, target, 'asking member': asking };

interface Step {
  name: string;
  /** Of two members nobody but the target acknowledges anyway, and nobody else can be pointed at it. */
  three?: true;
  reached(world: World): boolean;
}

const entriesOf = (world: World) => world.kube.lease?.entries ?? [];
const holderOf = (world: World) => world.kube.lease?.holder ?? '';

const steps: Step[] = [
  { name: 'the request runs', reached: (world) => world.kube.request?.phase === 'running' },
  { name: 'the narrow entry is recorded', three: true, reached: (world) => entriesOf(world).length > 1 },
  {
    name: 'only the target acknowledges',
    three: true,
    reached: (world) => entriesOf(world).length === 1 && entriesOf(world)[0]?.names.join() === target,
  },
  {
    name: 'the others are pointed at the target',
    three: true,
    reached: (world) => world.database.server(asking).data?.lock !== undefined,
  },
  { name: 'the brake is on', reached: (world) => world.database.server(old).readOnly },
  { name: 'the positions are equal', reached: (world) => world.database.server(old).readOnly && areLevel(world) },
  { name: 'the old server is killed', reached: (world) => world.database.server(old).process === undefined },
  { name: 'the lease is released', reached: (world) => holderOf(world) === '' },
  { name: 'the target holds the lease', reached: (world) => holderOf(world).startsWith(target) },
  { name: 'the promotion is recorded', reached: (world) => world.kube.lease?.promoting?.member === target },
  { name: 'the target is primary', reached: (world) => world.database.server(target).role === 'Primary' },
];

function areLevel(world: World): boolean {
  const written = world.database.server(old);
  return written.process !== undefined && written.data?.wal.length === world.database.server(target).data?.wal.length;
}

async function settles(watched: Watched): Promise<void> {
  const { world } = watched;
  await world.until('an answer', () => !['open', 'running'].includes(world.kube.request?.phase ?? ''));
  await recovers(watched);
}

for (const members of [3, 2]) {
  for (const step of steps) {
    if (members === 2 && step.three === true) continue;
    for (const [party, name] of Object.entries(parties)) {
      if (members === 2 && name === asking) continue;
      for (const part of parts) {
        test(`${members} members: the ${part} of the ${party} is lost when ${step.name}`, async () => {
          const watched = await watchedWorld(members, part);
          const { world } = watched;
          world.kube.ask({ kind: 'switchover', target });
          await reach(world, step.name, () => step.reached(world));
          lose(world, name, part);
          await settles(watched);
        });
      }
    }
  }
}

test('a primary that handed over without hearing of it, and won its lease back without hearing of it, leads as any other', async () => {
  const watched = await watchedWorld(3);
  const { world } = watched;
  const notSent = { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'timed out' } as const;
  world.kube.trouble = ({ member, verb }) =>
    member === old && verb === 'writeLease' && world.database.server(old).process === undefined ? notSent : undefined;
  world.kube.ask({ kind: 'switchover', target });
  await world.until('the target leads', () => world.primary() === target, 30_000);
  world.kube.trouble = () => undefined;
  await world.until('everybody streams', () => world.standbys().length === 2);
  await world.run(3000);
  world.kube.trouble = ({ member, verb }) =>
    member === old && verb === 'writeLease' && world.kube.lease?.heir === old ? 'lost' : undefined;
  world.kube.ask({ kind: 'switchover', target: old });
  await settles(watched);
  assert.equal(world.primary(), old);
});
