/**
 * What a new primary has to do: at once the term into the WAL, as nothing is acknowledged before it; later, beside the
 * loop, what nobody waits for. Both may be done again after a restart of the agent, which cannot know what was done.
 */
import { isValid, type LeaderPermit } from '../core/permit.ts';
import { failed, ok, type Result } from '../core/result.ts';
import { renewBarrier } from './barrier.ts';
import { keepBrake } from './brake.ts';
import type { Context } from './context.ts';
import { unlock } from './locks.ts';
import { noteFailure } from './memory.ts';

const sqlDeadlineMs = 1000;
const usersDeadlineMs = 5000;

/** The term goes into the WAL, from which alone followers learn it; nothing is acknowledged before W of them have it. */
export async function settle(ctx: Context, permit: LeaderPermit): Promise<Result<unknown>> {
  const { memory, ports } = ctx;
  if (!isValid(permit, ports.clock.now()))
    return failed({ of: 'fence', kind: 'refused', done: 'no', detail: 'the permit has ended' });
  const written = await ports.instance.writeTerm(permit, sqlDeadlineMs);
  // Perhaps written is not enough: it is written once more, and only then are the real names set.
  if (!written.ok) return written;
  if (memory.promotion !== undefined) memory.promotion = { ...memory.promotion, settled: true };
  renewBarrier(ctx);
  memory.observedAt = Number.NEGATIVE_INFINITY;
  return ok();
}

/** What only a new primary has to do, once, and nobody waits for: beside the loop, and again later where it failed. */
export function finish(ctx: Context, permit: LeaderPermit): void {
  const { memory, ports } = ctx;
  if (memory.promotion === undefined) return;
  const own = { ...memory.promotion, finished: true };
  memory.promotion = own;
  const steps: [string, () => Promise<Result<unknown>>][] = [
    ['brake', () => keepBrake(ctx)],
    ['unlock', () => unlock(ctx, memory.records.freeze)],
    ['users', () => ports.instance.settleUsers(permit, usersDeadlineMs)],
  ];
  const work = async (): Promise<void> => {
    for (const [what, step] of steps) {
      const result = await step();
      if (result.ok) continue;
      noteFailure(memory, 'finish', result.fault, ports.clock.now());
      ctx.log.warn('a new primary could not finish settling', { step: what, fault: result.fault });
      if (memory.promotion === own) memory.promotion = { ...own, finished: false };
      return;
    }
    delete memory.failures['finish'];
  };
  void work();
}
