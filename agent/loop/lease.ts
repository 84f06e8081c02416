/**
 * Carries out lease intents, all by PUT over the very version that was decided on (S4). An error, a 409 or a timeout
 * is unknown, not loss: the record is read back and the permit is neither extended nor dropped (K3). The permit counts
 * from the moment a write was sent, and every confirmed renewal moves the fence of PID 1 with it.
 */
import { ownContainerId } from '../core/death.ts';
import { processOf } from '../core/acting.ts';
import { boundToHolder } from '../core/failsafe.ts';
import { writtenBy } from '../core/lag.ts';
import { acquired, memberOf, recordOf, released, renewed } from '../core/lease.ts';
import type { LeaseRecord, Mono } from '../core/model.ts';
import type { Fault } from '../core/result.ts';
import { durationFor, isValid, latestUntil, type LeaderPermit, permitFrom } from '../core/permit.ts';
import { hasEverything } from '../core/sync.ts';
import { onTurn } from '../core/turns.ts';
import type { Decision, LeaseChange, LeaseDraft, LeaseIntent, View } from '../core/view.ts';
import type { Context } from './context.ts';
import { endFailsafe } from './failsafe.ts';
import { viewOf } from './observe.ts';
import { armFence, givePermit } from './permit.ts';
import { adoptLease } from './sight.ts';

/** What became of a step: `done` may be followed at once by the next cycle, `failed` may not. */
export type Outcome = 'nothing' | 'done' | 'failed';

type Acquire = Extract<LeaseIntent, { do: 'acquire' }>;

export async function executeLease(ctx: Context, view: View, decision: Decision): Promise<Outcome> {
  const intent = decision.lease;
  switch (intent.do) {
    case 'nothing':
      return 'nothing';
    case 'acquire':
      return await acquire(ctx, view, intent);
    case 'renew':
      return await renew(ctx, view, intent.change);
    case 'recreate':
      return await recreate(ctx, intent.record);
    case 'release':
      // Before the write: its answer may be lost.
      if (decision.reason === 'promotion-stalled') ctx.memory.stalledAt = ctx.ports.clock.now();
      return await release(ctx, view, intent.heir);
  }
}

/** Undefined: nothing is known but what a read back then showed. */
async function write(ctx: Context, record: LeaseDraft, over: LeaseRecord | undefined): Promise<LeaseRecord | undefined> {
  const { memory, ports } = ctx;
  const deadlineMs = memory.config.lease.requestTimeoutSeconds * 1000;
  const version = over === undefined ? { over: undefined } : { over: over.resourceVersion };
  const uid = over?.uid === undefined ? {} : { uid: over.uid };
  const { entries, syncMode } = record;
  const draft = { entries, syncMode, over: over?.resourceVersion };
  // From now until the version is known to have changed, or the write not to have happened, the lease may say this.
  if (!noteDraft(ctx, draft)) return undefined;
  const result = await ports.kube.writeLease({ record, ...version, ...uid }, deadlineMs);
  if (result.ok) {
    memory.toldFault = undefined;
    adoptLease(ctx, result.value, undefined);
    return result.value;
  }
  if (result.fault.done === 'no') memory.unanswered = memory.unanswered.filter((one) => one !== draft);
  tell(ctx, result.fault);
  const readAt = ports.clock.now();
  const back = await ports.kube.readLease(deadlineMs);
  if (back.ok) adoptLease(ctx, back.value, readAt);
  else memory.stale.add('lease');
  return undefined;
}

const toldAgainMs = 60_000;

/** An outage of hours is tried several times a second and told once a minute, and when it becomes another one. */
function tell(ctx: Context, fault: Fault): void {
  const { toldFault: last } = ctx.memory;
  const now = ctx.ports.clock.now();
  const same = last?.detail === fault.detail && now - last.at < toldAgainMs;
  ctx.log[same ? 'debug' : 'warn']('lease write failed', { fault });
  if (!same) ctx.memory.toldFault = { detail: fault.detail, at: now };
}

/** Drafts that may wait for their answer at a time; they pile up only while the API server is away and differ seldom. */
const draftsMax = 16;

function noteDraft(ctx: Context, draft: Context['memory']['unanswered'][number]): boolean {
  const { memory } = ctx;
  const text = JSON.stringify(draft);
  if (memory.unanswered.some((one) => JSON.stringify(one) === text)) return true;
  if (memory.unanswered.length >= draftsMax) return false;
  memory.unanswered = [...memory.unanswered, draft];
  return true;
}

async function acquire(ctx: Context, view: View, { over: seen, passedOver }: Acquire): Promise<Outcome> {
  const { record: over, firstSeenAt } = seen;
  // Between the decision and now a promise may have been given (I14).
  if (boundToHolder(viewOf(ctx)) !== undefined) return 'failed';
  const { lease } = ctx.memory.config;
  const sentAt = ctx.ports.clock.now();
  const durationSeconds = durationFor(lease, sentAt, ctx.memory.longestUntil);
  ctx.memory.standing = true;
  // Before the write: its answer may be lost.
  ctx.memory.passedOver = passedOver ?? [];
  const record = await write(ctx, { ...acquired(view, over), durationSeconds }, over);
  ctx.memory.standing = false;
  if (record === undefined) return 'failed';
  ctx.memory.takeover = undefined;
  ctx.memory.switchover = undefined;
  ctx.memory.troubleAt = firstSeenAt;
  renewedAs(ctx, sentAt, permitFrom(sentAt, record.term, lease.fenceSeconds));
  ctx.memory.renewSentAt = sentAt;
  ctx.memory.acquiredAt = ctx.ports.clock.now();
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

/** When the next renewal is sent: at the turn before a whole period has passed, so that it needs no cycle of its own. */
export function renewalDue({ memory, ports }: Context): Mono {
  const { renewSentAt } = memory;
  const wallThen = Date.parse(ports.clock.wall()) - (ports.clock.now() - renewSentAt);
  return onTurn(renewSentAt + memory.config.lease.renewSeconds * 1000, renewSentAt, wallThen);
}

async function renew(ctx: Context, view: View, change: LeaseChange | undefined): Promise<Outcome> {
  const { memory, ports } = ctx;
  const record = recordOf(view.lease);
  if (record === undefined || record.holder !== ctx.self.identity) return 'failed';
  const due = ports.clock.now() >= renewalDue(ctx) - 50;
  if (change === undefined && !due && isValid(memory.permit, ports.clock.now())) return 'nothing';
  // Which container it is becomes known some time after its start, and goes along with any renewal.
  const containerId = ownContainerId(view);
  const named = containerId === undefined || containerId === record.containerId ? {} : { containerId };
  const outcome = await put(ctx, record, { ...change, ...named }, record, writtenBy(view, record, change ?? {}));
  const promoting = outcome === 'done' && record.garbage === undefined ? change?.promoting : undefined;
  const process = processOf(memory.instance);
  if (promoting !== undefined && process !== undefined) {
    const isWhole = hasEverything(record, { name: promoting.member, dataId: promoting.dataId });
    memory.promotion = { term: promoting.term, process, recordedAt: ports.clock.now(), settled: false, isWhole };
    armFence(ctx);
  }
  return outcome;
}

/** The Lease was deleted: it is made again, never replaced, so that somebody else's new one is not overwritten. */
async function recreate(ctx: Context, record: LeaseRecord): Promise<Outcome> {
  ctx.log.error('the lease was deleted, it is made again', { term: record.term });
  return await put(ctx, record, {}, undefined, record.written);
}

async function put(
  ctx: Context,
  record: LeaseRecord,
  change: LeaseChange,
  over: LeaseRecord | undefined,
  written: LeaseRecord['written'],
): Promise<Outcome> {
  const { memory, ports } = ctx;
  // What could not be understood is not written back as if it had been empty.
  if (record.garbage !== undefined && change.entries === undefined) return 'failed';
  const { lease } = memory.config;
  const sentAt = ports.clock.now();
  memory.renewSentAt = sentAt;
  const margin = memory.permit === undefined ? undefined : memory.permit.until - sentAt;
  const draft = renewed(record, { ...change, written }, lastingFor(ctx, record, sentAt));
  const confirmed = await write(ctx, draft, over);
  if (confirmed === undefined) {
    memory.renewSentAt = Number.NEGATIVE_INFINITY;
    return 'failed';
  }
  ctx.tally.renewed((ports.clock.now() - sentAt) / 1000, (margin ?? 0) / 1000);
  if (change.entries !== undefined) ctx.log.info('synchronous set recorded', { entries: change.entries, reason: 'recorded' });
  renewedAs(ctx, sentAt, permitFrom(sentAt, confirmed.term, lease.fenceSeconds));
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

function renewedAs(ctx: Context, sentAt: Mono, permit: LeaderPermit): void {
  ctx.memory.renewedAt = sentAt;
  givePermit(ctx, permit);
  endFailsafe(ctx);
}

async function release(ctx: Context, view: View, heir: string | undefined): Promise<Outcome> {
  const record = recordOf(view.lease);
  if (record === undefined || record.garbage !== undefined) return 'failed';
  // Given up first: a release without an answer may have been heard by others, and this record is nobody's to repeat from here on.
  ctx.memory.permit = undefined;
  const written = await write(ctx, released(record, heir), record);
  if (written === undefined) return 'failed';
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
