/**
 * What the holder of the lease does. On a standby or pending server it takes over: freeze, compare, record, promote,
 * each in a cycle of its own that sees the step before done. On a primary it keeps the synchronous set in order,
 * serves requests and hands over. Nothing here runs without a valid permit; decide() has checked it (I1).
 */
import { isSame } from './acting.ts';
import { only, renewing } from './decision.ts';
import { furthest, passedOver } from './compare.ts';
import { cutOff } from './cutoff.ts';
import { acknowledgers, freshPeer, freshPeers, livingPredecessor, obstacle, unaskedHeir } from './election.ts';
import { boundToHolder } from './failsafe.ts';
import { highestTerm, recordOf } from './lease.ts';
import { enoughVotes } from './loss.ts';
import type { LeaseRecord, MemberName, PeerState, PrimaryInstance, Running, StandbyInstance } from './model.ts';
import { withoutApiServer } from './outage.ts';
import type { LeaderPermit } from './permit.ts';
import { isCutShort } from './pods.ts';
import type { Reason } from './reasons.ts';
import { bestStreaming, requested } from './requests.ts';
import { entriesLimit, entryOfWinner, isVoteSet, nobody, others, renderNames, sameNames, syncStep, withEntry } from './sync.ts';
import type { Decision, InstanceIntent, Switchover, View } from './view.ts';

type Waiting = ({ is: 'pending' } & Running) | StandbyInstance;

/** How long members that answered may take to finish redo before those that have finished decide among themselves. */
const compareMs = 3000;
/** How long pointed-away standbys get to settle into retrying, so that they attach at once after the change. */
const settleMs = 2000;
/** How long the names of a new primary may take before the rest of its work is done without waiting for them. */
const finishMs = 3000;
/** How long frozen members get to attach by themselves before they are pointed again. */
const gatherMs = 5000;
/** A hand-over on SIGTERM has to fit the pod's grace period. */
const stoppingSeconds = 15;

/** The lease is ours, the server is up and is not primary yet. */
export function takeLead(view: View, instance: Waiting, permit: LeaderPermit): Decision {
  const record = recordOf(view.lease) as LeaseRecord;
  // A late write made us the holder, although we have promised another one meanwhile: nobody is frozen or promoted.
  if (boundToHolder(view) !== undefined && view.promotion === undefined) return handOn(view, 'promised to another primary');
  const why = obstacle(view, instance);
  const promotion = view.promotion;
  if (why !== undefined && promotion === undefined) return handOn(view, why);
  // A promotion that was asked for may still happen: the server goes before the lease does.
  if (why !== undefined) return renewing(view, 'not-eligible', { instance: { do: 'fence' }, note: why });
  if (promotion !== undefined && record.promoting?.member === view.self.name && record.promoting.term === promotion.term) {
    // Redo that comes further is work, not a stall.
    if (view.now - Math.max(promotion.recordedAt, promotion.redo?.at ?? 0) > stallMs(view))
      return renewing(view, 'promotion-stalled', { instance: { do: 'fence' } });
    // Also a winner that will acknowledge alone has its term in its WAL first: a longer tail of an older term would win
    // the next comparison against it.
    const names = record.syncMode === 'off' ? '' : nobody;
    return renewing(view, 'promoting', { instance: { do: 'promote', permit, names } });
  }
  if (isAskedBefore(view, instance, record)) {
    const note = 'an agent before this one may have asked for its promotion';
    return renewing(view, 'promotion-stalled', { instance: { do: 'fence' }, note });
  }
  const before = livingPredecessor(view, record);
  if (before !== undefined) return renewing(view, 'holder-alive', { note: `${before} says that it is primary` });
  const self = ownVote(view, instance);
  if (isVoteSet(record, [self])) {
    const other = instance.is === 'standby' ? passedOver(view, instance) : undefined;
    return other === undefined ? recordPromotion(view, instance, record) : handOnTo(other);
  }
  // Restarted in place, and the own vote is not enough any more: only a standby can be frozen and compared.
  if (instance.is === 'pending') return renewing(view, 'pending', { instance: { do: 'notify-standby' } });
  return freezeAndCompare(view, instance, record);
}

/**
 * The term stands beside the data before a promotion is asked for. A server that was found running with the last one may become
 * primary with it at any moment, also after another term was recorded for it, which it would not carry then.
 */
function isAskedBefore({ self, startedHere }: View, { data, process }: Waiting, { promoting, term }: LeaseRecord): boolean {
  if (promoting?.member !== self.name || promoting.term !== term || isSame(startedHere, process)) return false;
  return data.promotedTerm === term;
}

function stallMs(view: View): number {
  return view.config.primaryStartTimeoutSeconds * 1000;
}

function ownVote(view: View, instance: Waiting): Pick<PeerState, 'name' | 'dataId'> {
  return { name: view.self.name, dataId: instance.data.dataId };
}

/** Freeze a vote set, wait until its redo has finished, and see who is ahead; all of it again each cycle, idempotently. */
function freezeAndCompare(view: View, instance: StandbyInstance, record: LeaseRecord): Decision {
  const asked = freshPeers(view)
    .map((peer) => peer.state)
    .filter((state) => state.instance === 'standby')
    .map((state) => state.name);
  const freeze = { do: 'freeze', term: record.term, members: asked } as const;
  const takeover = view.takeover?.term === record.term ? view.takeover : undefined;
  const locked = instance.lock?.mode === 'specify_connection' && instance.lock.host === view.self.ip;
  if (takeover === undefined || !locked) return renewing(view, 'freezing', { instance: freeze });
  const votes = Object.values(takeover.votes).map((vote) => vote.state);
  const finished = votes.filter((vote) => vote.redoFinished);
  const age = view.now - takeover.startedAt;
  const self = ownVote(view, instance);
  if (!enoughVotes(view, record, [self, ...votes])) {
    if (age > stallMs(view)) return handOn(view, 'no vote set answered');
    return renewing(view, 'no-vote-set', { instance: freeze, note: `frozen for term ${record.term}: ${names(votes)}` });
  }
  const stalled = view.now - Math.max(takeover.startedAt, takeover.redo?.at ?? 0) > stallMs(view);
  // Nobody else has to wait for this member's own redo.
  if (instance.lock?.redoFinished !== true && stalled && unaskedHeir(view) !== undefined)
    return handOn(view, 'its redo does not come further', 'promotion-stalled');
  const ready = instance.lock?.redoFinished === true && enoughVotes(view, record, [self, ...finished]);
  if (!ready || (finished.length < votes.length && age < compareMs)) {
    return renewing(view, 'comparing', { instance: freeze, note: `redo finished: ${names(finished)}` });
  }
  const best = furthest(view, record, instance, finished);
  if (best.is === 'other') return handOnTo(best.name);
  // The lease stays: whoever took it would find the same. What changes this, people do.
  if (best.is === 'nobody') return { ...renewing(view, 'best-may-not-lead', { note: best.why }), blocked: best.why };
  return recordPromotion(view, instance, record);
}

function names(states: PeerState[]): string {
  return states.map((state) => state.name).join(', ') || 'nobody';
}

/** The swap that goes before every promotion: the term, who is promoted, and whose votes will count from then on. */
function recordPromotion(view: View, instance: Waiting, record: LeaseRecord): Decision {
  const dataId = instance.data.dataId;
  if (dataId === undefined) return renewing(view, 'not-eligible', { note: 'the data carries no identity yet' });
  // Every promotion has a term of its own, in place too; jumps are fine.
  const used = Math.max(record.promoting?.term ?? 0, instance.data.promotedTerm, ...record.entries.map((entry) => entry.term));
  const term = used >= record.term ? highestTerm(view) + 1 : record.term;
  const reachable = acknowledgers(view).map((state) => state.name);
  const entry = entryOfWinner(view, term, dataId, reachable);
  const entries = withEntry(record.entries, entry);
  // A record that is too long cannot be read again: nobody could vote by it.
  if (entries.length > entriesLimit)
    return renewing(view, 'not-eligible', { note: `the record has ${record.entries.length} entries` });
  const change = {
    term,
    promoting: { member: view.self.name, term, dataId },
    entries,
    syncMode:
      view.config.sync.mode === 'off' ? ('off' as const) : record.entries.length === 0 ? view.config.sync.mode : record.syncMode,
  };
  return only('recording-promotion', {
    lease: { do: 'renew', change },
    note: `term ${term}, names ${renderNames(entry) || 'none'}`,
  });
}

function handOnTo(name: MemberName): Decision {
  return only('not-most-advanced', { lease: { do: 'release', heir: name }, note: `${name} is ahead` });
}

/** Gives the lease to somebody who can use it, or to whoever can first. */
export function handOn(view: View, why: string, reason: Reason = 'not-eligible'): Decision {
  return only(reason, { lease: { do: 'release', heir: unaskedHeir(view) }, note: why });
}

/** The lease and a valid permit, and a server that is primary. */
export function whenLeading(view: View, me: PrimaryInstance, permit: LeaderPermit): Decision {
  if (view.promotion === undefined) return renewing(view, 'leads', { note: 'adopting the running primary' });
  if (!view.promotion.settled) return renewing(view, 'leads', { instance: { do: 'settle', permit } });
  if (view.failsafe !== undefined) return withoutApiServer(view, me, permit, view.failsafe);
  if (view.switchover !== undefined) return handingOver(view, me, permit, view.switchover);
  const cut = cutOff(view, me);
  if (cut !== undefined) return cut;
  const step = syncStep(view, me);
  if (step.do === 'record') {
    const { entries, syncMode } = step;
    return only(syncReason(entries), { lease: { do: 'renew', change: { entries, syncMode } } });
  }
  if (step.do === 'set') {
    return renewing(view, 'widening-sync', {
      instance: { do: 'set-sync', permit, names: step.names, mostAvailable: step.mostAvailable },
    });
  }
  if (isFinishDue(view, me)) return renewing(view, 'leads', { instance: { do: 'finish', permit } });
  return requested(view, me) ?? settled(view, me, permit);
}

/** Clients wait for the names; what nobody waits for comes after them, unless they are long in coming. */
function isFinishDue(view: View, me: PrimaryInstance): boolean {
  const { promotion } = view;
  if (promotion === undefined || promotion.finished === true) return false;
  const failure = view.failures['finish'];
  if (failure !== undefined && view.now < failure.retryAt) return false;
  return !sameNames(me.syncNames, nobody) || view.now - promotion.recordedAt > finishMs;
}

/** Nothing is left to do; a primary that takes no writes says why. */
function settled(view: View, me: PrimaryInstance, permit: LeaderPermit): Decision {
  const rest = strays(view, permit);
  if (!me.readOnly) return renewing(view, 'leads', rest);
  const why = view.disk?.owner === 'human' ? 'set by a human' : view.disk?.pressure;
  return renewing(view, 'read-only', why === undefined ? rest : { ...rest, note: why });
}

/** Members that are frozen and do not stream; who has just been frozen attaches by itself. */
function strays(view: View, permit: LeaderPermit): { instance?: InstanceIntent } {
  const { promotion } = view;
  if (promotion === undefined || view.now - promotion.recordedAt <= gatherMs) return {};
  const astray = freshPeers(view)
    .map((peer) => peer.state)
    .filter((state) => state.instance !== 'primary' && state.streamingFrom === undefined);
  const named = (of: PeerState[]) => of.map((state) => state.name);
  // Pointed at somebody for a term that nobody has: by a plan that nobody remembers.
  const forgotten = named(astray.filter((state) => (state.frozenFor?.term ?? 0) > promotion.term));
  if (forgotten.length > 0) return { instance: { do: 'unfreeze', permit, members: forgotten } };
  // They have missed who won, or its new address, and may see no lease to learn it from.
  const lost = named(astray.filter((state) => state.instance === 'standby' && state.frozenFor !== undefined));
  return lost.length > 0 ? { instance: { do: 'gather', permit, members: lost } } : {};
}

function syncReason(entries: LeaseRecord['entries']): 'degrading' | 'narrowing-sync' | 'widening-sync' {
  const last = entries.at(-1);
  if (last?.w === 0) return 'degrading';
  const before = entries.at(-2);
  return before !== undefined && before.names.length > (last?.names.length ?? 0) ? 'narrowing-sync' : 'widening-sync';
}

/** SIGTERM on a primary: hand over to the best standby; stop, and give the lease away, when there is none, or no time for it. */
export function whenStoppingAsLeader(view: View, me: PrimaryInstance, permit: LeaderPermit): Decision {
  // The lease cannot be released, so nobody could take over.
  if (view.failsafe !== undefined) return renewing(view, 'stopping', { instance: { do: 'stop' } });
  if (view.switchover?.handedOver !== true && view.stopping && isCutShort(view, stoppingSeconds))
    return renewing(view, 'stopping', { instance: endOf(view), note: 'too little time for a hand-over in order' });
  if (view.switchover !== undefined) return handingOver(view, me, permit, view.switchover);
  const target = bestStreaming(view, me);
  if (target === undefined || view.promotion?.settled !== true) return renewing(view, 'stopping', { instance: endOf(view) });
  return renewing(view, 'stopping', {
    instance: { do: 'begin-switchover', target, cause: 'stopping', seconds: stoppingSeconds },
  });
}

/** A fast stop writes a checkpoint that nobody may have received, and makes whoever leads next diverge from this data. */
export function endOf(view: View): InstanceIntent {
  const alone = view.pods.known && view.pods.value.every((pod) => pod.name === view.self.name);
  return alone ? { do: 'stop' } : { do: 'stop', kill: true };
}

/**
 * Planned change: narrow the set to the target while writes flow, point the others at it, then drain, equal positions,
 * kill, release. From the narrowing on whatever is acknowledged is on the target.
 */
function handingOver(view: View, me: PrimaryInstance, permit: LeaderPermit, plan: Switchover): Decision {
  const reason = plan.cause === 'stopping' ? 'stopping' : 'switchover';
  // The look may be older than the end of the server.
  if (plan.handedOver) return renewing(view, reason, { note: 'the server is gone' });
  // A fence that was lifted meanwhile is no reason to stop any more.
  const stops = plan.cause === 'stopping' && (view.stopping || view.hand.fenced);
  const undo = (why: string) =>
    stops
      ? renewing(view, reason, { instance: endOf(view), note: why })
      : renewing(view, reason, { instance: { do: 'undo-switchover', permit, why }, note: why });
  if (plan.cause === 'stopping' && !stops) return undo('nobody asks for the stop any more');
  if (plan.failed !== undefined) return undo(plan.failed);
  if (view.now >= plan.deadline) return undo('the deadline passed');
  if (freshPeer(view, plan.target)?.eligible !== true) return undo(`${plan.target} is not eligible any more`);
  const step = syncStep(view, me);
  if (step.do === 'record') {
    return only(reason, { lease: { do: 'renew', change: { entries: step.entries, syncMode: step.syncMode } } });
  }
  if (step.do === 'set') {
    return renewing(view, reason, { instance: { do: 'set-sync', permit, names: step.names, mostAvailable: step.mostAvailable } });
  }
  const last = recordOf(view.lease)?.entries;
  const narrow = last?.length === 1 && last[0]?.names.join() === plan.target && sameNames(me.syncNames, renderNames(last[0]));
  if (!narrow) return renewing(view, reason, { note: `waiting until only ${plan.target} acknowledges` });
  const rest = others(view).filter((name) => name !== plan.target);
  if (plan.pointedAt === undefined) {
    return renewing(view, reason, { instance: { do: 'point-others', permit, target: plan.target, members: rest } });
  }
  if (rest.length > 0 && view.now - plan.pointedAt < settleMs) return renewing(view, reason, { note: 'the others settle' });
  return renewing(view, reason, { instance: { do: 'hand-over', permit, target: plan.target } });
}
