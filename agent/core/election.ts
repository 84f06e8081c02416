/**
 * Who may become primary, and who is best. The order is total: WAL term, WAL position, room on the volumes, priority,
 * then the name (in mode `off` room comes first), so that two members never both think they are ahead of each other. Unreachable members do not block; they do not
 * count either.
 */
import { acceptsLoss } from './asked.ts';
import { isBoundAway } from './failsafe.ts';
import { isNeverPrimary } from './hand.ts';
import { lossInOff } from './lag.ts';
import { isReleased, memberOf, recordOf } from './lease.ts';
import type { Instance, LeaseRecord, MemberName, PeerState, StandbyInstance } from './model.ts';
import { podOf } from './pods.ts';
import { comparePositions, positionOf } from './position.ts';
import type { Reason } from './reasons.ts';
import { isVoteSet } from './sync.ts';
import type { PeerSight, View } from './view.ts';

export { comparePositions, type Position, positionOf } from './position.ts';

/** A peer's word older than this is unknown, not old news (K33). */
export const peerFreshMs = 2500;

/** What a watch may deliver later to one member than to another. */
const lateMs = 300;

export function freshPeers(view: View, within = peerFreshMs): PeerSight[] {
  return Object.values(view.peers).filter((peer) => view.now - peer.at <= within && peer.state.name !== view.self.name);
}

export function freshPeer(view: View, name: MemberName): PeerState | undefined {
  const peer = view.peers[name];
  return peer !== undefined && view.now - peer.at <= peerFreshMs ? peer.state : undefined;
}

export function priorityOf(view: View, name: MemberName): number {
  const text = podOf(view, name)?.annotations['opengauss.agent/priority'];
  const value = Number(text ?? 0);
  return Number.isFinite(value) ? value : 0;
}

/** Why the local member may not become primary, or undefined when it may. */
export function obstacle(view: View, instance: Instance): string | undefined {
  return hindrance(view, instance) ?? (acceptsLoss(view) ? undefined : missing(view, instance));
}

/**
 * What people read about a member: why it could not become primary, and of a server that is no standby the reason of its last
 * decision, as that says what the member does about it.
 */
export function shownReason(why: string | undefined, instance: Instance, decided: Reason | undefined): string {
  return why === undefined || why === notStandby(instance) ? (decided ?? why ?? '') : why;
}

function notStandby(instance: Instance): string {
  return `the instance is ${instance.is}`;
}

/** What its data miss, so that it may become primary only when people accept that. */
export function missing(view: View, instance: Instance): string | undefined {
  if (instance.is === 'standby' && isFormerPrimary(view, instance)) return 'its data misses the last promotion';
  return undefined;
}

/** Why the local member may not become primary, whatever people accept to lose. */
export function hindrance(view: View, instance: Instance): string | undefined {
  const own = podOf(view, view.self.name);
  if (own !== undefined && isNeverPrimary(own.annotations)) return 'never-primary is set';
  if (view.hand.fenced) return 'fenced by hand';
  if (view.paused) return 'paused by hand';
  // Force-deleted, perhaps made anew elsewhere: whoever counts the members does not count this one any more.
  if (view.pods.known && own?.uid !== view.self.uid) return 'the pod was deleted';
  if (own?.terminating === true || view.stopping) return 'the pod is stopping';
  if (view.config.localRole === 'standby') return 'this site is the standby site';
  if (view.records.build !== undefined) return 'a build is not finished';
  if (view.job?.kind === 'build') return 'a build is under way';
  if (view.disk?.broken !== undefined) return view.disk.broken;
  if (instance.is !== 'standby' && instance.is !== 'pending') return notStandby(instance);
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  if (systemId !== undefined && instance.data.systemId !== systemId) return 'the data belongs to another cluster';
  if (instance.data.dataId === undefined) return 'the data carries no identity yet';
  return undefined;
}

/**
 * In mode `off`, where nobody votes: a former primary whose WAL has not learned of the promotion after its own would
 * discard what was written since. In the synchronous modes votes and the comparison say so better: what a later term
 * acknowledged is on a member of every vote set, and the former primary may be the only one that has the rest.
 */
function isFormerPrimary(view: View, instance: StandbyInstance): boolean {
  const record = recordOf(view.lease);
  const last = record?.syncMode === 'off' ? record.promoting : undefined;
  const own = instance.data.promotedTerm;
  if (last === undefined || own === 0 || own >= last.term) return false;
  // The last promotion is its own, recorded and not carried out: nobody has written since.
  if (last.member === view.self.name && last.dataId === instance.data.dataId) return false;
  return instance.term <= own;
}

/** The candidates among the peers: fresh, eligible by their own word, and standbys. */
export function candidates(view: View): PeerState[] {
  return freshPeers(view)
    .map((peer) => peer.state)
    .filter((state) => state.eligible && state.instance === 'standby' && !isBoundAway(view, state));
}

/**
 * Those whose votes count: the candidates, and members that people have paused. A pause keeps a member from standing;
 * it streams and acknowledges all the same, so its vote is there, and may be the one that is needed.
 */
export function voters(view: View): PeerState[] {
  return acknowledgers(view).filter((state) => !isBoundAway(view, state));
}

/** Those that could stream and acknowledge, whatever they have promised to whom. */
export function acknowledgers(view: View): PeerState[] {
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  return freshPeers(view)
    .map((peer) => peer.state)
    .filter((state) => state.instance === 'standby')
    .filter((state) => state.eligible || (state.paused && state.build === undefined && state.systemId === systemId));
}

/** What a member is ranked by. */
type Ranked = Pick<PeerState, 'name' | 'dataId' | 'term' | 'received' | 'replayed' | 'pressure'>;

/**
 * Whether it stands back for its full volume. Where commits are acknowledged by standbys the furthest has to win, full or not;
 * in mode `off` a member with room that may stand goes first, so that the next primary does not end as the last one did.
 */
function standsBack(view: View, one: Ranked): boolean {
  const record = recordOf(view.lease);
  if (record === undefined || record.syncMode !== 'off') return false;
  return one.pressure !== undefined || lossInOff(view, record, one) !== undefined;
}

/** Negative when `a` goes first. */
function order(view: View, a: Ranked, b: Ranked): number {
  const back = Number(standsBack(view, a)) - Number(standsBack(view, b));
  if (back !== 0) return back;
  const position = comparePositions(positionOf(a), positionOf(b));
  if (position !== 0) return position;
  const full = Number(a.pressure !== undefined) - Number(b.pressure !== undefined);
  if (full !== 0) return full;
  const priority = priorityOf(view, b.name) - priorityOf(view, a.name);
  return priority !== 0 ? priority : a.name < b.name ? -1 : 1;
}

/** The best of the peers for a release to name as its heir, if a vote set stands without us. */
export function bestHeir(view: View, except: MemberName[] = []): PeerState | undefined {
  const record = recordOf(view.lease);
  const able = candidates(view).filter((state) => !except.includes(state.name));
  const votes = voters(view).filter((state) => !except.includes(state.name));
  if (record === undefined || !isVoteSet(record, votes)) return undefined;
  return able.sort((a, b) => order(view, a, b))[0];
}

/** Whom a release names that no person has asked for: nobody, where only people make a standby take over. */
export function unaskedHeir(view: View): MemberName | undefined {
  return view.config.failover === 'manual' ? undefined : bestHeir(view)?.name;
}

/**
 * Where the lease has run out for this member, whoever sees that so much later that it would be waited for: its agent, or its
 * whole pod, has just been started. In the synchronous modes it gets the lease all the same when it is ahead, by the comparison,
 * or from a taker whose own vote is enough (compare.ts).
 */
export function isLate(view: View, { name, leaseSeenMs }: PeerState): boolean {
  const sight = view.peers[name];
  if (sight === undefined || leaseSeenMs === undefined || !view.lease.known) return false;
  const { record, firstSeenAt } = view.lease.value;
  return record !== undefined && record.syncMode !== 'off' && sight.at - leaseSeenMs - firstSeenAt > lateMs;
}

/** The candidates that are not waited for although they have more; whoever takes the lease hands it on to the furthest. */
export function lateAndAhead(view: View, own: StandbyInstance): MemberName[] {
  return candidates(view)
    .filter((state) => isLate(view, state) && isAhead(state, own))
    .map((state) => state.name);
}

/** Whether that member has more than the local one. */
export function isAhead(state: PeerState, own: StandbyInstance): boolean {
  return comparePositions(positionOf(state), positionOf(own)) < 0;
}

/** Whether no fresh candidate ranks before the local member, or none but those that are not waited for. */
export function isBest(view: View, own: StandbyInstance, passOver: (state: PeerState) => boolean = () => false): boolean {
  const { term, received, replayed } = own;
  const pressure = view.disk?.pressure;
  const self = {
    name: view.self.name,
    dataId: own.data.dataId,
    term,
    received,
    replayed,
    ...(pressure === undefined ? {} : { pressure }),
  };
  return candidates(view).every((state) => passOver(state) || order(view, self, state) < 0);
}

/**
 * In mode `off`, where no freeze takes anything away from it: the holder of this lease that says of itself, now, that it is
 * primary. Its lease may have run out here because it cannot reach the API server, or because clocks run apart.
 */
export function livingHolder(view: View, record: LeaseRecord): MemberName | undefined {
  if (record.syncMode !== 'off' || isReleased(record)) return undefined;
  // Where somebody took the name out by hand, it is whoever was promoted last.
  const name = record.holder === '' ? (record.promoting?.member ?? '') : memberOf(record.holder);
  const state = name === view.self.name ? undefined : freshPeer(view, name);
  return state !== undefined && isActing(state) && state.leaseTerm >= record.term ? name : undefined;
}

/**
 * The same of a holder that does not answer this member, and has been promised by another one that does: it lives on promises,
 * and has not asked whoever has joined since for one.
 */
export function trustedHolder(view: View, record: LeaseRecord): MemberName | undefined {
  if (record.syncMode !== 'off' || isReleased(record)) return undefined;
  return isPromisedByOthers(view, (holder) => holder === record.holder) ? memberOf(record.holder) : undefined;
}

/** Another member says now that it is bound by a promise to that holder. */
export function isPromisedByOthers(view: View, isMeant: (holder: string) => boolean): boolean {
  return freshPeers(view).some(({ state }) => isBoundAway(view, state) && isMeant(state.promised?.holder ?? ''));
}

/** The same, when the lease has been taken from it: it says so after that. */
export function livingPredecessor(view: View, record: LeaseRecord): MemberName | undefined {
  const { promoting } = record;
  if (record.syncMode !== 'off' || promoting === undefined || promoting.member === view.self.name) return undefined;
  const sight = view.peers[promoting.member];
  const state = freshPeer(view, promoting.member);
  if (sight === undefined || state === undefined || sight.at <= (view.acquiredAt ?? view.now)) return undefined;
  return isActing(state) && state.promotedTerm >= promoting.term ? promoting.member : undefined;
}

function isActing({ instance, mayLead }: PeerState): boolean {
  return instance === 'primary' || (instance === 'hung' && mayLead === true);
}

/** The primary that others may follow or build from: the lease's holder, which says of itself that it is one. */
export function knownPrimary(view: View): PeerState | undefined {
  const record = recordOf(view.lease);
  if (record === undefined || record.holder === '') return undefined;
  const state = freshPeer(view, memberOf(record.holder));
  if (state === undefined || state.instance !== 'primary') return undefined;
  return state;
}
