/**
 * Readiness: fit for the Service that the member's labels select it for. A primary is fit while it holds the lease
 * and takes writes; a standby while it streams within the lag gate. A standby that has nobody to stream from, or that
 * was frozen for a take-over, is as new as anything in the cluster and goes on serving reads: otherwise every
 * failover would empty the read Service, and the winner's pod would come back ready a probe too late.
 */
import { readableLabel, roleLabel } from '../agent/core/labels.ts';
import { freshPeers } from '../agent/core/election.ts';
import { holds } from '../agent/core/lease.ts';
import { formatBytes } from '../agent/core/quantity.ts';
import type { Mono, PeerState, StandbyInstance } from '../agent/core/model.ts';
import { isValid } from '../agent/core/permit.ts';
import type { Snapshot, View } from '../agent/core/view.ts';
import { isStale, no, staleAfterMs, type Verdict, yes } from './verdict.ts';

export const readinessModes = ['tcp', 'query', 'streaming'] as const;

export interface ReadinessQuery {
  /**
   * `tcp`: fit for its Service; `query`: the server answered in the last cycle; `streaming`: a standby streams
   * within the lag, whatever its labels, and a primary is fit.
   */
  mode: (typeof readinessModes)[number];
  /** Undefined: the configured `readLagLimit`. */
  lag: bigint | undefined;
}

/** From the record of a promotion on; then a primary without the label is left without it on purpose. */
const labelledMs = 5000;

export const defaultReadiness: ReadinessQuery = { mode: 'tcp', lag: undefined };

/** Whether the member is fit, by the last cycle. */
export function readiness(snapshot: Snapshot | undefined, now: Mono, query: ReadinessQuery = defaultReadiness): Verdict {
  if (snapshot === undefined) return no('the first cycle is not done yet');
  if (isStale(snapshot, now)) return no('the last cycle is too old');
  const { view } = snapshot;
  const { instance } = view;
  if (instance.is !== 'primary' && instance.is !== 'standby') return no(`the server is ${instance.is}`);
  if (query.mode === 'query') return yes(`the server answered as ${instance.role}`);
  if (instance.is === 'primary') {
    if (query.mode !== 'tcp' || selectedFor(view) !== 'nothing') return primaryServes(view, now);
    return isNewlyPromoted(view, now) ? yes('it has just been promoted') : no('no Service selects this member');
  }
  if (query.mode === 'streaming') return streams(view, instance, query.lag, false);
  const service = selectedFor(view);
  // The readers are gone and the write Service is on its way: a port that closed in between would be late for it by a probe.
  if (service !== 'write' && holds(view)) return yes('it holds the lease and is going to be primary');
  if (service === 'write') return no('it is labelled primary and is a standby');
  if (service === 'nothing') return no('no Service selects this member');
  return streams(view, instance, query.lag, true);
}

/** The label is on its way: a pod that was never ready before, and is looked at in that moment, would be late by a probe. */
function isNewlyPromoted({ promotion, permit }: View, now: Mono): boolean {
  return promotion !== undefined && now - promotion.recordedAt < labelledMs && isValid(permit, now);
}

/** When a verdict may change although no cycle comes: by the end of the snapshot or of its permit, whichever is still ahead. */
export function readinessEnds(snapshot: Snapshot | undefined, now: Mono): Mono {
  if (snapshot === undefined) return Number.POSITIVE_INFINITY;
  const ends = [snapshot.view.now + staleAfterMs(snapshot), snapshot.view.permit?.until ?? now];
  return Math.min(...ends.filter((end) => end > now), Number.POSITIVE_INFINITY);
}

/** Which Service the labels select this member for, as the last list of pods told; unknown labels are not absent ones (I2). */
function selectedFor(view: View): 'write' | 'read' | 'nothing' | 'unknown' {
  if (!view.pods.known) return 'unknown';
  const labels = view.pods.value.find((pod) => pod.uid === view.self.uid)?.labels;
  if (labels === undefined) return 'unknown';
  if (labels[roleLabel] === 'primary') return 'write';
  return labels[readableLabel] === 'true' ? 'read' : 'nothing';
}

/** `writable` means: the server is a primary that may act as one, and takes writes. */
export function primaryFit(view: View, now: Mono): Verdict {
  if (view.instance.is !== 'primary') return no('it is not the primary');
  if (!isValid(view.permit, now)) return no('it does not hold the lease');
  return view.instance.writable ? yes('it holds the lease and takes writes') : no('it does not take writes');
}

/**
 * Fit for the write Service: as above, or read-only because a volume fills or a human wants it. Sessions then learn why they
 * may not write, and can make room; refused connections would tell them nothing. A hand-over is another matter.
 */
function primaryServes(view: View, now: Mono): Verdict {
  const fit = primaryFit(view, now);
  if (fit.ok || view.instance.is !== 'primary' || !view.instance.readOnly || !isValid(view.permit, now)) return fit;
  const owner = view.disk?.owner;
  if (owner === 'switchover' || view.switchover !== undefined) return no('it hands over');
  const why = owner === 'human' ? 'a human has set it so' : (view.disk?.pressure ?? 'why is not known');
  return yes(`it holds the lease and is read-only: ${why}`);
}

function streams(view: View, standby: StandbyInstance, limit: bigint | undefined, excused: boolean): Verdict {
  const primary = livePrimary(view);
  if (standby.receiver === undefined) {
    if (excused && standby.lock?.mode === 'specify_connection') return yes('it is frozen for a take-over');
    if (excused && primary === undefined) return yes('there is no primary to stream from');
    return no('it does not stream');
  }
  // The label has room between closing and opening; a port that closed earlier than the label would flap on its own.
  const { readLagLimit } = view.config;
  const gate = limit ?? (excused ? readLagLimit + readLagLimit / 4n : readLagLimit);
  const lag = lagBytes(primary?.written, standby.replayed ?? standby.received);
  if (lag === undefined) return yes('it streams; how far it is behind is not known');
  const text = `it streams, ${formatBytes(lag)} behind`;
  return lag <= gate ? yes(text) : no(`${text}; the limit is ${formatBytes(gate)}`);
}

/** The primary with the highest term among those that answered lately. */
function livePrimary(view: View): PeerState | undefined {
  const primaries = freshPeers(view).filter((peer) => peer.state.instance === 'primary');
  return primaries.sort((a, b) => b.state.term - a.state.term)[0]?.state;
}

/** How far a position is behind another; never negative, as the two are read at different moments. */
function lagBytes(ahead: bigint | undefined, behind: bigint | undefined): bigint | undefined {
  if (ahead === undefined || behind === undefined) return undefined;
  return ahead > behind ? ahead - behind : 0n;
}
