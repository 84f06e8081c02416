/**
 * What events do in the small model, and what must be true after each: an acknowledged row is in every later primary, and
 * nobody acknowledges what a later primary does not have (S1, S6), nobody votes twice in a term (S22), and the lease is
 * taken only by somebody in touch with a vote set (S7).
 */
import type { SyncEntry } from '../../../agent/core/model.ts';
import { open } from './sight.ts';
import { indexOf, type Member, nameOf, promotionRecord, type State, termOf, unread } from './state.ts';

export class Broken extends Error {
  readonly invariant: string;
  constructor(invariant: string, text: string) {
    super(text);
    this.invariant = invariant;
  }
}

export function withMember(state: State, index: number, part: Partial<Member>): State {
  const members = state.members.slice();
  members[index] = { ...(members[index] as Member), ...part, ...unread };
  return { ...state, members };
}

export function memberAt(state: State, index: number): Member {
  return state.members[index] as Member;
}

interface Wanted {
  need: number;
  names: number[];
}

const known = new Map<string, Wanted>();

/** How many of whom the names in force ask for. */
export function wantedBy(names: string): Wanted {
  const wanted = known.get(names) ?? parsed(names);
  known.set(names, wanted);
  return wanted;
}

function parsed(names: string): Wanted {
  const match = /^ANY (\d+) \((.*)\)$/.exec(names);
  if (match === null) return { need: 0, names: [] };
  const list = (match[2] ?? '').split(',').map((name) => name.trim().replace(/"/g, ''));
  return { need: Number(match[1]), names: list.filter((name) => name.startsWith('og-')).map(indexOf) };
}

/** Acknowledges all that can be, as early as it can be. */
export function release(state: State, index: number): State {
  const me = memberAt(state, index);
  if (!me.up || me.role !== 'primary') return state;
  const { need, names } = wantedBy(me.names);
  const streams = state.members.flatMap((other, at) =>
    other.up && other.from === index && names.includes(at) ? [other.log.length] : [],
  );
  streams.sort((a, b) => b - a);
  const alone = need === 0 || (me.mostAvailable && streams.length === 0);
  const bound = alone ? me.log.length : (streams[need - 1] ?? 0);
  let { acked } = state;
  for (let at = 0; at < bound; at += 1) {
    const row = me.log[at] as string;
    if (row < 'a' || row > 'z' || acked.includes(row)) continue;
    const { newest } = state;
    if (newest.term > me.serverTerm && !newest.base.includes(row))
      throw new Broken(
        'S1',
        `${nameOf(index)} (term ${me.serverTerm}) acknowledges ${row}, which ${nameOf(newest.member)} (term ${newest.term}) does not have`,
      );
    acked += row;
  }
  return acked === state.acked ? state : { ...state, acked };
}

/** The process is gone; who streamed from it notices. */
export function end(state: State, index: number, seen: boolean): State {
  const me = memberAt(state, index);
  if (!me.up) return state;
  const members = state.members.map((other) => (other.from === index ? { ...other, from: undefined, ...unread } : other));
  const wasPrimary = me.role === 'primary';
  const gone = { up: false, from: undefined, asked: undefined, diverged: false, sawExit: seen && wasPrimary };
  members[index] = { ...me, ...gone, ...unread };
  return { ...state, members };
}

export function start(state: State, index: number, role: 'standby' | 'pending', lock: number | undefined): State {
  const me = memberAt(state, index);
  if (me.up) return state;
  if (me.freeze !== undefined && (lock ?? me.lock) !== me.freeze.candidate)
    throw new Broken('S7', `${nameOf(index)} is frozen for term ${me.freeze.term} and started without its lock`);
  const part = { up: true, role, process: me.process + 1, serverTerm: 0, lock: lock ?? me.lock, sawExit: false };
  return withMember(state, index, part);
}

/** A promotion that was asked for happens. */
export function becomePrimary(state: State, index: number): State {
  const me = memberAt(state, index);
  const term = me.asked ?? 0;
  // One of a lower term comes too late: it was overtaken, and all that is asked of it is that it acknowledges nothing.
  const missed = term > state.newest.term ? [...state.acked].find((row) => !me.log.includes(row)) : undefined;
  if (missed !== undefined)
    throw new Broken('S6', `${nameOf(index)} is promoted (term ${term}) without ${missed}, which was acknowledged`);
  const log = me.log + promotionRecord(term, index);
  const promoted = withMember(state, index, {
    role: 'primary',
    serverTerm: term,
    asked: undefined,
    from: undefined,
    diverged: false,
    log,
  });
  if (term <= state.newest.term) return release(promoted, index);
  return release({ ...promoted, newest: { member: index, term, base: log } }, index);
}

/** The first primary that a standby may stream from, as its lock, the terms and its history allow. */
export function attach(state: State, index: number, to: number): State | undefined {
  const me = memberAt(state, index);
  const there = memberAt(state, to);
  if (!me.up || me.role !== 'standby' || me.from !== undefined || me.asked !== undefined || me.diverged) return undefined;
  if (!there.up || there.role !== 'primary' || !open(state, index, to)) return undefined;
  if (me.lock !== undefined && me.lock !== to) return undefined;
  if (there.serverTerm < termOf(me.log)) return undefined;
  if (!there.log.startsWith(me.log)) return withMember(state, index, { diverged: true });
  return release(withMember(state, index, { from: to }), to);
}

export function ship(state: State, index: number): State | undefined {
  const me = memberAt(state, index);
  if (me.from === undefined || !me.up || !open(state, index, me.from)) return undefined;
  const { log } = memberAt(state, me.from);
  if (log === me.log) return undefined;
  return release(withMember(state, index, { log }), me.from);
}

/** Written once more on purpose: the judge does not use the judged one's rule. */
export function mayDecide(entries: SyncEntry[], voters: { name: string; dataId: string }[]): boolean {
  return entries.every(({ primary, dataId, names, w }) => {
    if (voters.some((voter) => voter.name === primary && voter.dataId === dataId)) return true;
    const missing = names.filter((name) => !voters.some((voter) => voter.name === name)).length;
    return w > 0 && missing < w;
  });
}

/** S7: whoever takes the lease is in touch with enough members. */
export function judgeTaking(state: State, index: number): void {
  if (state.lease.syncMode === 'off') return;
  const voters = state.members.flatMap((member, at) =>
    at === index || open(state, index, at) ? [{ name: nameOf(at), dataId: member.dataId }] : [],
  );
  if (!mayDecide(state.lease.entries, voters)) throw new Broken('S7', `${nameOf(index)} takes the lease without a vote set`);
}
