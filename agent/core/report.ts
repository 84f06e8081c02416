/**
 * What a standby reports through the API server: that it would take the lease over if that were free, because it has lost
 * the primary, whose renewals go on (F24). Nothing is reported of a primary that is silent altogether, whose lease runs
 * out, nor by a member that could not acknowledge anything as primary. What comes of it stands in cutoff.ts.
 */
import { couldAcknowledge, type Report } from './cutoff.ts';
import { peerFreshMs, voters } from './election.ts';
import { wouldStand } from './follower.ts';
import { holds, isReleased, memberOf, recordOf } from './lease.ts';
import type { Mono } from './model.ts';
import { positionOf } from './position.ts';
import type { View } from './view.ts';

/** A primary that renews and has not answered for so long before is cut off from here. */
const lostMs = 3000;
/** By then it is clear what has become of it; nobody looks so often for ever. */
const searchMs = 15_000;
const lookMs = 500;

/** What there is to report now, if anything. */
export function reportOf(view: View): Report | undefined {
  const record = recordOf(view.lease);
  if (record === undefined || record.garbage !== undefined || record.holder === '' || isReleased(record)) return undefined;
  if (record.syncMode === 'off' || view.instance.is !== 'standby' || view.stopping || view.paused) return undefined;
  if (!isCutOff(view, memberOf(record.holder))) return undefined;
  const beside = voters(view).map((state) => state.name);
  if (!couldAcknowledge(view, beside.length) || !wouldStand(view, view.instance)) return undefined;
  return { term: record.term, with: beside, wal: positionOf(view.instance) };
}

/** When it is time to look whether there is one: a primary has not been heard for a while and may have been lost. */
export function reportLook(view: View): Mono | undefined {
  const record = recordOf(view.lease);
  if (record === undefined || record.holder === '' || holds(view) || view.instance.is !== 'standby') return undefined;
  const silentMs = view.now - (view.peers[memberOf(record.holder)]?.at ?? Number.NEGATIVE_INFINITY);
  return silentMs > peerFreshMs && silentMs < searchMs ? view.now + lookMs : undefined;
}

/** It renewed when it had not answered for a while. */
function isCutOff(view: View, holder: string): boolean {
  if (!view.lease.known || holder === view.self.name) return false;
  const heardAt = Math.max(view.peers[holder]?.at ?? Number.NEGATIVE_INFINITY, view.self.startedAt);
  return view.lease.value.firstSeenAt - heardAt > lostMs;
}
