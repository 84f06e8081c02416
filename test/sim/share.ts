/** A share of the seeds, run in one thread; what it found goes back as plain data. */
import { type Counters, createCounters } from './counters.ts';
import { mutations } from './mutations.ts';
import { scenes } from './scenes/index.ts';
import { play } from './scenes/play.ts';
import { type Outcome, planOf, runPlan } from './seed.ts';

export interface Share {
  first: number;
  count: number;
  /** Every so many-th seed. */
  step: number;
  /** Wall-clock moment (Date.now) after which no further seed begins. */
  until: number;
  /** Stop after so many failures. */
  failures: number;
  /** The rule that is taken out of the agent's code first. */
  mutation?: string | undefined;
}

export interface Failure {
  seed: number;
  invariant: string;
  text: string;
}

export interface ShareResult {
  seeds: number;
  failures: Failure[];
  /** Plays with fewer than 50 acknowledged commits or fewer than three faults; another one was played in the place of each. */
  thin: number;
  cpuMs: number;
  counters: Record<string, Record<string, number>>;
}

/** What a share tells while it runs: a failure at once, how far it has come now and then. */
export type Word = { of: 'failure'; failure: Failure } | { of: 'progress'; seeds: number };

const tellEveryMs = 5000;

/** Runs the share. Must not be called from within a promise. */
export function runShare(share: Share, say: (word: Word) => void = () => undefined): ShareResult {
  const counters = createCounters();
  const failures: Failure[] = [];
  const begun = process.threadCpuUsage();
  let seeds = 0;
  let thin = 0;
  const focus = mutations.find((one) => one.name === share.mutation);
  if (focus?.row !== undefined) failures.push(...sceneFailures(focus.row, counters));
  let toldAt = Date.now();
  for (let turn = 0; turn < share.count; turn += 1) {
    if (Date.now() - toldAt >= tellEveryMs) {
      toldAt = Date.now();
      say({ of: 'progress', seeds });
    }
    if (Date.now() >= share.until || failures.length >= share.failures) break;
    const seed = share.first + turn * share.step;
    const { outcome, thin: more } = playFull(seed, (one) => runPlan(planOf(one, focus), { counters }));
    thin += more;
    if (outcome === undefined) continue;
    seeds += 1;
    if (outcome.violation !== undefined) {
      const { invariant, text } = outcome.violation;
      const failure = { seed: outcome.seed, invariant, text };
      failures.push(failure);
      say({ of: 'failure', failure });
    }
  }
  const used = process.threadCpuUsage(begun);
  return { seeds, failures, thin, cpuMs: (used.user + used.system) / 1000, counters: counters.table() };
}

/** The seed that is played in the place of a thin one, counted from it, */
const inPlaceOf = 1_000_000_000;
/** and how many are tried in the place of one. */
const triesMax = 5;

/** Plays that seed, and others in its place until one is not thin. No outcome: all were, and the seed counts for nothing. */
export function playFull(seed: number, run: (seed: number) => Outcome): { outcome: Outcome | undefined; thin: number } {
  for (let turn = 0; turn <= triesMax; turn += 1) {
    const outcome = run(seed + turn * inPlaceOf);
    if (!isThin(outcome)) return { outcome, thin: turn };
  }
  return { outcome: undefined, thin: triesMax + 1 };
}

function isThin({ violation, acks, faults }: Outcome): boolean {
  return violation === undefined && (acks < 50 || faults < 3);
}

const scenePlays = 20;

/** What the scenes of that row find. */
function sceneFailures(row: string, counters: Counters): Failure[] {
  for (const scene of scenes.filter((one) => one.row === row)) {
    for (let seed = 1; seed <= scenePlays; seed += 1) {
      const { problems } = play(scene, seed, { counters });
      const [text] = problems;
      if (text !== undefined) return [{ seed, invariant: `scene ${row}`, text }];
    }
  }
  return [];
}
