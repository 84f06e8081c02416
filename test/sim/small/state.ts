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
  /** `promotes`: it records a promotion, which this member remembers from then on. */
  | { do: 'write'; over: number; draft: LeaseDraft; kind: 'acquire' | 'renew' | 'release'; promotes?: true }
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
  /** The server was started by this agent, and not found running. */
  startedHere: boolean;
  todo: Todo[];
  /** Its fingerprints (`prints.ts`); below zero until somebody asks, and again in every copy. */
  print: number;
  sight: number;
  inner: number;
}

export const unread = { print: -1, sight: -1, inner: -1 };

export interface Record_ {
  version: number;
  holder: { member: number; incarnation: number } | undefined;
  term: number;
  entries: SyncEntry[];
  syncMode: 'off' | 'quorum' | 'strict';
  promoting: { member: string; term: number; dataId: string } | undefined;
  heir: string | undefined;
  /** The holder has given it back; a lease without a holder that nobody gave back is not free. */
  released: boolean;
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
      ...{
        takeover: undefined,
        switchover: undefined,
        barrier: log.length,
        sawExit: false,
        startedHere: true,
        todo: [],
        ...unread,
      },
    };
  });
  return {
    members,
    lease: {
      ...{ version: 1, holder: { member: 0, incarnation: 1 }, term: 1, entries: [entry], syncMode: 'quorum' },
      ...{ promoting: { member: nameOf(0), term: 1, dataId: 'data-0' }, heir: undefined, released: false },
    },
    ...{ orders: [], acked: '', rows: 0, given: [], newest: { member: 0, term: 1, base: log } },
    ...{ faults: [], cut: members.map(() => false), late: false },
  };
}
