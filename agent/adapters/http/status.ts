/**
 * The status document, made from one snapshot by a pure function. It asks nobody anything, so that it
 * answers when the API server or the database does not.
 */
import { expiresAt, memberOf } from '../../core/lease.ts';
import type { Mono, SyncEntry } from '../../core/model.ts';
import type { Snapshot, View } from '../../core/view.ts';
import type { ClusterState, ClusterStatus } from './document.ts';
import { membersOf, primariesOf, readOnlyOf, syncObserved } from './members.ts';
import { findingsOf, isPaused } from './warnings.ts';

/** The whole cluster as this member sees it; `now` is the moment of the question. */
export function statusDocument(snapshot: Snapshot, now: Mono = snapshot.view.now): ClusterStatus {
  const { view, decision } = snapshot;
  const members = membersOf(snapshot);
  const sync = syncOf(view, members.length);
  const findings = findingsOf(snapshot, members, sync.degraded === true);
  const record = view.lease.known ? view.lease.value.record : undefined;
  return {
    apiVersion: 'opengauss.agent/v1',
    kind: 'ClusterStatus',
    cluster: view.self.cluster,
    namespace: view.self.namespace,
    state: stateOf(
      view,
      findings.some((one) => one.degrades),
    ),
    term: record?.term ?? null,
    paused: isPaused(view),
    pausedUntil: isPaused(view) ? (view.hand.until ?? null) : null,
    readOnly: readOnlyOf(view),
    lease: leaseOf(view, now),
    sync,
    members,
    warnings: findings.map(({ member, code, message, hint }) => ({ member, code, message, hint })),
    source: {
      member: view.self.name,
      reason: decision.reason,
      note: decision.note ?? null,
      cycle: snapshot.cycle,
      at: snapshot.at,
    },
  };
}

function stateOf(view: View, degraded: boolean): ClusterState {
  if (primariesOf(view).length === 0) return 'NoPrimary';
  if (isPaused(view)) return 'Paused';
  return degraded ? 'Degraded' : 'Healthy';
}

/** The last entry is the one that commits follow, or are about to. */
function lastEntry(view: View): SyncEntry | undefined {
  return view.lease.known ? view.lease.value.record?.entries.at(-1) : undefined;
}

function syncOf(view: View, memberCount: number): ClusterStatus['sync'] {
  const record = view.lease.known ? view.lease.value.record : undefined;
  const entry = lastEntry(view);
  const mode = record?.syncMode ?? null;
  const degraded = entry === undefined || mode === null ? null : mode !== 'off' && entry.w === 0 && memberCount > 1;
  return { mode, expected: entry?.names ?? null, observed: syncObserved(view) ?? null, degraded };
}

function leaseOf(view: View, now: Mono): ClusterStatus['lease'] {
  if (!view.lease.known || view.lease.value.record === undefined) {
    return { holder: null, renewTime: null, durationSeconds: null, remainingSeconds: null };
  }
  const { record } = view.lease.value;
  const left = (expiresAt(view.lease.value, view.config.lease.durationSeconds) - now) / 1000;
  const free = record.holder === '';
  return {
    holder: free ? null : memberOf(record.holder),
    renewTime: record.renewTime === '' ? null : record.renewTime,
    durationSeconds: record.durationSeconds,
    remainingSeconds: free ? null : Math.max(0, Math.round(left * 10) / 10),
  };
}
