/**
 * The permit: the local, time-limited right to act as leader. It is a capability: what needs leadership takes one
 * as an argument and checks it again right before acting. It says nothing about other machines' clocks; it ends
 * `fenceSeconds` after the renewal that proved the lease was *sent* (design 4, ha-semantics 7.2).
 */
import type { Mono, Term } from './model.ts';

declare const made: unique symbol;

export interface LeaderPermit {
  readonly until: Mono;
  readonly term: Term;
  /** Only permitFrom makes permits. */
  readonly [made]: true;
}

/** The permit that a renewal sent at `sentAt` and confirmed later gives. Counting from the answer would give two leaders. */
export function permitFrom(sentAt: Mono, term: Term, fenceSeconds: number): LeaderPermit {
  return { until: sentAt + fenceSeconds * 1000, term } as LeaderPermit;
}

/** I1: nothing that only a leader may do happens without this being true right before it. */
export function isValid(permit: LeaderPermit | undefined, now: Mono): permit is LeaderPermit {
  return permit !== undefined && now < permit.until;
}
