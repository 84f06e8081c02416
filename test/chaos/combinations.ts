/**
 * Two and three faults at once, and drawn ones: freezes, cuts and kills of several members that leave a majority to
 * come back within the scene. The table names no bound for them: nothing acknowledged may be lost, and never may two
 * members acknowledge in turn.
 */
import { randomInt } from 'node:crypto';
import type { Scene } from './scenes.ts';
import type { Stage } from './stage.ts';

/** One fault of a drawn scene. */
type Act = (stage: Stage, member: string) => Promise<void>;

const acts: Record<string, Act> = {
  'server killed': (stage, member) => stage.fault('kill', member, 'server'),
  'agent killed': (stage, member) => stage.fault('kill', member, 'agent'),
  'container killed': (stage, member) => stage.crash(member),
  'server stopped': (stage, member) => stage.fault('freeze', member, 'server'),
  'agent stopped': (stage, member) => stage.fault('freeze', member, 'agent'),
  'pod frozen': (stage, member) => stage.fault('freeze', member, 'pod'),
  'cut from the API server': (stage, member) => stage.fault('cut', member, 'kube'),
  'cut from its peers': (stage, member) => stage.fault('cut', member, 'peers'),
  'cut from all': (stage, member) => stage.fault('cut', member, 'all'),
};

/** Numbers from a seed: the same seed draws the same faults, though not the same moments. */
function drawing(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

async function drawn(stage: Stage, seed: number) {
  const draw = drawing(seed);
  const names = Object.keys(acts);
  const members = stage.lab.members.map(({ name }) => name);
  for (let i = 0; i < 3; i += 1) {
    const member = members[draw(members.length)] ?? '';
    const act = names[draw(names.length)] ?? '';
    // What a fault before has already taken away cannot be hit again.
    await acts[act]?.(stage, member).then(
      () => stage.note(`${member} ${act}`),
      () => stage.note(`${member} has nothing to be ${act}`),
    );
    await stage.pause(500 + draw(6000));
  }
  await stage.pause(draw(8000));
  for (const member of members) await stage.fault('thaw', member);
  for (const member of members) await stage.fault('heal', member);
  await stage.rows(50, 120_000);
}

/** Set by the command line; else every run draws its own. */
export const seeds = { next: undefined as number | undefined };

export const combinations: Scene[] = [
  {
    name: 'primary-dies-standby-frozen',
    rows: [],
    title: "the primary's server dies while a standby's pod is frozen, which is thawed 20 s later",
    async play(stage) {
      const [first = ''] = stage.standbys;
      await stage.fault('freeze', first, 'pod');
      await stage.fault('kill', stage.old, 'server');
      await stage.pause(20_000);
      await stage.fault('thaw', first);
      await stage.rows();
    },
  },
  {
    name: 'isolated-and-agent-killed',
    rows: [],
    title: 'the isolated primary loses its agent as well',
    async play(stage) {
      await stage.fault('cut', stage.old, 'all');
      await stage.fault('kill', stage.old, 'agent');
      await stage.takeover();
      await stage.rows();
    },
  },
  {
    name: 'frozen-isolated-and-thawed',
    rows: [],
    title: 'the primary is cut off, frozen, and thawed after the take-over, still cut off',
    async play(stage) {
      await stage.fault('cut', stage.old, 'all');
      await stage.fault('freeze', stage.old, 'pod');
      await stage.takeover();
      await stage.rows();
      await stage.fault('thaw', stage.old);
      await stage.pause(5000);
    },
  },
  {
    name: 'all-servers-killed',
    rows: [],
    title: 'all three servers are killed at once',
    async play(stage) {
      await Promise.all(stage.lab.members.map(({ name }) => stage.fault('kill', name, 'server')));
      await stage.rows();
    },
  },
  {
    name: 'all-nodes-lost',
    rows: ['F64'],
    title: 'all three nodes lose power; the old primary comes back last',
    async play(stage) {
      for (const { name } of stage.lab.members) await stage.fault('kill', name, 'node');
      await stage.pause(3000);
      for (const name of [...stage.standbys.toReversed(), stage.old]) {
        await stage.fault('heal', name);
        await stage.pause(2000);
      }
      await stage.rows(50, 120_000);
    },
  },
  {
    name: 'drawn',
    rows: [],
    title: 'three faults drawn by a seed (--seed)',
    async play(stage) {
      const seed = seeds.next ?? randomInt(1, 2 ** 31);
      if (seeds.next !== undefined) seeds.next += 1;
      stage.note(`seed ${seed}`);
      await drawn(stage, seed);
    },
  },
];
