/**
 * The barrier: the WAL position up to which commits may have been acknowledged under the synchronous names that were in
 * force before. It is read by a look that began after another one had found the new names in force, however they came
 * into force; until then nothing may be concluded from what standbys have flushed.
 */
import type { Lsn } from '../core/lsn.ts';
import type { Mono } from '../core/model.ts';
import type { RedoSight } from '../core/view.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';

/** What is known of the barrier is void: the names, or the term, are being changed. */
export function renewBarrier(ctx: Context): void {
  ctx.memory.syncBarrier = undefined;
  ctx.memory.barrierDue = ctx.ports.clock.now();
}

/** One text for what decides whose acknowledgements count. */
export function inForceOf(names: string, mostAvailable: boolean): string {
  return `${names} ${mostAvailable}`;
}

/** Takes what a look found; `startedAt` is when that look began. */
export function noteBarrier(memory: Memory, startedAt: Mono): void {
  const { instance } = memory;
  if (instance.is !== 'primary') return;
  const inForce = inForceOf(instance.syncNames, instance.mostAvailableSync);
  if (memory.inForce !== inForce) {
    memory.inForce = inForce;
    memory.syncBarrier = undefined;
    memory.barrierDue = Math.max(startedAt, memory.barrierDue ?? startedAt);
    return;
  }
  if (memory.barrierDue === undefined || startedAt < memory.barrierDue || instance.written === undefined) return;
  memory.syncBarrier = instance.written;
  memory.barrierDue = undefined;
}

/** Notes that the redo before a comparison, or before a promotion, has come further. */
export function noteRedo(memory: Memory, at: Mono): void {
  const { instance, takeover, promotion } = memory;
  if (instance.is !== 'standby' || instance.replayed === undefined) return;
  const { replayed } = instance;
  // In place: votes that are under way belong to this very object.
  if (takeover !== undefined) takeover.redo = cameTo(replayed, at, takeover.redo, takeover.startedAt);
  if (promotion === undefined) return;
  const redo = cameTo(replayed, at, promotion.redo, promotion.recordedAt);
  if (redo !== promotion.redo) memory.promotion = { ...promotion, redo };
}

function cameTo(replayed: Lsn, at: Mono, before: RedoSight | undefined, begunAt: Mono): RedoSight {
  if (before === undefined) return { replayed, at: begunAt };
  return replayed > before.replayed ? { replayed, at } : before;
}
