/**
 * Promises this member gives: on disk before the answer, binding from the moment it is asked. The moment itself is not on
 * disk and need not be: after a restart of the agent, of the container or of the machine the promise binds for its whole
 * duration again, counted from the start. A member whose records are gone may have promised anything to anybody and
 * waits as long as if it had.
 */
import { anyHolder, whyNoPromise } from '../core/failsafe.ts';
import type { MemberName, PromiseAsk } from '../core/model.ts';
import { type Fault, failed, ok, type Result } from '../core/result.ts';
import type { Context } from './context.ts';
import { viewOf } from './observe.ts';
import { amend } from './records.ts';

/** Gives a promise, or says why not. */
export async function givePromise(ctx: Context, ask: PromiseAsk, from: MemberName): Promise<Result<void>> {
  const { memory, ports } = ctx;
  return await amend(ctx, (records) => {
    if (ask.durationMs === 0) return ok(giveBack(ctx, ask, from) ? { ...records, promise: undefined } : records);
    const why = whyNoPromise(viewOf(ctx), records, ask, from);
    if (why !== undefined) return failed(refusal(why));
    // The longer of the two, as everybody who waits for a lease does; settings may differ for a moment.
    const durationMs = Math.max(ask.durationMs, memory.config.lease.durationSeconds * 1000);
    const { holder, term } = ask;
    const before = memory.promised?.holder === holder ? memory.promised.until : 0;
    // Before the save: what begins from now on must see it.
    memory.promised = { holder, term, until: Math.max(before, ports.clock.now() + durationMs) };
    const { promise } = records;
    const same = promise?.holder === holder && promise.term === term && promise.durationMs >= durationMs;
    if (!same) ctx.log.info('promised', { holder, term, durationMs });
    return ok(same ? records : { ...records, promise: { holder, term, durationMs } });
  });
}

/** The holder has no server any more and wants nobody to wait for it. */
function giveBack(ctx: Context, ask: PromiseAsk, from: MemberName): boolean {
  const { memory } = ctx;
  const { promised } = memory;
  if (promised?.holder !== ask.holder || promised.term !== ask.term || ask.holder.split('/')[0] !== from) return false;
  memory.promised = undefined;
  ctx.log.info('promise given back', { holder: ask.holder, term: ask.term });
  ctx.nudge();
  return true;
}

function refusal(detail: string): Fault {
  return { of: 'peer', kind: 'refused', done: 'no', detail };
}

/**
 * After the records were read: what was promised before the start binds from now on for its whole duration. A member
 * without records puts down that it may have promised, so that another restart does not shorten it.
 */
export function bindAgain(ctx: Context): void {
  const { memory, ports } = ctx;
  const { promise, fresh } = memory.records;
  const any = { holder: anyHolder, term: 0, durationMs: memory.config.lease.durationSeconds * 1000 };
  const binding = promise ?? (fresh === true ? any : undefined);
  if (binding === undefined) return;
  const { holder, term, durationMs } = binding;
  const now = ports.clock.now();
  memory.boundAt = now;
  // For how long this cluster promises stands in the configuration and in the lease, and neither has been read yet.
  memory.promised = { holder, term, until: holder === anyHolder ? Number.POSITIVE_INFINITY : now + durationMs };
  if (promise === undefined) void amend(ctx, (records) => ok({ ...records, fresh: undefined, promise: binding }));
}

/** A promise that has ended is taken off the disk, so that the next start need not wait for it. */
export async function forgetEnded(ctx: Context): Promise<void> {
  const { memory, ports } = ctx;
  const ended = () => memory.promised === undefined || ports.clock.now() >= memory.promised.until;
  if (memory.records.promise === undefined || !ended()) return;
  await amend(ctx, (records) => ok(records.promise === undefined || !ended() ? records : { ...records, promise: undefined }));
}
