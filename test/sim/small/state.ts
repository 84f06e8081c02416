/**
 * The small model's state: what matters of two or three members when every order of events is tried. No clocks: a permit
 * lasts for as long as nobody has told its holder otherwise, a lease may look run out at any moment, and what was decided
 * may be carried out at any later time. So what holds here holds without any bound on time (the freeze alone protects).
 * States are immutable; a step copies what it changes.
 */
import type { LeaseDraft } from '../../../agent/core/view.ts';
import type { InstanceIntent } from '../../../agent/core/view.ts';
import type { SyncEntry } from '../../../agent/core/model.ts';

/** What a voter said when it was frozen. */
export interface Vote {
  term: number;
  length: number;
  dataId: string;
}

export type Todo =
  | { do: 'write'; over: number; draft: LeaseDraft; kind: 'acquire' | 'renew' | 'release' }
  | { do: 'act'; intent: InstanceIntent; freeze: string }
  | { do: 'end'; handedOver: boolean };

export interface Member {
  // The server and its data.
  up: boolean;
  role: 'standby' | 'pending' | 'primary';
  process: number;
  /** One character a record: rows, promotions (above 0xff), terms (digits). */
  log: string;
  serverTerm: number;
  promotedTerm: number;
  dataId: string;
  names: string;
  mostAvailable: boolean;
  /** Whom its lock names; its stream; the term of a promotion that was asked for and may still happen. */
  lock: number | undefined;
  from: number | undefined;
  asked: number | undefined;
  diverged: boolean;
  // On the agent's disk.
  granted: number;
  freeze: { term: number; candidate: number; askedBy: number | undefined } | undefined;
  // In the agent's memory.
  incarnation: number;
  promotion: { term: number; process: number; settled: boolean; finished: boolean } | undefined;
  takeover: { term: number; votes: Record<number, Vote> } | undefined;
  switchover: { target: number; pointed: boolean; handedOver: boolean; overdue: boolean } | undefined;
  barrier: number | undefined;
  sawExit: boolean;
  todo: Todo[];
}

export interface Record_ {
  version: number;
  holder: { member: number; incarnation: number } | undefined;
  term: number;
  entries: SyncEntry[];
  syncMode: 'off' | 'quorum' | 'strict';
  promoting: { member: string; term: number; dataId: string } | undefined;
  heir: string | undefined;
}

export interface Order {
  kind: 'freeze' | 'unfreeze';
  from: number;
  to: number;
  term: number;
  candidate: number;
}

/** `silent`: the holder is not heard, its lease looks run out; `slow`: what the holder is at takes too long. */
export const smallFaults = ['silent', 'slow', 'death', 'container', 'agent', 'cut', 'switchover'] as const;
export type SmallFault = (typeof smallFaults)[number];

export interface State {
  members: Member[];
  lease: Record_;
  orders: Order[];
  /** Rows that clients saw acknowledged. */
  acked: string;
  rows: number;
  /** Votes ever given, as `voter term candidate`. */
  given: string[];
  /** The promotion of the highest term, with what it began from. */
  newest: { member: number; term: number; base: string };
  /** The kinds of fault that have struck. */
  faults: SmallFault[];
  /** Members that reach no other one. */
  cut: boolean[];
  /** The lease looks run out to those who do not hold it. */
  late: boolean;
}

export const nameOf = (index: number): string => `og-${index}`;
export const indexOf = (name: string): number => Number(name.slice(3));
export const hostOf = (index: number): string => `10.0.0.${index}`;

/** A promotion's own record: nobody else's of any term is the same. */
export const promotionRecord = (term: number, member: number): string => String.fromCharCode(0x100 + term * 8 + member);

export function termOf(log: string): number {
  for (let at = log.length - 1; at >= 0; at -= 1) {
    const code = log.charCodeAt(at);
    if (code >= 48 && code <= 57) return code - 48;
  }
  return 0;
}

/** A settled cluster: member 0 leads in term 1, the others stream. */
export function settled(size: number): State {
  const log = `${promotionRecord(1, 0)}1`;
  const others = Array.from({ length: size - 1 }, (_, at) => nameOf(at + 1));
  const entry: SyncEntry = { term: 1, primary: nameOf(0), dataId: 'data-0', names: others, w: 1 };
  const members = Array.from({ length: size }, (_, index): Member => {
    const leads = index === 0;
    return {
      ...{ up: true, role: leads ? 'primary' : 'standby', process: 1, log, dataId: `data-${index}` },
      ...{ serverTerm: leads ? 1 : 0, promotedTerm: leads ? 1 : 0 },
      names: leads ? `ANY 1 (${others.map((name) => `"${name}"`).join(', ')})` : '',
      ...{ mostAvailable: false, lock: undefined, from: leads ? undefined : 0, asked: undefined, diverged: false },
      ...{ granted: 0, freeze: undefined, incarnation: 1 },
      promotion: leads ? { term: 1, process: 1, settled: true, finished: true } : undefined,
      ...{ takeover: undefined, switchover: undefined, barrier: log.length, sawExit: false, todo: [] },
    };
  });
  return {
    members,
    lease: {
      ...{ version: 1, holder: { member: 0, incarnation: 1 }, term: 1, entries: [entry], syncMode: 'quorum' },
      ...{ promoting: { member: nameOf(0), term: 1, dataId: 'data-0' }, heir: undefined },
    },
    ...{ orders: [], acked: '', rows: 0, given: [], newest: { member: 0, term: 1, base: log } },
    ...{ faults: [], cut: members.map(() => false), late: false },
  };
}

const texts = new WeakMap<object, string>();

/** The text of a part is made once: steps share the parts that they do not change. */
function textOf(part: object, make: () => unknown = () => part): string {
  let text = texts.get(part);
  if (text === undefined) {
    text = JSON.stringify(make(), (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
    texts.set(part, text);
  }
  return text;
}

/** Which process it is does not matter, only whether the promotion is of it; what is to be written is told apart below. */
function plain(member: Member): unknown {
  const { process, promotion, todo, ...rest } = member;
  const current = member.up && promotion?.process === process;
  const waits = todo.map((one) => (one.do === 'write' ? { ...one, over: 0 } : one));
  return [
    Object.values(rest),
    waits,
    promotion === undefined ? 0 : [promotion.term, current, promotion.settled, promotion.finished],
  ];
}

/** An order that its member would refuse as too low is as good as lost. */
function waiting(state: State): Order[] {
  return state.orders.filter(({ kind, to, term }) => kind === 'unfreeze' || term >= (state.members[to]?.granted ?? 0));
}

/** Two 32-bit hashes in one number of 53 bits. */
export function hashOf(state: State): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57 ^ (state.late ? 1 : 0) ^ (state.rows << 4);
  const mix = (text: string): void => {
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      a = Math.imul(a ^ code, 2654435761);
      b = Math.imul(b ^ code, 1597334677);
    }
  };
  for (const member of state.members) mix(textOf(member, () => plain(member)));
  mix(textOf(state.lease, () => ({ ...state.lease, version: 0 })));
  // Versions only rise: all that matters of one is whether it still stands.
  for (const { todo } of state.members)
    for (const one of todo) if (one.do === 'write') mix(one.over === state.lease.version ? 'now' : 'past');
  mix(JSON.stringify(waiting(state)));
  mix(textOf(state.newest));
  mix(textOf(state.cut));
  mix(state.given.join());
  mix(state.faults.join());
  mix(state.acked);
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}
