/** Plays a scene once and says what is not as its row promises. */
import type { Counters } from '../counters.ts';
import { runPlan } from '../seed.ts';
import type { Simulation } from '../world.ts';
import { beginMs, endOf, planOfScene, type Scene } from './scene.ts';

export interface Played {
  row: string;
  seed: number;
  problems: string[];
  promotions: number;
  outageMs: number;
}

export interface PlayOptions {
  counters?: Counters;
  tell?: (at: number, who: string, what: string) => void;
}

/** Must not be called from within a promise. */
export function play(scene: Scene, seed: number, options: PlayOptions = {}): Played {
  const problems: string[] = [];
  const found = { promotions: 0, outageMs: 0 };
  let first: string | undefined;
  let promotedBefore = 0;
  const begin = (sim: Simulation): void => {
    first = sim.primaries()[0]?.name;
    promotedBefore = sim.oracle.promotions;
    sim.oracle.longestGapMs = 0;
    sim.commitNow();
  };
  const end = (sim: Simulation): void => {
    const { leader, promotions, outageMs, stoppedMs = 0 } = scene.expect;
    const now = sim.kube.lease?.holder.split('/')[0] || undefined;
    found.promotions = sim.oracle.promotions - promotedBefore;
    found.outageMs = Math.round(Math.max(sim.oracle.longestGapMs, sim.engine.now - sim.oracle.lastAckAt));
    if (first === undefined) problems.push('nobody led when it began');
    if (leader === 'same' && now !== first) problems.push(`${first} led, now ${now ?? 'nobody'} does`);
    const wanted = typeof leader === 'number' ? sim.cast?.[-1 - leader]?.name : undefined;
    if (wanted !== undefined && now !== wanted) problems.push(`${now ?? 'nobody'} leads, not ${wanted}`);
    if (leader === 'other' && (now === undefined || now === first)) problems.push(`${now ?? 'nobody'} leads, as before`);
    const [least, most] = promotions;
    if (found.promotions < least || found.promotions > most)
      problems.push(`${found.promotions} promotions, not ${least} to ${most}`);
    if (found.outageMs < stoppedMs)
      problems.push(`${found.outageMs} ms without an acknowledged commit, not at least ${stoppedMs}`);
    if (outageMs !== undefined && found.outageMs > outageMs)
      problems.push(`${found.outageMs} ms without an acknowledged commit, not at most ${outageMs}`);
  };
  const blocked = (sim: Simulation): void => {
    if (sim.primaries().length > 0) problems.push(`${sim.primaries()[0]?.name} is primary, and nobody should be`);
    else if (!sim.machines.some(({ shown }) => shown?.blocked !== undefined))
      problems.push('nobody tells people what is missing');
  };
  const { blockedAt } = scene.expect;
  const watch = [
    { at: beginMs - 1, run: begin },
    ...(blockedAt === undefined ? [] : [{ at: beginMs + blockedAt, run: blocked }]),
    { at: beginMs + endOf(scene), run: end },
  ];
  const outcome = runPlan(planOfScene(scene, seed), { ...options, watch });
  if (outcome.violation !== undefined) problems.push(`${outcome.violation.invariant}: ${outcome.violation.text}`);
  return { row: scene.row, seed, problems, ...found };
}
