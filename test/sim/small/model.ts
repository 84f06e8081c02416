/**
 * What events do in the small model, and what must be true of every row after each: an acknowledged one is in every later
 * primary, and nobody acknowledges what a later primary does not have (S1, S6).
 */
import { Broken, judgePromotion, wantedBy } from './judge.ts';
import { open } from './sight.ts';
import { type Member, nameOf, promotionRecord, type State, termOf, unread } from './state.ts';

export function withMember(state: State, index: number, part: Partial<Member>): State {
  const members = state.members.slice();
  members[index] = { ...(members[index] as Member), ...part, ...unread };
  return { ...state, members };
}

export function memberAt(state: State, index: number): Member {
  return state.members[index] as Member;
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
  const part = {
    up: true,
    role,
    process: me.process + 1,
    serverTerm: 0,
    lock: lock ?? me.lock,
    sawExit: false,
    startedHere: true,
  };
  return withMember(state, index, part);
}

/** A promotion that was asked for happens. */
export function becomePrimary(state: State, index: number): State {
  const me = memberAt(state, index);
  const term = me.asked ?? 0;
  judgePromotion(state, index, term);
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
