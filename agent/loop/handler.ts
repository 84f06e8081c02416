/**
 * What this member answers to peers: where it is, and, when a new holder of the lease asks, that it leaves the old
 * primary and follows the new one. A grant is on disk before the answer; a lower term, a second candidate of the same
 * term, an unfinished build and a valid permit of our own are each a refusal.
 */
import { obstacle, shownReason } from '../core/election.ts';
import { boundBy } from '../core/failsafe.ts';
import { objection } from '../core/grant.ts';
import { mayLead, recordOf } from '../core/lease.ts';
import type { MemberName, PeerState, PromiseAsk, Sender } from '../core/model.ts';
import { failed, type Fault, ok, type Result } from '../core/result.ts';
import type { FreezeAsk, PeerHandler } from '../ports/others.ts';
import type { Context } from './context.ts';
import { point, unfreeze as forgetFreeze } from './locks.ts';
import { observeAfresh, observeInstance } from './local.ts';
import { viewOf } from './observe.ts';
import { givePromise } from './promised.ts';

/** An observation may serve gossip for this long. */
const gossipAgeMs = 20;

export function createHandler(ctx: Context): PeerHandler {
  return {
    async state() {
      if (ctx.last === undefined) return undefined;
      await observeInstance(ctx, gossipAgeMs);
      return peerState(ctx);
    },
    freeze: (ask, from) => freeze(ctx, { ...ask, askedBy: from }),
    unfreeze: (ask) => unfreeze(ctx, ask.term, ask.from),
    promise: (ask, from) => promise(ctx, ask, from),
  };
}

export function peerState(ctx: Context): PeerState {
  const view = viewOf(ctx);
  const { instance } = view;
  const why = obstacle(view, instance);
  const running = 'role' in instance ? instance : undefined;
  const data = 'data' in instance ? instance.data : undefined;
  const standby = instance.is === 'standby' ? instance : undefined;
  const primary = instance.is === 'primary' ? instance : undefined;
  const promotedTerm = data?.promotedTerm ?? 0;
  const freeze = view.records.freeze;
  const state: PeerState = {
    name: ctx.self.name,
    uid: ctx.self.uid,
    incarnation: ctx.self.incarnation,
    instance: instance.is,
    role: running?.role ?? 'Unknown',
    state: running?.state ?? 'Unknown',
    detail: running?.detail ?? '',
    term: standby?.term ?? promotedTerm,
    received: standby?.received,
    replayed: standby?.replayed,
    written: primary?.written,
    redoFinished: standby?.lock?.redoFinished ?? false,
    streamingFrom: standby?.receiver?.from,
    systemId: data?.systemId,
    dataId: data?.dataId,
    promotedTerm,
    frozenFor: freeze === undefined ? undefined : { term: freeze.term, candidate: freeze.candidate },
    granted: view.records.granted,
    eligible: why === undefined,
    reason: shownReason(why, instance, ctx.last?.decision.reason),
    leaseTerm: recordOf(view.lease)?.term ?? 0,
    paused: view.paused,
    build: view.job?.progress,
    volumes: view.volumes,
    agentVersion: ctx.self.version,
    since: ctx.memory.since?.at,
    mayLead: mayLead(view),
  };
  if (primary !== undefined) {
    state.syncObserved = syncNames(primary.senders);
    state.readOnly = primary.readOnly;
  }
  const bound = boundBy(view);
  if (bound !== undefined) state.promised = { holder: bound.holder, term: bound.term };
  if (view.disk?.owner !== undefined) state.readOnlyOwner = view.disk.owner;
  if (view.disk?.pressure !== undefined) state.pressure = view.disk.pressure;
  if (view.lease.known) state.leaseSeenMs = Math.max(0, Math.round(view.now - view.lease.value.firstSeenAt));
  return state;
}

function syncNames(senders: Sender[]): string[] {
  return senders.filter((sender) => sender.sync === 'Sync' || sender.sync === 'Quorum').map((sender) => sender.name);
}

/** Before the first cycle the records may not be read yet: what was granted before the restart is not known. */
const notReady: Fault = { of: 'peer', kind: 'absent', done: 'no', detail: 'the first cycle is not done yet' };

async function freeze(ctx: Context, ask: FreezeAsk): Promise<Result<PeerState>> {
  if (ctx.last === undefined) return failed(notReady);
  await observeInstance(ctx, gossipAgeMs);
  // Asked when nothing else is changing the records: two candidates of one term may arrive in the same moment.
  const pointed = await point(ctx, ask, () => objection(viewOf(ctx), ask));
  if (!pointed.ok) return pointed;
  const answer = await answered(ctx);
  // A build may have begun meanwhile, or the server have ended: what is told then is no vote, although the disk keeps it.
  const since = objection(viewOf(ctx), ask);
  return since === undefined ? answer : failed(since);
}

/** Neither to grant nor to stand for a while; what the holder of a lease needs that cannot renew it (I14). */
async function promise(ctx: Context, ask: PromiseAsk, from: MemberName): Promise<Result<PeerState>> {
  if (ctx.last === undefined) return failed(notReady);
  await observeInstance(ctx, gossipAgeMs);
  const given = await givePromise(ctx, ask, from);
  return given.ok ? ok(peerState(ctx)) : given;
}

async function unfreeze(ctx: Context, term: number, from: string): Promise<Result<PeerState>> {
  if (ctx.last === undefined) return failed(notReady);
  const freed = await forgetFreeze(ctx, term, from);
  return freed.ok ? await answered(ctx) : freed;
}

async function answered(ctx: Context): Promise<Result<PeerState>> {
  await observeAfresh(ctx);
  return ok(peerState(ctx));
}
