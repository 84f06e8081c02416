/**
 * The permit: the local, time-limited right to act as leader. It is a capability: what needs leadership takes one
 * as an argument and checks it again right before acting. It says nothing about other machines' clocks; it ends
 * `fenceSeconds` after the renewal that proved the lease was *sent*.
 */
import type { DynamicConfig } from './config.ts';
import type { Mono, Term } from './model.ts';

/** Clock rates may differ by one per cent, and a stop may start late by this much. */
export const clockRate = 0.01;
export const stopLatencySeconds = 0.3;

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

/**
 * The duration to write with a renewal sent at `sentAt`: the configured one, or as much longer as permits given before
 * still need. A shorter duration with a permit of the longer fence still running would give two leaders, so that a lower
 * fence comes first and the shorter duration follows when everything older has ended.
 */
export function durationFor(lease: DynamicConfig['lease'], sentAt: Mono, longestUntil: Mono): number {
  const outstanding = Math.max(lease.fenceSeconds, (longestUntil - sentAt) / 1000);
  const needed = ((outstanding + lease.stopSeconds + stopLatencySeconds) * (1 + clockRate)) / (1 - clockRate);
  return Math.max(lease.durationSeconds, Math.floor(needed) + 1);
}

/** The latest end that a permit under a record of that duration can have, for one that another process gave. */
export function latestUntil(now: Mono, durationSeconds: number): Mono {
  return now + (durationSeconds * 1000 * (1 - clockRate)) / (1 + clockRate);
}
