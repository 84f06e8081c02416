/**
 * Gentle schedules: one thing at a time that no healthy primary may be demoted for (L3): an API server that is away for less
 * than a permit lasts, a replica that is slow or dead, a watch that says nothing, an agent that starts again, a wall clock
 * that is set. Who leads when they begin, leads with the same server when they have ended.
 */
import type { Fault, FaultKind } from './faults.ts';
import type { Random } from './random.ts';
import { P, S1, S2 } from './scenes/scene.ts';

/** The row under which they are counted. */
export const gentleRow = 'L3';

/** From then on the primary is held to it. */
export const gentleFromMs = 15_000;
const untilMs = 88_000;

const anyTime = 12_000;
const shorterThanAPermit = 3500;

const ofThePrimary: [FaultKind, number][] = [
  ['API server down', shorterThanAPermit],
  ['API server refuses', shorterThanAPermit],
  ['API server slow', shorterThanAPermit],
  ['cut from the API server', shorterThanAPermit],
  ['deaf to the API server', shorterThanAPermit],
  ['mute to the API server', shorterThanAPermit],
  ['rights taken away', shorterThanAPermit],
  ['answers of lease writes lost', shorterThanAPermit],
  ['watch silent', anyTime],
  ['watch repeats', 2000],
  ['watch too old', 2000],
  ['agent killed', 2000],
  ['wall clock jumps', 2000],
  ['lease deleted', 2000],
  ['clients away', anyTime],
];

const ofAStandby: FaultKind[] = [
  ...([
    'server killed',
    'server frozen',
    'agent killed',
    'agent frozen',
    'PID 1 frozen',
    'pod frozen',
    'container killed',
  ] as const),
  ...(['node without power', 'machine suspended', 'disk stuck', 'records cannot be written', 'processes die slowly'] as const),
  ...(['cut from everything', 'cut from the API server', 'cut from the members', 'cut from one member'] as const),
  ...(['deaf to the members', 'mute to the members', 'flapping network', 'bad network', 'redo behind', 'SQL breaks'] as const),
  ...(['server killed again and again', 'server does not start', 'watch silent', 'pod deleted', 'volume lost'] as const),
];

/** One after the other, each with time to be got over. */
export function gentleFaults(dice: Random, members: number): Fault[] {
  const faults: Fault[] = [];
  let at = gentleFromMs + dice.between(500, 3000);
  while (at < untilMs || faults.length < 3) {
    const replica = members > 1 && dice.chance(0.5);
    const [kind, longest] = replica ? ([dice.pick(ofAStandby), anyTime] as const) : dice.pick(ofThePrimary);
    const member = replica ? (members > 2 ? dice.pick([S1, S2]) : S1) : P;
    const lasts = dice.between(500, longest);
    faults.push({ at, kind, member, other: P, lasts, amount: dice.next(), scene: gentleRow });
    at += lasts + dice.between(8000, 14_000);
  }
  return faults.filter((fault, index) => index < 3 || fault.at + fault.lasts < untilMs);
}
