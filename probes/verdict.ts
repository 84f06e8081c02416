/**
 * What every probe needs: the form of its answer, and whether the loop still turns. A verdict comes from the last
 * cycle's snapshot alone; no probe asks the server, the API server or the disk anything.
 */
import type { Mono } from '../agent/core/model.ts';
import type { Snapshot } from '../agent/core/view.ts';

/** The answer of a probe, as it stands in the body. */
export interface Verdict {
  ok: boolean;
  reason: string;
}

export function yes(reason: string): Verdict {
  return { ok: true, reason };
}

export function no(reason: string): Verdict {
  return { ok: false, reason };
}

/** How old the last cycle may be before the loop counts as stalled: three periods, and never less than a lease. */
export function staleAfterMs(snapshot: Snapshot): number {
  const { renewSeconds, durationSeconds } = snapshot.view.config.lease;
  return Math.max(3 * renewSeconds, durationSeconds) * 1000;
}

/** Whether the last cycle is too old for its snapshot to tell anything. */
export function isStale(snapshot: Snapshot, now: Mono): boolean {
  return now - snapshot.view.now >= staleAfterMs(snapshot);
}
