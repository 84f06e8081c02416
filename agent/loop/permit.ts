/**
 * What a permit carries with it: PID 1's deadline moves with every one that is given, and at the end of one that no
 * other replaced this process kills the server itself, whatever the loop is waiting for (I1). Where permits come from
 * (renewals, promises) is decided elsewhere.
 */
import { mayAcknowledge, processOf } from '../core/acting.ts';
import type { LeaderPermit } from '../core/permit.ts';
import type { Result } from '../core/result.ts';
import type { Context } from './context.ts';

/** Whoever waits for the end of the permit in hand; the next permit has a wait of its own. */
const guards = new WeakMap<Context, AbortController>();

/** Stores the permit, moves PID 1's deadline, and makes sure that this process acts at its end on its own as well. */
export function givePermit(ctx: Context, permit: LeaderPermit): void {
  const { memory } = ctx;
  memory.permit = permit;
  memory.longestUntil = Math.max(memory.longestUntil, permit.until);
  armFence(ctx);
  guards.get(ctx)?.abort();
  const replaced = new AbortController();
  guards.set(ctx, replaced);
  void guard(ctx, permit, replaced.signal);
}

/** Tells PID 1 until when the server may live, for a server that is primary or is being promoted. */
export function armFence(ctx: Context): void {
  const { memory, ports } = ctx;
  const process = processOf(memory.instance);
  if (process === undefined || memory.permit === undefined || !mayAcknowledge({ ...memory, self: ctx.self })) return;
  const armed = ports.fence.arm(process, memory.permit.until);
  if (!armed.ok) ctx.log.error('the fence could not be armed', { fault: armed.fault });
}

/** Kills the server; while that lasts, the exit counts as asked for. */
export async function fence(ctx: Context, reason: string): Promise<Result<unknown>> {
  const { memory, ports } = ctx;
  memory.fencing = reason;
  const killed = await ports.instance.kill(memory.config.lease.stopSeconds * 1000);
  memory.fencing = undefined;
  ctx.tally.fenced(reason);
  return killed;
}

/** At the end of a permit that was not renewed the server is killed, whatever the loop is waiting for (I1). */
async function guard(ctx: Context, permit: LeaderPermit, replaced: AbortSignal): Promise<void> {
  const { memory, ports } = ctx;
  await ports.clock.until(permit.until, replaced);
  // Also one that was given up meanwhile, as after a suspend: only another one moves its end.
  if (replaced.aborted) return;
  if (!mayAcknowledge({ ...memory, self: ctx.self })) return;
  const killed = await fence(ctx, 'permit-lost');
  ctx.log.error('permit ended, server killed', { reason: 'permit-lost', term: permit.term, ok: killed.ok });
  ctx.event({
    reason: 'Fenced',
    type: 'Warning',
    action: 'Fence',
    note: 'the lease could not be renewed in time; the server was killed',
  });
  ctx.nudge();
}
