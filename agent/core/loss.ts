/**
 * What a take-over by hand may lose, and what it needs before it may. A vote set that is not in sight means that some
 * acknowledged commit may be on none of the members that can be seen (I7). People may accept that; two writers nobody
 * may accept, so the primary of every entry that is not met has to be proven to have ended: by its own
 * word, by the kubelet's, or by the word of the operator, who has seen to it.
 */
import { comparePositions, freshPeer, isPromisedByOthers, type Position, positionOf } from './election.ts';
import { boundBy } from './failsafe.ts';
import { memberOf } from './lease.ts';
import { acceptsLoss, liveRequest } from './asked.ts';
import { formatLsn } from './lsn.ts';
import type { LeaseRecord, MemberName, PeerState, Request, StandbyInstance, SyncEntry } from './model.ts';
import { isOutOfService, isProvenDead } from './outofservice.ts';
import { formatBytes } from './quantity.ts';
import { isVoteSet, unmet } from './sync.ts';
import type { View } from './view.ts';

type Voter = Pick<PeerState, 'name' | 'dataId'>;

/** How an entry is remembered in a request: each promotion has a term of its own. */
function keyOf(entry: SyncEntry): string {
  return `${entry.term}/${entry.primary}`;
}

/**
 * Why nobody may believe any more that the primary of an entry is one; undefined: it may be one still. Proven anew in each
 * view that something rests on: what was true when the request was taken up may have changed since.
 */
export function proofOfEnd(view: View, record: LeaseRecord, entry: SyncEntry, request: Request): string | undefined {
  const name = entry.primary;
  if (name === view.self.name) return 'it is this member, whose data is another by now';
  const ended = endOfContainer(view, record, entry, request);
  if (ended !== undefined) return ended;
  // Who was promised something may go on by that promise, whatever anybody says of it.
  if (isHeardBy(view, name)) return undefined;
  const peer = freshPeer(view, name);
  const saidDead = namesIn(request.options['dead']).includes(name);
  if (peer !== undefined) return ownWord(record, peer) ?? (saidDead ? wordOfAnother(record, entry, peer) : undefined);
  return saidDead ? 'the operator says that it is dead' : undefined;
}

/** The word of the kubelet, or of whoever tainted its node, that the very container has ended; once said it stays true. */
function endOfContainer(view: View, record: LeaseRecord, entry: SyncEntry, request: Request): string | undefined {
  const said = 'its container has ended';
  if (namesIn(request.options['proven']).includes(keyOf(entry))) return said;
  if (memberOf(record.holder) !== entry.primary || !isProvenDead(view, record) || isHeardBy(view, entry.primary))
    return undefined;
  return isOutOfService(view, record) ? 'its machine was declared off' : said;
}

/**
 * What a member says of itself counts when nothing but the lease could make it primary: it knows this lease, does not
 * hold it, and has neither a permit nor a promotion under way. Then the swap decides, which only one of both can win.
 */
function ownWord(record: LeaseRecord, { name, instance, mayLead, leaseTerm }: PeerState): string | undefined {
  if (mayLead !== false || leaseTerm < record.term || memberOf(record.holder) === name) return undefined;
  const down = instance === 'stopped' || instance === 'empty' || instance === 'unfinished';
  // An agent that was started again does not know of a promotion that the one before has asked for.
  const waits = instance === 'standby' && record.promoting?.member !== name;
  return down || waits ? `its agent says ${instance}` : undefined;
}

/**
 * A member of that name with other data, a pod that was made anew on another volume for instance, is not that primary, and
 * nothing that it says is about it. What the operator says of that primary counts, when this one could not be meant.
 */
function wordOfAnother(record: LeaseRecord, entry: SyncEntry, { dataId, mayLead, leaseTerm }: PeerState): string | undefined {
  if (dataId === entry.dataId || mayLead !== false || leaseTerm < record.term) return undefined;
  return 'the operator says that the one before it is dead';
}

/** A member has promised something to it moments ago, so it was alive then, whatever anybody says (I14). */
function isHeardBy(view: View, name: MemberName): boolean {
  const isMeant = (holder: string) => memberOf(holder) === name;
  const own = boundBy(view);
  return (own !== undefined && isMeant(own.holder)) || isPromisedByOthers(view, isMeant);
}

/** The entries, by key, whose proof can never become untrue; kept in the request, as the lease will not show it any more. */
export function finalKeys(view: View, record: LeaseRecord, entries: SyncEntry[], request: Request): string[] {
  return entries.filter((entry) => endOfContainer(view, record, entry, request) !== undefined).map(keyOf);
}

/** The first entry that stands in the way of a forced take-over. */
export function unproven(view: View, record: LeaseRecord, entries: SyncEntry[], request: Request): SyncEntry | undefined {
  return entries.find((entry) => proofOfEnd(view, record, entry, request) === undefined);
}

function namesIn(text: string | undefined): string[] {
  return (text ?? '').split(',').filter((name) => name !== '');
}

/** Whether a take-over by this member may go on with these votes: they meet every entry, or people accept that they do not. */
export function enoughVotes(view: View, record: LeaseRecord, voters: Voter[]): boolean {
  return isVoteSet(record, voters) || isLossAccepted(view, record, unmet(record, voters));
}

/** Accepted for this member, while the request runs, and only while every primary that may have more is proven to have ended. */
function isLossAccepted(view: View, record: LeaseRecord, entries: SyncEntry[]): boolean {
  const request = liveRequest(view);
  return request !== undefined && acceptsLoss(view) && unproven(view, record, entries, request) === undefined;
}

/** What may be missing afterwards: positions, entries, and whose acknowledgements cannot be seen. One line. */
export function lossText(view: View, me: StandbyInstance, entries: SyncEntry[], voters: Voter[]): string {
  const mine = positionOf(me);
  const own = `${view.self.name} is at ${positionText(mine)}`;
  return [own, ...entries.map((entry) => entryText(view, mine, entry, voters))].join('; ');
}

function entryText(view: View, mine: Position, entry: SyncEntry, voters: Voter[]): string {
  const unseen = entry.names.filter((name) => !voters.some((voter) => voter.name === name));
  const waited =
    entry.w === 0
      ? `since term ${entry.term} ${entry.primary} acknowledged commits alone`
      : `in term ${entry.term} ${entry.primary} acknowledged with any ${entry.w} of ${entry.names.join(', ')}, and what ${unseen.join(', ')} acknowledged cannot be seen`;
  const last = [entry.primary, ...unseen].flatMap((name) => lastSeen(view, mine, name));
  return [waited, ...last].join('; ');
}

function lastSeen(view: View, mine: Position, name: MemberName): string[] {
  const sight = view.peers[name];
  if (sight === undefined) return [`${name} has not been heard of`];
  const { state } = sight;
  const there: Position = state.written === undefined ? positionOf(state) : { term: state.term, lsn: state.written };
  const seconds = Math.round((view.now - sight.at) / 1000);
  if (there.lsn === 0n) return [`${name} did not tell where it is, ${seconds} s ago`];
  const ahead = comparePositions(there, mine) < 0 && there.lsn > mine.lsn ? `, ${formatBytes(there.lsn - mine.lsn)} ahead` : '';
  return [`${name} was at ${positionText(there)}${ahead}, ${seconds} s ago`];
}

function positionText({ term, lsn }: Position): string {
  return `${formatLsn(lsn)} of term ${term}`;
}
