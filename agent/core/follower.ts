/**
 * What a member does that does not lead: create or build its data, start, follow, repair itself, and take the lease
 * when it is free, expired or left to it. Unknown is never taken for absent (I2): without a readable lease and
 * readable cluster facts nothing is acquired, initialised or wiped.
 */
import { roleLabel } from './labels.ts';
import { heldOff } from './crash.ts';
import { isOwnPast } from './death.ts';
import { only } from './decision.ts';
import {
  freshPeer,
  freshPeers,
  isAhead,
  isBest,
  isLate,
  knownPrimary,
  lateAndAhead,
  livingHolder,
  missing,
  obstacle,
  trustedHolder,
  unaskedHeir,
  voters,
} from './election.ts';
import { boundBy } from './failsafe.ts';
import { lossInOff } from './lag.ts';
import { expiresAt, heirTurnMs, holds, isExpired, isReleased, memberOf, recordOf } from './lease.ts';
import { lossText } from './loss.ts';
import { isProvenDead } from './outofservice.ts';
import type { Instance, LeaseRecord, MemberName, PeerState, Running, SeenLease, StandbyInstance } from './model.ts';
import { podOf } from './pods.ts';
import type { Reason } from './reasons.ts';
import { isVoteSet, unmet } from './sync.ts';
import type { Decision, View } from './view.ts';

/** Details that only a build cures (opengauss-interface 5.3); the others pass by themselves. */
const divergence = ['WAL segment removed', 'Timeline not matched', 'DCF log loss'];

/** How long a former primary waits for its successor before it starts all the same. */
const successorMs = 3000;

/** No data directory: the first member creates the database, the others build from the primary. */
export function whenEmpty(view: View): Decision {
  if (!view.lease.known) return only('lease-unknown');
  if (!view.facts.known) return only('candidates-unknown', { note: 'the cluster state could not be read' });
  const held = holds(view);
  if (view.facts.value.systemId !== undefined) {
    if (held)
      return only('not-eligible', { lease: { do: 'release', heir: unaskedHeir(view) }, note: 'the data directory is empty' });
    return givesBack(view) ?? build(view, 'full', 'building');
  }
  const first = firstMember(view);
  if (first === undefined) return only('waits-for-data-check', held ? { lease: { do: 'renew' } } : {});
  if (first !== view.self.name) return only('waits-for-initialiser', { note: first });
  if (held) {
    const lease = { do: 'renew' } as const;
    const failure = view.failures['initialise'];
    if (failure !== undefined && view.now < failure.retryAt) return only('initialising', { lease, note: failure.fault.detail });
    return only('initialising', view.permit === undefined ? { lease } : { lease, instance: { do: 'initialise' } });
  }
  const claim = claimOf(view, view.lease.value);
  return claim.free ? only('initialising', { lease: { do: 'acquire', over: view.lease.value } }) : only(claim.reason);
}

/**
 * Who creates the database, or undefined while that cannot be known: every pod that exists must have said that it is
 * empty (K23: nothing is initialised while any member may have data).
 */
function firstMember(view: View): MemberName | undefined {
  if (!view.pods.known || view.pods.value.length === 0) return undefined;
  const pods = view.pods.value.map((pod) => pod.name).sort(byOrdinal);
  const emptyOf = (name: MemberName) => (name === view.self.name ? 'empty' : freshPeer(view, name)?.instance);
  const states = pods.map(emptyOf);
  const withData = pods.find((_, at) => states[at] !== undefined && states[at] !== 'empty');
  if (withData !== undefined) return withData;
  return states.every((state) => state === 'empty') ? pods[0] : undefined;
}

function byOrdinal(a: MemberName, b: MemberName): number {
  const ordinal = (name: MemberName) => Number(name.slice(name.lastIndexOf('-') + 1));
  return ordinal(a) - ordinal(b);
}

function build(view: View, mode: 'full' | 'incremental', reason: Reason): Decision {
  const primary = knownPrimary(view);
  const failure = view.failures['build'];
  if (primary === undefined) return only('build-waits', { note: 'no primary is known' });
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  if (primary.systemId === undefined || primary.systemId !== systemId) {
    return only('build-waits', { note: `${primary.name} has not shown the cluster's system id` });
  }
  if (failure !== undefined && view.now < failure.retryAt) return only('build-waits', { note: failure.fault.detail });
  // What a frozen member keeps from an older primary would be lost to the one that it granted, and is not built over.
  const frozenFor = view.records.freeze?.term ?? 0;
  const term = recordOf(view.lease)?.term ?? 0;
  if (term < frozenFor) return only('build-waits', { note: `frozen for term ${frozenFor}, ${primary.name} has ${term}` });
  return only(reason, { instance: { do: 'build', mode, from: primary.name }, note: `${mode} build from ${primary.name}` });
}

export function whenUnfinished(view: View): Decision {
  if (holds(view))
    return only('not-eligible', { lease: { do: 'release', heir: unaskedHeir(view) }, note: 'an unfinished build' });
  return givesBack(view) ?? build(view, 'full', 'building');
}

export function whenStopped(view: View, instance: Extract<Instance, { is: 'stopped' }>): Decision {
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  if (systemId !== undefined && systemId !== instance.data.systemId) {
    return only('foreign-data', { note: `system id ${instance.data.systemId}, the cluster's is ${systemId}` });
  }
  const old = oldIncarnation(view);
  if (old !== undefined) return old;
  if (view.records.build !== undefined) return build(view, 'full', 'building');
  if (view.disk?.noRoom !== undefined) return only('disk-full', { note: view.disk.noRoom });
  const failure = view.failures['start'];
  if (failure !== undefined && view.now < failure.retryAt) return only('start-failed', { note: failure.fault.detail });
  if (isSucceeded(view)) return only('no-primary', { note: 'the server is started once its successor is primary' });
  return only('start', { instance: { do: 'start', mode: 'standby' } });
}

/** A primary that has just handed over comes back when its successor is followed, or after a while. */
function isSucceeded(view: View): boolean {
  const exit = view.lastExit;
  const record = recordOf(view.lease);
  if (exit?.role !== 'Primary' || view.now - exit.at >= successorMs || record === undefined) return false;
  const holder = memberOf(record.holder);
  // Given up without an heir: there is no successor to wait for.
  if (holder === view.self.name || (record.holder === '' && record.heir === undefined)) return false;
  const pod = podOf(view, holder);
  if (knownPrimary(view) === undefined && pod?.labels[roleLabel] !== 'primary') return true;
  const last = record.entries.at(-1);
  const others = last?.names.filter((name) => freshPeer(view, name)?.instance === 'standby') ?? [];
  return record.entries.length > 1 && last !== undefined && others.length >= last.w;
}

/** The lease names this pod's previous container, whose end is proven by our own start: it is handed on at once. */
function oldIncarnation(view: View): Decision | undefined {
  const record = recordOf(view.lease);
  if (record === undefined || record.garbage !== undefined || !isOwnPast(view, record)) return undefined;
  const heir = unaskedHeir(view);
  if (heir === undefined) return undefined;
  return only('hand-over', { lease: { do: 'release', heir }, note: 'this container is new, the old one is dead' });
}

/** Without data nothing of that container's can go on here: nobody has to wait for it, and people need no other proof. */
function givesBack(view: View): Decision | undefined {
  const record = recordOf(view.lease);
  if (record === undefined || record.garbage !== undefined || !isOwnPast(view, record)) return undefined;
  return only('hand-over', {
    lease: { do: 'release', heir: unaskedHeir(view) },
    note: 'this container is new, and has no data',
  });
}

export function whenPending(view: View): Decision {
  if (!view.lease.known) return only('lease-unknown');
  return only('pending', { instance: { do: 'notify-standby' } });
}

export function whenStandby(view: View, me: StandbyInstance): Decision {
  if (!view.lease.known) return only('lease-unknown');
  const claim = claimOf(view, view.lease.value);
  const repair = repairs(view, me);
  if (!claim.free) return repair ?? only(claim.reason === 'lease-held' ? followReason(view, me) : claim.reason);
  const why = obstacle(view, me);
  if (why !== undefined) return oldIncarnation(view) ?? notEligible(view, me, why);
  if (view.config.failover === 'manual' && claim.reason !== 'lease-heir' && !wasPrimary(view))
    return only('not-eligible', { note: 'failover is manual' });
  return stand(view, me, view.lease.value, claim.reason);
}

/** Whose promotion was the last one that was recorded may come back without being asked: that is no failover. */
function wasPrimary(view: View): boolean {
  return recordOf(view.lease)?.promoting?.member === view.self.name;
}

/** People are told where only they can go on. */
function notEligible(view: View, me: StandbyInstance, why: string): Decision {
  const isLoss = missing(view, me) === why;
  return { ...only('not-eligible', { note: why }), ...(isLoss ? { blocked: `of ${view.self.name}: ${why}` } : {}) };
}

/** Who has given a promotion up leaves the next turn to the others, for as long as they can take it. */
function isOutOfTurn(view: View): boolean {
  const since = view.stalledAt === undefined ? Number.POSITIVE_INFINITY : view.now - view.stalledAt;
  return since < view.config.lease.durationSeconds * 1000 && unaskedHeir(view) !== undefined;
}

/** Standing for the lease: with a vote set in sight, nothing lost beyond the limit, and nobody better. */
function stand(view: View, me: StandbyInstance, lease: SeenLease, reason: Reason): Decision {
  const bound = boundBy(view);
  if (bound !== undefined) return only('promised', { note: `to ${memberOf(bound.holder)} for term ${bound.term}` });
  const record = lease.record;
  const unheard = record === undefined ? unheardOf(view) : [];
  if (unheard.length > 0)
    return only('candidates-unknown', { note: `the lease was never used; no position from ${unheard.join(', ')}` });
  if (record !== undefined) {
    const self = { name: view.self.name, dataId: me.data.dataId };
    if (!isVoteSet(record, [self, ...voters(view)])) {
      const votes = [self, ...voters(view)];
      const note = `in sight: ${votes.map((one) => one.name).join(', ')}`;
      return { ...only('no-vote-set', { note }), blocked: lossText(view, me, unmet(record, votes), votes) };
    }
    const holder = livingHolder(view, record);
    if (holder !== undefined) return only('holder-alive', { note: `${holder} says that it is primary` });
    const trusted = trustedHolder(view, record);
    if (trusted !== undefined) return only('holder-alive', { note: `${trusted} goes on by promises` });
    const note = lossInOff(view, record, { name: view.self.name, dataId: me.data.dataId, ...me });
    if (note !== undefined) return { ...only('not-eligible', { note }), blocked: note };
  }
  const held = heldOff(view, reason === 'lease-heir');
  if (held !== undefined) return only('held-off', { note: held });
  // Where failover is manual nobody else will stand; who is ahead of a former primary is left to people all the same.
  const isOut = (state: PeerState) =>
    (reason === 'lease-expired' && isLate(view, state)) || (view.config.failover === 'manual' && !isAhead(state, me));
  if (reason !== 'lease-heir' && !isBest(view, me, isOut)) return only('better-candidate');
  if (isOutOfTurn(view)) return only('better-candidate', { note: 'its own promotion has just stalled' });
  const passedOver = reason === 'lease-expired' ? lateAndAhead(view, me) : [];
  return only(reason, { lease: { do: 'acquire', over: lease, ...(passedOver.length === 0 ? {} : { passedOver }) } });
}

/** Whether it would take the lease, were it free now. */
export function wouldStand(view: View, me: StandbyInstance): boolean {
  if (!view.lease.known || view.config.failover === 'manual' || obstacle(view, me) !== undefined) return false;
  return stand(view, me, view.lease.value, 'lease-free').lease.do === 'acquire';
}

/** Where no record says whose votes count, every pod has to have said how far it is, or that it has nothing whole. */
function unheardOf(view: View): MemberName[] {
  if (!view.pods.known) return ['the API server'];
  const spoken: (Instance['is'] | undefined)[] = ['standby', 'empty', 'unfinished'];
  const others = view.pods.value.filter((pod) => pod.name !== view.self.name);
  return others.filter(({ name }) => !spoken.includes(freshPeer(view, name)?.instance)).map(({ name }) => name);
}

function followReason(view: View, me: StandbyInstance): Reason {
  if (knownPrimary(view) === undefined) return 'no-primary';
  return me.state === 'Normal' ? 'follows' : 'catching-up';
}

/** Locks that have done their work are removed, forgotten ones re-pointed, and divergence is cured by a build. */
function repairs(view: View, me: StandbyInstance): Decision | undefined {
  const primary = knownPrimary(view);
  const record = recordOf(view.lease);
  if (record === undefined) return undefined;
  if (primary !== undefined && divergence.includes(me.detail)) {
    const tried = (view.failures['build']?.count ?? 0) + (view.failures['rebuilt']?.count ?? 0);
    return build(view, tried === 0 ? 'incremental' : 'full', 'diverged');
  }
  if (me.lock === undefined || me.lock.mode === 'polling_connection') return undefined;
  const leader = primary?.name ?? succeeding(view, record);
  const pod = leader === undefined ? undefined : podOf(view, leader);
  if (leader === undefined || pod?.ip === undefined) return undefined;
  const atLeader = me.lock.mode === 'specify_connection' && me.lock.host === pod.ip;
  const frozenFor = view.records.freeze?.term ?? 0;
  if (atLeader && me.receiver !== undefined && primary !== undefined && primary.term >= frozenFor) {
    if (me.term >= primary.promotedTerm) return only('follows', { instance: { do: 'unlock' } });
  }
  if (!atLeader && me.receiver === undefined && record.term >= frozenFor) {
    return only('catching-up', { instance: { do: 'repoint', to: leader, term: record.term } });
  }
  return undefined;
}

/** The holder whose promotion, later than the own freeze, the lease records: what is frozen for an older one is its. */
function succeeding(view: View, record: LeaseRecord): MemberName | undefined {
  const { promoting } = record;
  if (promoting === undefined || promoting.term <= (view.records.freeze?.term ?? 0)) return undefined;
  return memberOf(record.holder) === promoting.member ? promoting.member : undefined;
}

type Claim = { free: true; reason: Reason } | { free: false; reason: Reason };

/** Whether the lease may be taken now, as far as the lease itself says (S5). */
export function claimOf(view: View, lease: SeenLease): Claim {
  const record = lease.record;
  if (record === undefined) {
    if (!view.facts.known) return { free: false, reason: 'lease-unknown' };
    if (view.facts.value.systemId === undefined) return { free: true, reason: 'lease-free' };
    // Whose acknowledgements counted stood in it. The holder writes it again; nobody else makes up a list (K5).
    return { free: false, reason: isExpired(lease, view) ? 'lease-absent' : 'waits-for-expiry' };
  }
  if (record.garbage !== undefined) return { free: false, reason: 'lease-garbage' };
  if (isReleased(record)) {
    if (record.heir === view.self.name) return { free: true, reason: 'lease-heir' };
    if (record.heir === undefined || view.now >= lease.firstSeenAt + heirTurnMs) return { free: true, reason: 'lease-free' };
    return { free: false, reason: 'waits-for-heir' };
  }
  if (isOwnPast(view, record)) return { free: true, reason: 'lease-free' };
  if (isProvenDead(view, record)) return { free: true, reason: 'holder-dead' };
  if (isExpired(lease, view)) return { free: true, reason: 'lease-expired' };
  if (record.holder === '') return { free: false, reason: 'waits-for-expiry' };
  const late = view.now >= lease.firstSeenAt + view.config.lease.renewSeconds * 2000;
  return {
    free: false,
    reason: late && freshPeer(view, memberOf(record.holder)) === undefined ? 'waits-for-expiry' : 'lease-held',
  };
}

/** When this member should look again without being nudged: at the expiry, at the end of the heir's turn. */
export function nextLook(view: View): number | undefined {
  if (!view.lease.known || holds(view)) return undefined;
  const lease = view.lease.value;
  const free = lease.record !== undefined && isReleased(lease.record);
  const end = free ? lease.firstSeenAt + heirTurnMs : expiresAt(lease, view.config.lease.durationSeconds);
  return end > view.now ? end : undefined;
}

/** Whether some peer is alive whose word is fresh; used for notes only. */
export function alone(view: View): boolean {
  return freshPeers(view).length === 0;
}

export type { Running };
