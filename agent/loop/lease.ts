/**
 * Carries out lease intents, all by PUT over the very version that was decided on (S4). An error, a 409 or a timeout
 * is unknown, not loss: the record is read back and the permit is neither extended nor dropped (K3). The permit counts
 * from the moment a write was sent, and every confirmed renewal moves the fence of PID 1 with it.
 */
import { processOf } from '../core/decide.ts';
import { boundToHolder } from '../core/failsafe.ts';
import { acquired, memberOf, recordOf, released, renewed } from '../core/lease.ts';
import type { LeaseRecord, Mono } from '../core/model.ts';
import { durationFor, isValid, latestUntil, type LeaderPermit, permitFrom } from '../core/permit.ts';
import type { Decision, LeaseChange, LeaseDraft, View } from '../core/view.ts';
import type { Context } from './context.ts';
import { adoptLease, viewOf } from './observe.ts';

/** What became of a step: `done` may be followed at once by the next cycle, `failed` may not. */
export type Outcome = 'nothing' | 'done' | 'failed';

export async function executeLease(ctx: Context, view: View, decision: Decision): Promise<Outcome> {
  const intent = decision.lease;
  switch (intent.do) {
    case 'nothing':
      return 'nothing';
    case 'acquire':
      return await acquire(ctx, view, intent.over.record);
    case 'renew':
      return await renew(ctx, view, intent.change);
    case 'recreate':
      return await recreate(ctx, intent.record);
    case 'release':
      return await release(ctx, view, intent.heir);
  }
}

/** Undefined: nothing is known but what a read back then showed. */
async function write(ctx: Context, record: LeaseDraft, over: LeaseRecord | undefined): Promise<LeaseRecord | undefined> {
  const { memory, ports } = ctx;
  const deadlineMs = memory.config.lease.requestTimeoutSeconds * 1000;
  const version = over === undefined ? { over: undefined } : { over: over.resourceVersion };
  const uid = over?.uid === undefined ? {} : { uid: over.uid };
  const result = await ports.kube.writeLease({ record, ...version, ...uid }, deadlineMs);
  if (result.ok) {
    adoptLease(ctx, result.value, undefined);
    return result.value;
  }
  ctx.log.warn('lease write failed', { fault: result.fault });
  const readAt = ports.clock.now();
  const back = await ports.kube.readLease(deadlineMs);
  if (back.ok) adoptLease(ctx, back.value, readAt);
  else memory.stale.add('lease');
  return undefined;
}

async function acquire(ctx: Context, view: View, over: LeaseRecord | undefined): Promise<Outcome> {
  // Between the decision and now a promise may have been given (I14).
  if (boundToHolder(viewOf(ctx)) !== undefined) return 'failed';
  const { lease } = ctx.memory.config;
  const sentAt = ctx.ports.clock.now();
  const durationSeconds = durationFor(lease, sentAt, ctx.memory.longestUntil);
  ctx.memory.standing = true;
  const record = await write(ctx, { ...acquired(view, over), durationSeconds }, over);
  ctx.memory.standing = false;
  if (record === undefined) return 'failed';
  ctx.memory.takeover = undefined;
  ctx.memory.switchover = undefined;
  givePermit(ctx, permitFrom(sentAt, record.term, lease.fenceSeconds));
  ctx.memory.renewSentAt = sentAt;
  const from =
    over === undefined || over.holder === ''
      ? over?.heir === ctx.self.name
        ? 'as the heir'
        : 'free'
      : `from ${memberOf(over.holder)}`;
  ctx.log.info('lease acquired', { term: record.term, leaseHolder: ctx.self.name, from });
  ctx.event({ reason: 'LeaseAcquired', type: 'Normal', action: 'Acquire', note: `term ${record.term}, ${from}` });
  return 'done';
}

async function renew(ctx: Context, view: View, change: LeaseChange | undefined): Promise<Outcome> {
  const { memory, ports } = ctx;
  const record = recordOf(view.lease);
  if (record === undefined || record.holder !== ctx.self.identity) return 'failed';
  const period = memory.config.lease.renewSeconds * 1000;
  const due = ports.clock.now() - memory.renewSentAt >= period - 50;
  if (change === undefined && !due && isValid(memory.permit, ports.clock.now())) return 'nothing';
  const outcome = await put(ctx, record, change ?? {}, record);
  const promoting = outcome === 'done' && record.garbage === undefined ? change?.promoting : undefined;
  const process = processOf(memory.instance);
  if (promoting !== undefined && process !== undefined) {
    memory.promotion = { term: promoting.term, process, recordedAt: ports.clock.now(), settled: false };
    armFence(ctx);
  }
  return outcome;
}

/** The Lease was deleted: it is made again, never replaced, so that somebody else's new one is not overwritten. */
async function recreate(ctx: Context, record: LeaseRecord): Promise<Outcome> {
  ctx.log.error('the lease was deleted, it is made again', { term: record.term });
  return await put(ctx, record, {}, undefined);
}

async function put(ctx: Context, record: LeaseRecord, change: LeaseChange, over: LeaseRecord | undefined): Promise<Outcome> {
  const { memory, ports } = ctx;
  // What could not be understood is not written back as if it had been empty.
  if (record.garbage !== undefined && change.entries === undefined) return 'failed';
  const { lease } = memory.config;
  const sentAt = ports.clock.now();
  memory.renewSentAt = sentAt;
  const margin = memory.permit === undefined ? undefined : memory.permit.until - sentAt;
  const written = await write(ctx, renewed(record, change, lastingFor(ctx, record, sentAt)), over);
  if (written === undefined) {
    memory.renewSentAt = Number.NEGATIVE_INFINITY;
    return 'failed';
  }
  ctx.tally.renewed((ports.clock.now() - sentAt) / 1000, (margin ?? 0) / 1000);
  if (change.entries !== undefined) ctx.log.info('synchronous set recorded', { entries: change.entries, reason: 'recorded' });
  givePermit(ctx, permitFrom(sentAt, written.term, lease.fenceSeconds));
  // A permit where there was none is something to act on at once.
  return Object.keys(change).length === 0 && over !== undefined && margin !== undefined && margin > 0 ? 'nothing' : 'done';
}

/** How long observers have to wait: long enough for permits that this or an earlier agent of this container gave. */
function lastingFor(ctx: Context, record: LeaseRecord, sentAt: Mono): number {
  const { memory } = ctx;
  const inherits = !Number.isFinite(memory.longestUntil);
  if (inherits) memory.longestUntil = latestUntil(sentAt, record.durationSeconds);
  const duration = durationFor(memory.config.lease, sentAt, memory.longestUntil);
  return inherits ? Math.max(memory.config.lease.durationSeconds, record.durationSeconds) : duration;
}

/** Stores the permit, moves PID 1's deadline, and makes sure that this process acts at its end on its own as well. */
function givePermit(ctx: Context, permit: LeaderPermit): void {
  const { memory } = ctx;
  memory.permit = permit;
  memory.longestUntil = Math.max(memory.longestUntil, permit.until);
  armFence(ctx);
  void guard(ctx, permit);
}

/** Tells PID 1 until when the server may live, for a server that is primary or is being promoted. */
export function armFence(ctx: Context): void {
  const { memory, ports } = ctx;
  const process = processOf(memory.instance);
  const acting = memory.instance.is === 'primary' || memory.promotion !== undefined;
  if (process === undefined || !acting || memory.permit === undefined) return;
  const armed = ports.fence.arm(process, memory.permit.until);
  if (!armed.ok) ctx.log.error('the fence could not be armed', { fault: armed.fault });
}

/** At the end of a permit that was not renewed the server is killed, whatever the loop is waiting for (I1). */
async function guard(ctx: Context, permit: LeaderPermit): Promise<void> {
  const { memory, ports } = ctx;
  await ports.clock.until(permit.until);
  if (memory.permit !== permit) return;
  const acting = memory.instance.is === 'primary' || memory.promotion !== undefined;
  if (!acting || processOf(memory.instance) === undefined) return;
  const killed = await ports.instance.kill(memory.config.lease.stopSeconds * 1000);
  ctx.tally.fenced('permit-lost');
  ctx.log.error('permit ended, server killed', { reason: 'permit-lost', term: permit.term, ok: killed.ok });
  ctx.event({
    reason: 'Fenced',
    type: 'Warning',
    action: 'Fence',
    note: 'the lease could not be renewed in time; the server was killed',
  });
  ctx.nudge();
}

async function release(ctx: Context, view: View, heir: string | undefined): Promise<Outcome> {
  const record = recordOf(view.lease);
  if (record === undefined || record.garbage !== undefined) return 'failed';
  const written = await write(ctx, released(record, heir), record);
  if (written === undefined) return 'failed';
  ctx.memory.permit = undefined;
  ctx.memory.takeover = undefined;
  ctx.memory.switchover = undefined;
  ctx.log.info('lease released', { term: record.term, heir: heir ?? null });
  ctx.event({
    reason: 'LeaseReleased',
    type: 'Normal',
    action: 'Release',
    note: heir === undefined ? 'no heir' : `heir ${heir}`,
  });
  return 'done';
}
