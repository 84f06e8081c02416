/**
 * Notices that time did not pass as it should. After a suspend of the machine, which boot time counts and the monotonic
 * clock does not, the permit is given up, though it may not have ended: the lease is renewed before anything else is done
 * as leader, and PID 1 keeps its deadline meanwhile. A step of the wall clock is told and changes nothing: no decision
 * reads that clock.
 */
import type { Context } from './context.ts';

/** Boot time is told in hundredths of a second. */
const suspendMs = 100;
const stepMs = 2000;

/** Called at the beginning of each cycle. */
export function noteClocks(ctx: Context): void {
  const { memory, ports } = ctx;
  const now = ports.clock.now();
  const wall = Date.parse(ports.clock.wall());
  const suspended = ports.clock.suspended?.() ?? 0;
  const before = memory.clocks;
  memory.clocks = { now, wall, suspended };
  if (before === undefined) return;
  if (suspended - before.suspended >= suspendMs) {
    ctx.log.warn('the machine was suspended', { ms: Math.round(suspended - before.suspended), led: memory.permit !== undefined });
    memory.permit = undefined;
    memory.renewSentAt = Number.NEGATIVE_INFINITY;
  }
  const step = wall - before.wall - (now - before.now);
  if (Math.abs(step) >= stepMs) ctx.log.warn('the wall clock was set', { ms: Math.round(step) });
}
