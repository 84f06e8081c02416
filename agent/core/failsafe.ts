/**
 * Promises: how a primary goes on when it cannot reach the API server. A member promises the holder of one term neither
 * to grant nor to stand, for a time by its own clock that begins when it is asked; the holder counts from the moment it
 * *sent* the question, as with a renewal, so the arithmetic of the lease covers it. The holder goes on
 * while no vote set is left that holds no promise: then nobody else can lead (I14). A promise is never given to
 * a lower term, never while this member takes the lease itself, and ends early only when the record shows that the very
 * holder released it, which it does when its server is gone. Nothing here is about clocks of other machines.
 */
import { holds, leads, memberOf, recordOf } from './lease.ts';
import type { LeaseRecord, LocalRecords, MemberName, Mono, PeerState, PromiseAsk, SyncEntry } from './model.ts';
import type { Promised, View } from './view.ts';

/** The holder's own end of the lease: it released it, having stopped its server. Nobody else's edit says so. */
export function isReleasedBy(promise: Pick<Promised, 'holder' | 'term'>, record: LeaseRecord | undefined): boolean {
  return record?.holder === '' && record.releasedBy === promise.holder && record.term >= promise.term;
}

/** The promise to somebody else that binds this member now. */
export function boundBy(view: Pick<View, 'promised' | 'now' | 'lease'>): Promised | undefined {
  const { promised } = view;
  if (promised === undefined || view.now >= promised.until) return undefined;
  return isReleasedBy(promised, recordOf(view.lease)) ? undefined : promised;
}

/** The same, to a holder that is known: what a member without records waits for does not undo the lease it has. */
export function boundToHolder(view: Pick<View, 'promised' | 'now' | 'lease'>): Promised | undefined {
  const bound = boundBy(view);
  return bound?.holder === anyHolder ? undefined : bound;
}

/** Whom a member may have promised whose records are gone; no record ever names it. */
export const anyHolder = 'unknown';

/** Whether a peer says that it is bound to somebody other than this member: it will not grant, so it does not count. */
export function isBoundAway(view: View, state: PeerState): boolean {
  const { promised } = state;
  if (promised === undefined || promised.holder === view.self.identity) return false;
  return !isReleasedBy(promised, recordOf(view.lease));
}

/** Why this member gives no such promise, or undefined when it does. */
export function whyNoPromise(view: View, records: LocalRecords, ask: PromiseAsk, from: MemberName): string | undefined {
  if (memberOf(ask.holder) !== from) return `${from} does not ask for itself`;
  if (leads(view) || holds(view) || view.instance.is === 'primary' || view.promotion !== undefined) return 'this member leads';
  if (view.standing === true) return 'this member is taking the lease';
  return whyOfRecord(view, ask) ?? whyOfVotes(view, records, ask, from);
}

function whyOfRecord(view: View, ask: PromiseAsk): string | undefined {
  const record = recordOf(view.lease);
  if (record === undefined) return undefined;
  if (record.term > ask.term) return `term ${ask.term} is lower than ${record.term}, the lease's`;
  if (record.term < ask.term || record.holder === ask.holder) return undefined;
  return record.holder === '' ? `term ${ask.term} was released` : `term ${ask.term} is ${memberOf(record.holder)}'s`;
}

function whyOfVotes(view: View, records: LocalRecords, ask: PromiseAsk, from: MemberName): string | undefined {
  const carried = Math.max(
    view.instance.is === 'standby' ? view.instance.term : 0,
    'data' in view.instance ? (view.instance.data?.promotedTerm ?? 0) : 0,
  );
  if (carried > ask.term) return `term ${ask.term} is lower than ${carried}, which the data carry`;
  const { freeze, granted, undone } = records;
  const isVote = freeze !== undefined && freeze.candidate !== from && freeze.term >= ask.term;
  if (isVote) return `term ${freeze.term} is granted to ${freeze.candidate}`;
  // A grant that this very holder asked to undo, and that was undone, is nobody's vote any more.
  const isUndone = freeze === undefined && undone !== undefined && undone.by === from && undone.term >= granted;
  if (granted > ask.term && !isUndone) return `term ${ask.term} is lower than ${granted}, granted before`;
  const bound = boundBy(view);
  if (bound === undefined) return undefined;
  if (bound.holder !== ask.holder) return `bound to ${memberOf(bound.holder)} for term ${bound.term}`;
  return bound.term > ask.term ? `term ${ask.term} is lower than ${bound.term}, promised before` : undefined;
}

/** What a holder has in hand: for how long each member's promise lets it act, by its own clock. */
export interface Held {
  self: MemberName;
  /** Every other member that the holder knows of. */
  others: MemberName[];
  /** The end of the right that a member's promise gives; undefined without one for this term. */
  until(member: MemberName): Mono | undefined;
  /** The end of what the holder may conclude from itself alone, counted from this moment. */
  own: Mono;
}

/**
 * Until when nobody else can get a vote set, whichever of these records the Lease holds in truth: the one last confirmed,
 * or one whose write was never answered. Undefined: somebody could. A vote set meets *every* entry, so one entry that
 * cannot be met is enough; it cannot be met when W of its names, and its primary, are the holder itself or promised:
 * n − W names are left, and n − W + 1 are needed (docs/decisions/0010). Where nobody votes, everybody has to promise.
 */
export function heldUntil(records: Pick<LeaseRecord, 'entries' | 'syncMode'>[], held: Held): Mono | undefined {
  if (records.length === 0) return undefined;
  return least(records.map((record) => recordUntil(record, held)));
}

function recordUntil(record: Pick<LeaseRecord, 'entries' | 'syncMode'>, held: Held): Mono | undefined {
  const endOf = (name: MemberName) => (name === held.self ? held.own : held.until(name));
  if (record.syncMode === 'off' || record.entries.length === 0) return least([held.own, ...held.others.map(endOf)]);
  const ends = record.entries.map((entry) => entryUntil(entry, endOf)).filter((end) => end !== undefined);
  return ends.length === 0 ? undefined : Math.min(held.own, Math.max(...ends));
}

function entryUntil(entry: SyncEntry, endOf: (name: MemberName) => Mono | undefined): Mono | undefined {
  const names = entry.names
    .map(endOf)
    .filter((end) => end !== undefined)
    .sort((a, b) => b - a);
  return least([endOf(entry.primary), ...(entry.w === 0 ? [] : [names[entry.w - 1]])]);
}

function least(ends: (Mono | undefined)[]): Mono | undefined {
  return ends.includes(undefined) ? undefined : Math.min(...(ends as Mono[]));
}
