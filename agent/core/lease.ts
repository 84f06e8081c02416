/**
 * The lease's arithmetic. It says who may take it and when; it does not say that the old holder has stopped: that
 * is the fence's business, and the freeze's. A holder counts from the moment a renewal was sent, an observer from
 * the moment it first saw the version; nobody compares clocks.
 */
import { ownContainerId } from './death.ts';
import type { LeaseRecord, MemberName, Mono, SeenLease, SyncEntry, Term } from './model.ts';
import { isValid } from './permit.ts';
import type { Observed } from './result.ts';
import type { LeaseChange, LeaseDraft, View } from './view.ts';

/** `-T` above this makes openGauss panic (opengauss-interface 3.4). */
export const termLimit = 0x7fffffff;

/** How long the others leave a released lease to its heir. */
export const heirTurnMs = 1000;

/** Given back by its holder. A name that was taken out by hand says nothing of the server of whom it named. */
export function isReleased(record: LeaseRecord): boolean {
  return record.holder === '' && record.releasedBy !== undefined;
}

/** The pod a holderIdentity names: `<pod>/<pod UID>/<incarnation>`. */
export function memberOf(holder: string): MemberName {
  return holder.split('/')[0] ?? '';
}

/**
 * The version that this observer now knows: the first sight stays with the version, not with the reading. `sentAt` is
 * when the read was sent, undefined for what a watch delivered.
 */
export function seen(
  before: SeenLease | undefined,
  record: LeaseRecord | undefined,
  sentAt: Mono | undefined,
  now: Mono,
): SeenLease {
  const same = before !== undefined && before.record?.resourceVersion === record?.resourceVersion;
  const confirmed = same ? before.confirmedAt : Number.NEGATIVE_INFINITY;
  return { record, firstSeenAt: same ? before.firstSeenAt : now, confirmedAt: Math.max(confirmed, sentAt ?? confirmed) };
}

/** This very incarnation is the holder. */
export function holds(view: View): boolean {
  return recordOf(view.lease)?.holder === view.self.identity;
}

/** I1: holder by the record, and by a permit that has not ended. */
export function leads(view: View): boolean {
  return (holds(view) || vanished(view) !== undefined) && isValid(view.permit, view.now);
}

/** Whether this member could be, or become, primary without taking the lease anew. */
export function mayLead(view: View): boolean {
  if (view.instance.is === 'primary' || view.promotion !== undefined || view.standing === true) return true;
  return holds(view) || view.held !== undefined || isValid(view.permit, view.now);
}

/**
 * The record of a Lease that was deleted under this holder. With a valid permit nobody else can have held it since, so
 * what was written last is still true; without one it may be old news, and nobody makes up whose votes count (K5).
 */
export function vanished(view: View): LeaseRecord | undefined {
  const gone = view.lease.known && view.lease.value.record === undefined;
  return gone && isValid(view.permit, view.now) ? view.held : undefined;
}

export function recordOf(lease: Observed<SeenLease>): LeaseRecord | undefined {
  return lease.known ? lease.value.record : undefined;
}

/** When a foreign holder's lease runs out for this observer: the longer of both durations after the first sight. */
export function expiresAt(lease: SeenLease, ownDurationSeconds: number): Mono {
  const seconds = Math.max(lease.record?.durationSeconds ?? 0, ownDurationSeconds);
  return lease.firstSeenAt + seconds * 1000;
}

/**
 * S5: foreign holders are overtaken only when a read *sent* after the whole duration still showed the same version.
 */
export function isExpired(lease: SeenLease, view: View): boolean {
  const end = expiresAt(lease, view.config.lease.durationSeconds);
  return view.now >= end && lease.confirmedAt >= end;
}

/** The highest term anybody is known to have used; the next promotion goes above it. */
export function highestTerm(view: View): Term {
  const record = recordOf(view.lease);
  let highest = Math.max(record?.term ?? 0, record?.promoting?.term ?? 0, view.records.granted);
  for (const entry of record?.entries ?? []) highest = Math.max(highest, entry.term);
  for (const peer of Object.values(view.peers))
    highest = Math.max(highest, peer.state.term, peer.state.promotedTerm, peer.state.granted);
  if (view.instance.is === 'standby') highest = Math.max(highest, view.instance.term);
  if ('data' in view.instance && view.instance.data !== undefined) highest = Math.max(highest, view.instance.data.promotedTerm);
  return highest;
}

/** The record a holder writes for itself; a take-over changes no entry. */
export function acquired(view: View, over: LeaseRecord | undefined): LeaseDraft {
  return {
    holder: view.self.identity,
    term: Math.min(highestTerm(view) + 1, termLimit),
    durationSeconds: view.config.lease.durationSeconds,
    entries: over?.entries ?? [],
    syncMode: over?.syncMode ?? view.config.sync.mode,
    promoting: over?.promoting,
    heir: undefined,
    containerId: ownContainerId(view),
    written: over?.written,
  };
}

/** The record of a renewal; term and `promoting` only ever rise. */
export function renewed(record: LeaseRecord, change: LeaseChange, durationSeconds: number): LeaseDraft {
  return {
    holder: record.holder,
    term: Math.max(record.term, change.term ?? 0),
    durationSeconds,
    entries: change.entries ?? record.entries,
    syncMode: change.syncMode ?? record.syncMode,
    promoting: higher(record.promoting, change.promoting),
    heir: undefined,
    containerId: change.containerId ?? record.containerId,
    written: 'written' in change ? change.written : record.written,
  };
}

function higher(a: LeaseRecord['promoting'], b: LeaseRecord['promoting']): LeaseRecord['promoting'] {
  if (a === undefined || b === undefined) return a ?? b;
  return b.term > a.term ? b : a;
}

/** What puts a damaged record right: everything in it that decides who may lead, as this holder last wrote it. */
export function mending(held: LeaseRecord): LeaseChange {
  const { term, entries, syncMode, promoting, containerId } = held;
  return {
    term,
    entries,
    syncMode,
    ...(promoting === undefined ? {} : { promoting }),
    ...(containerId === undefined ? {} : { containerId }),
  };
}

export function released(record: LeaseRecord, heir: MemberName | undefined): LeaseDraft {
  const { resourceVersion: _version, renewTime: _time, garbage: _garbage, uid: _uid, ...rest } = record;
  return { ...rest, holder: '', heir, containerId: undefined, releasedBy: record.holder };
}

/** Entries in their one order, so that equal sets are equal text. */
export function entryOf(entry: SyncEntry): SyncEntry {
  return { ...entry, names: [...entry.names].sort() };
}
