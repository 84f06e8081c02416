/**
 * Makes a failing plan smaller while it still breaks the same invariant: drops faults, shortens them, undoes the odd
 * settings. What remains is what a person reads.
 */
import type { Fault } from './faults.ts';
import { type Plan, runPlan } from './seed.ts';

/** Every try is a whole run; this many are a few seconds. */
const triesLimit = 300;

/** The smallest plan found that fails in the same way. Must not be called from within a promise. */
export function shrink(plan: Plan, invariant: string): Plan {
  let best = plan;
  let tries = 0;
  const fails = (candidate: Plan): boolean => {
    tries += 1;
    return tries <= triesLimit && runPlan(candidate).violation?.invariant === invariant;
  };
  const attempt = (candidate: Plan): boolean => {
    if (!fails(candidate)) return false;
    best = candidate;
    return true;
  };
  let changed = true;
  while (changed && tries < triesLimit) {
    changed = false;
    for (let at = best.faults.length - 1; at >= 0; at -= 1) {
      const faults = best.faults.filter((_, index) => index !== at);
      if (attempt({ ...best, faults })) changed = true;
    }
  }
  for (const [at, fault] of best.faults.entries()) shorten(fault, (shorter) => attempt(replaced(best, at, shorter)));
  const { rates: _rates, ...plain } = best.world;
  attempt({ ...best, world: plain });
  return best;
}

function replaced(plan: Plan, at: number, fault: Fault): Plan {
  return { ...plan, faults: plan.faults.map((one, index) => (index === at ? fault : one)) };
}

function shorten(fault: Fault, works: (shorter: Fault) => boolean): void {
  let { lasts } = fault;
  while (lasts > 500 && works({ ...fault, lasts: lasts / 2 })) lasts /= 2;
}
