/**
 * The synchronous set: whose acknowledgements a commit waits for, and so whose votes a new primary needs. The record
 * (the lease's entries) and the server's names change in three steps, as in joint consensus: record the new entry,
 * set the names, drop the old entries once W of the new names have flushed the position of the change.
 * At every moment each possible acknowledgement set meets each possible vote set (S13). Steps are decided here,
 * never taken.
 */
import { isReinitialised } from './asked.ts';
import { flushedBy, isStreaming } from './flushed.ts';
import { isFencedByHand, isNeverPrimary } from './hand.ts';
import { entryOf, recordOf } from './lease.ts';
import type { LeaseRecord, MemberName, PeerState, PodSight, PrimaryInstance, SyncEntry, SyncMode } from './model.ts';
import type { View } from './view.ts';

export { isStreaming };

/** A name that no standby bears: commits wait until the real names are set. Lower case, or nobody could ever connect as it. */
export const nobody = 'ANY 1 ("nobody-yet")';

/** Entries that a change may pile up before the next one waits; each costs votes, and the annotation has a limit. */
export const entriesLimit = 8;

/** synchronous_standby_names for an entry; '' lets commits go on without a standby. */
export function renderNames(entry: SyncEntry): string {
  if (entry.w === 0) return '';
  return `ANY ${entry.w} (${entry.names.map((name) => `"${name}"`).join(', ')})`;
}

/** Whether the server's value means the same; openGauss accepts names with and without quotes. */
export function sameNames(a: string, b: string): boolean {
  return a === b || plain(a) === plain(b);
}

function plain(text: string): string {
  return text.replace(/["\s]/g, '').toLowerCase();
}

/** ⌈n/2⌉ unless asked otherwise, never more than there are standbys. */
export function acksFor(n: number, wanted: number | undefined): number {
  if (n === 0) return 0;
  return Math.max(1, Math.min(n, wanted ?? Math.ceil(n / 2)));
}

/** S7: whether these votes meet one entry: n − W + 1 of its names, or its primary with the very same data. */
function meets(entry: SyncEntry, votes: Map<MemberName, { dataId: string | undefined }>): boolean {
  const primary = votes.get(entry.primary);
  if (primary !== undefined && primary.dataId === entry.dataId) return true;
  if (entry.w === 0) return false;
  const given = entry.names.filter((name) => votes.has(name)).length;
  return given >= entry.names.length - entry.w + 1;
}

/** Whether these members together cannot have missed an acknowledged commit. In mode `off` nobody is asked. */
export function isVoteSet(record: LeaseRecord, voters: Iterable<Pick<PeerState, 'name' | 'dataId'>>): boolean {
  return unmet(record, voters).length === 0;
}

/** The entries whose acknowledged commits may be on none of these members. */
export function unmet(record: LeaseRecord, voters: Iterable<Pick<PeerState, 'name' | 'dataId'>>): SyncEntry[] {
  return record.syncMode === 'off' ? [] : unmetOf(record.entries, voters);
}

function unmetOf(entries: SyncEntry[], voters: Iterable<Pick<PeerState, 'name' | 'dataId'>>): SyncEntry[] {
  const votes = new Map([...voters].map((voter) => [voter.name, { dataId: voter.dataId }]));
  return entries.filter((entry) => !meets(entry, votes));
}

/**
 * Whether a winner has whatever others acknowledged before it, as after a hand-over in order, also in mode `off`. Votes see to it
 * in the other modes. A record that names only the winner's own entries says nothing of what came before them.
 */
export function hasEverything(record: LeaseRecord, winner: Pick<PeerState, 'name' | 'dataId'>): boolean {
  if (record.syncMode !== 'off') return true;
  return record.entries.some((entry) => entry.primary !== winner.name) && unmetOf(record.entries, [winner]).length === 0;
}

/** Whom people have taken out of the set. */
function isExcluded(view: View, pod: PodSight): boolean {
  return isNeverPrimary(pod.annotations) || isFencedByHand(pod.annotations) || isReinitialised(view, pod.name);
}

/** Members that may be in the set at all. */
export function others(view: View): MemberName[] {
  if (!view.pods.known) return [];
  return view.pods.value.filter((pod) => pod.name !== view.self.name && !isExcluded(view, pod)).map((pod) => pod.name);
}

/** A pod that is only being made again is away; one that nobody has made for that long was scaled in. */
function mayStay(view: View, name: MemberName, awayMs: number): boolean {
  if (!view.pods.known) return true;
  const pod = view.pods.value.find((one) => one.name === name);
  return pod === undefined ? awayMs < view.config.sync.dropAfterSeconds * 1000 : !isExcluded(view, pod);
}

/** Everybody else: those that are listed, and those that the record names and no list shows, who are away, not gone (I2). */
function expected(view: View): MemberName[] {
  const listed = view.pods.known ? view.pods.value.map((pod) => pod.name) : [];
  const recorded = (recordOf(view.lease)?.entries ?? []).flatMap((entry) => [entry.primary, ...entry.names]);
  const away = recorded.filter((name) => name !== view.self.name && !listed.includes(name));
  return [...new Set([...others(view), ...away])];
}

/** The entry a winner records with its promotion: everybody else, or nobody when nobody can be reached (degraded). */
export function entryOfWinner(view: View, term: number, dataId: string, reachable: MemberName[]): SyncEntry {
  const mode = view.config.sync.mode;
  const names = mode === 'off' || (reachable.length === 0 && mode !== 'strict') ? [] : expected(view);
  return entryOf({ term, primary: view.self.name, dataId, names, w: acksFor(names.length, view.config.sync.acks) });
}

/**
 * The entries with one more. An earlier one of the same primary, data, names and W asks for the very same votes, so the
 * new one stands for both: a primary that is promoted in place again and again must not fill the record.
 */
export function withEntry(entries: SyncEntry[], entry: SyncEntry): SyncEntry[] {
  const same = (one: SyncEntry) => one.primary === entry.primary && one.dataId === entry.dataId && sameEntry(one, entry);
  return [...entries.filter((one) => !same(one)), entry];
}

function isAccompanied(view: View): boolean {
  return !view.pods.known || view.pods.value.some((pod) => pod.name !== view.self.name);
}

/** What the set should be now, given what streams and for how long the rest has been away. */
export function desiredEntry(view: View, me: PrimaryInstance, last: SyncEntry): SyncEntry {
  const { sync } = view.config;
  const shape = { term: last.term, primary: last.primary, dataId: last.dataId };
  const target = view.switchover?.target;
  if (target !== undefined && isStreaming(me, target)) return { ...shape, names: [target], w: 1 };
  if (sync.mode === 'off') return { ...shape, names: [], w: 0 };
  const able = view.pods.known ? others(view) : last.names;
  const streaming = able.filter((name) => isStreaming(me, name));
  const awayFor = (name: MemberName) => view.now - (view.streamedAt[name] ?? view.promotion?.recordedAt ?? view.now);
  const kept = last.names.filter(
    (name) => mayStay(view, name, awayFor(name)) && (streaming.length === 0 || awayFor(name) < sync.dropAfterSeconds * 1000),
  );
  const found = [...new Set([...kept, ...streaming])];
  // Mode strict acknowledges nothing alone while there is anybody who could be waited for. Whoever is taken out by hand
  // may have been the last one; commits wait then too.
  if (found.length === 0 && sync.mode === 'strict' && able.length === 0 && isAccompanied(view)) return last;
  const names = found.length === 0 && sync.mode === 'strict' ? able : found;
  const allAway = streaming.length === 0 && names.every((name) => awayFor(name) >= sync.degradeAfterSeconds * 1000);
  if (allAway && sync.mode !== 'strict') return { ...shape, names: [], w: 0 };
  return entryOf({ ...shape, names, w: acksFor(names.length, sync.acks) });
}

export type SyncStep =
  | { do: 'nothing' }
  | { do: 'record'; entries: SyncEntry[]; syncMode: SyncMode }
  | { do: 'set'; names: string; mostAvailable: boolean };

function sameEntry(a: SyncEntry, b: SyncEntry): boolean {
  return a.w === b.w && a.names.join() === b.names.join();
}

/** The next of the three steps, for the primary that leads. */
export function syncStep(view: View, me: PrimaryInstance): SyncStep {
  const record = recordOf(view.lease);
  const dataId = me.data.dataId;
  if (record === undefined || dataId === undefined || view.promotion === undefined) return { do: 'nothing' };
  const last = record.entries.at(-1);
  if (last === undefined || last.primary !== view.self.name || last.dataId !== dataId || last.term !== view.promotion.term) {
    return { do: 'nothing' };
  }
  const names = renderNames(last);
  const mostAvailable = last.w === 0 && record.syncMode !== 'off';
  // No commit of a term is acknowledged before W members carry that term in their WAL: the timeline never changes, and
  // (term, LSN) would otherwise take an old tail for the newer one.
  const silent = sameNames(me.syncNames, nobody) && !reached(view, me, last);
  const inForce = sameNames(me.syncNames, names) && me.mostAvailableSync === mostAvailable;
  if (!inForce && !silent) return { do: 'set', names, mostAvailable };
  const mode = view.config.sync.mode;
  const desired = desiredEntry(view, me, last);
  if (silent || record.entries.length > 1) {
    if (inForce && reached(view, me, last)) return { do: 'record', entries: [last], syncMode: mode };
    // Standbys of the newest entry may have gone before they flushed; commits would wait for them for ever. A further
    // entry is as safe as the one before: votes must meet them all.
    const able = last.names.filter((name) => isStreaming(me, name)).length >= last.w;
    const another = !able && !sameEntry(desired, last) && record.entries.length < entriesLimit;
    return another ? { do: 'record', entries: [...record.entries, desired], syncMode: record.syncMode } : { do: 'nothing' };
  }
  if (!sameEntry(desired, last)) {
    return { do: 'record', entries: [last, desired], syncMode: mode === 'off' ? 'off' : record.syncMode };
  }
  return record.syncMode === mode ? { do: 'nothing' } : { do: 'record', entries: [last], syncMode: mode };
}

function reached(view: View, me: PrimaryInstance, entry: SyncEntry): boolean {
  if (entry.w === 0) return true;
  return view.syncBarrier !== undefined && flushedBy(view, me, entry.names, view.syncBarrier) >= entry.w;
}
