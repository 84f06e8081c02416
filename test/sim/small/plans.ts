/** Which small worlds are explored: every pair of faults, for two and for three members. */
import type { ExploreOptions } from './explore.ts';
import { type SmallFault, smallFaults } from './state.ts';

export interface SmallPlan extends ExploreOptions {
  title: string;
}

/** Every two kinds of fault, the same one twice included. */
export function pairs(): SmallFault[][] {
  return smallFaults.flatMap((first, at) => smallFaults.slice(at).map((second) => [first, second]));
}

export function planFor(members: number, faults: SmallFault[], part: Partial<ExploreOptions> = {}): SmallPlan {
  return { title: `${members} members, ${faults.join(' and ') || 'no fault'}`, members, faults, rows: 1, term: 3, ...part };
}

/** What the tests explore: everything of two members with one fault of each kind or two, and each one fault of three. */
export function boundedPlans(): SmallPlan[] {
  const ones = smallFaults.map((fault) => planFor(3, [fault]));
  return [...ones, ...pairs().map((pair) => planFor(2, pair))];
}

/** Everything of both sizes with two faults: the swap apart from its decision, and of two members every other part of it. */
export function wholePlans(): SmallPlan[] {
  return [
    ...pairs().map((pair) => planFor(2, pair, { apart: 'all', heal: true, rows: 2, term: 4 })),
    ...pairs().map((pair) => planFor(3, pair, { apart: 'swap', heal: true })),
  ];
}
