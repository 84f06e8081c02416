/**
 * Liveness: the loop is turning. Never whether the database answers: a restart of a server in recovery only begins
 * the recovery again.
 */
import type { Mono } from '../agent/core/model.ts';
import type { Snapshot } from '../agent/core/view.ts';
import { isStale, no, type Verdict, yes } from './verdict.ts';

/** Fails when the last cycle is older than three periods and than a lease; before the first one, startup decides. */
export function liveness(snapshot: Snapshot | undefined, now: Mono): Verdict {
  if (snapshot === undefined) return yes('the first cycle is not done yet; the startup probe decides');
  const seconds = Math.round((now - snapshot.view.now) / 1000);
  return isStale(snapshot, now) ? no(`the last cycle ended ${seconds} s ago`) : yes('the loop is turning');
}
