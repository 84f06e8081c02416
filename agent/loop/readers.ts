/**
 * Whom the read Service leads to, and when that may change. kube-proxy writes the rules of all Services in one piece, and by its
 * default at most once a second: a change right before the one of the write Service holds that one up. Made early instead
 * it helps. Whoever is to be primary leaves the read Service first; what happens to the write Service in the second after
 * that is written together, so that clients meet the old address, which refuses at once, and then the new one. In between
 * a Service without members would refuse too, but kernels ration that answer to about one a second for each client.
 */
import { freshPeer, knownPrimary } from '../core/election.ts';
import { holds, leads } from '../core/lease.ts';
import type { PodSight } from '../core/model.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';
import { viewOf } from './observe.ts';
import { changePod } from './readings.ts';

export const readableLabel = 'opengauss.readable';
/** How long nothing else changes once the write Service leads to a new primary. */
const calmMs = 2000;
/** How long before the primary is unlabelled its successor leaves the readers: the rest of that second is for the hand-over. */
const aheadMs = 400;

/** Whether the own pod is to be readable; `role` is what its role label is going to be. */
export function wantsReaders(ctx: Context, view: View, own: PodSight, role: string | null): boolean {
  const before = isReadable(own);
  if (view.instance.is === 'primary' && leads(view)) {
    const labelledAt = ctx.memory.labelledAt ?? Number.NEGATIVE_INFINITY;
    const settled = own.labels['opengauss.role'] === 'primary' && view.now - labelledAt >= calmMs;
    return settled || role !== 'primary' ? noOtherReadable(view) : before;
  }
  if (role === 'primary') return before;
  if (role !== 'standby') return false;
  // It is going to be primary, and does not come back to the readers for these moments.
  if (holds(view)) return before && noOtherReadable(view);
  return (before || !isSuccessor(view)) && keepsUp(view, before);
}

/**
 * Before a hand-over, while the primary still serves: takes the successor's readers away and waits. Undefined where it has none
 * or nobody else would be left for them.
 */
export function leadReadersAway(ctx: Context, target: string): Promise<void> | undefined {
  const view = viewOf(ctx);
  const pods = view.pods.known ? view.pods.value : [];
  const pod = pods.find((one) => one.name === target);
  const others = pods.some((one) => one.name !== target && isReadable(one) && freshPeer(view, one.name) !== undefined);
  if (pod === undefined || !isReadable(pod) || !others) return undefined;
  return leadAway(ctx, pod);
}

async function leadAway(ctx: Context, { name, uid, resourceVersion }: PodSight): Promise<void> {
  const { clock } = ctx.ports;
  const labels = { [readableLabel]: null };
  const patched = await changePod(ctx, { name, uid, resourceVersion }, { labels });
  if (!patched.ok) return ctx.log.debug('label not written', { pod: name, fault: patched.fault });
  ctx.log.info('labels changed', { target: name, labels });
  await clock.until(clock.now() + aheadMs);
}

function isReadable(pod: PodSight): boolean {
  return pod.labels[readableLabel] === 'true';
}

/** A switchover to this member is under way. */
function isSuccessor(view: View): boolean {
  const request = view.request.known ? view.request.value : undefined;
  return request?.kind === 'switchover' && request.phase === 'running' && request.target === view.self.name;
}

/** Within the lag gate, with room between closing and opening; without word from the primary it stays as it is. */
function keepsUp(view: View, before: boolean): boolean {
  const { instance } = view;
  if (instance.is !== 'standby') return false;
  const primary = knownPrimary(view);
  if (primary?.written === undefined || instance.replayed === undefined) return before;
  if (instance.receiver === undefined) return before;
  const lag = primary.written > instance.replayed ? primary.written - instance.replayed : 0n;
  const limit = view.config.readLagLimit;
  return before ? lag <= limit + limit / 4n : lag <= limit;
}

function noOtherReadable(view: View): boolean {
  if (!view.pods.known) return false;
  return !view.pods.value.some(
    (pod) => pod.name !== view.self.name && isReadable(pod) && freshPeer(view, pod.name) !== undefined,
  );
}
