/**
 * How long a member waits whose records are gone: it may have promised anything to anybody. It cannot know for how long this
 * cluster promises before it has read the configuration and the lease, so it waits without an end until it has.
 */
import { anyHolder } from '../core/failsafe.ts';
import { ok } from '../core/result.ts';
import type { Context } from './context.ts';
import { amend } from './records.ts';

/** What a member without records may have promised lasts as long as a promise of this cluster can, once that is known. */
export function limitUnknown(ctx: Context): void {
  const { memory } = ctx;
  const { promised } = memory;
  if (promised?.holder !== anyHolder || !memory.configKnown || !memory.lease.known) return;
  const recorded = memory.lease.value.record?.durationSeconds ?? 0;
  const durationMs = Math.max(memory.config.lease.durationSeconds, recorded) * 1000;
  const before = Number.isFinite(promised.until) ? promised.until : Number.NEGATIVE_INFINITY;
  memory.promised = { ...promised, until: Math.max(before, memory.boundAt + durationMs) };
  const { promise } = memory.records;
  if (promise?.holder !== anyHolder || promise.durationMs >= durationMs) return;
  void amend(ctx, (records) =>
    ok(records.promise?.holder === anyHolder ? { ...records, promise: { ...records.promise, durationMs } } : records),
  );
}
