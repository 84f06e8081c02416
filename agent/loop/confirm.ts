/**
 * Asks the standbys themselves how far they are, where a change of the synchronous set waits for them and the primary's
 * rows do not tell: between two turns of gossip, often at first and less often the longer it takes. Nothing waits for the
 * answers; a cycle comes when they are there.
 */
import { areUnheard } from '../core/flushed.ts';
import { recordOf } from '../core/lease.ts';
import type { Mono } from '../core/model.ts';
import { nobody, sameNames } from '../core/sync.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';

const deadlineMs = 150;
const soonestMs = 25;
const latestMs = 1000;

const asked = new WeakMap<Context, { since: Mono; at: Mono }>();

/** To be called in every cycle. */
export function askUnheard(ctx: Context, view: View): void {
  if (!isWaiting(view)) {
    asked.delete(ctx);
    return;
  }
  const { clock, peers } = ctx.ports;
  const now = clock.now();
  const { since, at } = asked.get(ctx) ?? { since: now, at: Number.NEGATIVE_INFINITY };
  if (now - at < Math.min(latestMs, Math.max(soonestMs, (now - since) / 4))) return;
  asked.set(ctx, { since, at: now });
  void peers.refresh(deadlineMs).then(() => ctx.nudge());
}

function isWaiting(view: View): boolean {
  const { instance, syncBarrier } = view;
  const entries = recordOf(view.lease)?.entries ?? [];
  const last = entries.at(-1);
  if (instance.is !== 'primary' || syncBarrier === undefined || last === undefined) return false;
  if (entries.length === 1 && !sameNames(instance.syncNames, nobody)) return false;
  return areUnheard(view, instance, last.names, syncBarrier);
}
