/**
 * When a member gives its vote, and what its records say then. A vote is a freeze: from then on the member streams from
 * nobody but the candidate, so that an older primary loses the acknowledgements it would need. Refused are a lower term,
 * a second candidate of the same term, anybody while a promise binds, and members that lead, are built, or are no
 * standbys. The loop asks here, puts the records on disk before it answers, and starts no server without its lock.
 */
import { boundBy } from './failsafe.ts';
import { leads, memberOf, recordOf } from './lease.ts';
import type { LocalRecords, MemberName, Term } from './model.ts';
import { isValid } from './permit.ts';
import { type Fault, failed, ok, type Result } from './result.ts';
import type { View } from './view.ts';

/** "Leave your upstream and follow me." */
export interface VoteAsk {
  term: Term;
  candidate: MemberName;
  host: string;
  haPort: number;
  /** Who asks: the candidate itself, or a primary that is about to hand over to it. */
  askedBy?: MemberName | undefined;
}

export function refusal(detail: string, hint?: string): Fault {
  return { of: 'peer', kind: 'refused', done: 'no', detail, ...(hint === undefined ? {} : { hint }) };
}

/** Why this member gives no vote to that candidate, or undefined when it does. */
export function objection(view: View, ask: Pick<VoteAsk, 'term' | 'candidate'>): Fault | undefined {
  const { records } = view;
  if (ask.term < records.granted)
    return refusal(`term ${ask.term} is lower than ${records.granted}, granted before`, 'Ask again with a higher term.');
  // Who asks for a term that the lease has left behind has been succeeded, whatever it believes.
  const record = recordOf(view.lease);
  const term = record?.term ?? 0;
  if (ask.term < term) return refusal(`term ${ask.term} is lower than ${term}, the lease's`, 'Ask again with a higher term.');
  // Who was promoted in that term is on record: a plan made before it that arrives now would be a second candidate's.
  const promoting = record?.promoting;
  if (promoting !== undefined && promoting.term === ask.term && promoting.member !== ask.candidate)
    return refusal(`term ${ask.term} is ${promoting.member}'s`, 'Ask again with a higher term.');
  const other = records.freeze !== undefined && records.freeze.term === ask.term && records.freeze.candidate !== ask.candidate;
  if (other) return refusal(`term ${ask.term} is granted to ${records.freeze?.candidate}`, 'Ask again with a higher term.');
  const bound = boundBy(view);
  // To whomever: a pod made anew has the name of the very holder, which may still act where this one cannot see it.
  if (bound !== undefined)
    return refusal(`promised to ${memberOf(bound.holder)} for term ${bound.term}`, 'The promise ends by itself; ask again.');
  if (records.build !== undefined || view.job?.kind === 'build')
    return refusal('a build is not finished', 'Members being built do not vote.');
  if (leads(view) || (view.instance.is === 'primary' && isValid(view.permit, view.now)))
    return refusal('this member leads', 'Wait until its lease ends.');
  if (view.instance.is !== 'standby') return refusal(`the instance is ${view.instance.is}`, 'Only standbys vote.');
  return undefined;
}

type Freeze = NonNullable<LocalRecords['freeze']>;

/** The candidate has asked for it itself: it holds, or held, the lease of that term. */
function isVote(freeze: Freeze): boolean {
  return freeze.askedBy !== undefined && freeze.askedBy === freeze.candidate;
}

/** A freeze of a higher term is replaced by nobody. */
function outranked({ freeze }: LocalRecords, term: Term): Fault | undefined {
  return freeze !== undefined && freeze.term > term ? refusal(`frozen for the higher term ${freeze.term}`) : undefined;
}

/** The records of a member that is frozen for that candidate; the very same object when they say so already. */
export function granted(before: LocalRecords, ask: VoteAsk): Result<LocalRecords> {
  const { term, candidate, host, haPort: port, askedBy } = ask;
  const fault = outranked(before, term);
  if (fault !== undefined) return failed(fault);
  const voted = before.freeze?.term === term && isVote(before.freeze);
  const by = voted ? candidate : askedBy;
  const freeze = { term, candidate, host, port, ...(by === undefined ? {} : { askedBy: by }) };
  const records = { ...before, granted: Math.max(before.granted, term), freeze };
  const same = before.granted === records.granted && JSON.stringify(before.freeze) === JSON.stringify(records.freeze);
  return ok(same ? before : records);
}

/** Why a member stays frozen although somebody asks for the end of freezes up to that term. */
export function staysFrozen(records: LocalRecords, term: Term, from: MemberName): Fault | undefined {
  const { freeze } = records;
  // A plan of the asker's may be given up by it; a vote is the candidate's, who may be acting on it.
  if (freeze !== undefined && isVote(freeze) && freeze.candidate !== from)
    return outranked(records, term) ?? refusal(`${freeze.candidate} has asked for the freeze of term ${freeze.term} itself`);
  return outranked(records, term);
}

/** The lock that a server is started with, in any mode: a build deletes the server's own record of it. */
export function lockAtStart(records: LocalRecords): { host: string; haPort: number } | undefined {
  const { freeze } = records;
  return freeze === undefined ? undefined : { host: freeze.host, haPort: freeze.port };
}
