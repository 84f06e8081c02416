/**
 * Whom the read Service leads to, and when that may change. kube-proxy writes the rules of all Services in one piece, and by its
 * default at most once a second: a change right before the one of the write Service holds that one up. Made early instead
 * it helps. Whoever has the lease leaves the read Service before it is promoted; what happens to the write Service in the second
 * after that is written together, so that clients meet the old address, which refuses at once, and then the new one. In
 * between a Service without members would refuse too, but kernels ration that answer to about one a second for each client.
 */
import { freshPeer, knownPrimary } from '../core/election.ts';
import { readableLabel, roleLabel } from '../core/labels.ts';
import { holds, leads } from '../core/lease.ts';
import type { PodSight } from '../core/model.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';

/** How long nothing else changes once the write Service leads to a new primary. */
const calmMs = 2000;

/** Whether the own pod is to be readable; `role` is what its role label is going to be. */
export function wantsReaders(ctx: Context, view: View, own: PodSight, role: string | null): boolean {
  const before = isReadable(own);
  if (view.instance.is === 'primary' && leads(view)) {
    const settled = own.labels[roleLabel] === 'primary' && view.now - ctx.memory.labelledAt >= calmMs;
    return settled || role !== 'primary' ? noOtherReadable(view) : before;
  }
  if (role === 'primary') return before;
  if (role !== 'standby') return false;
  // It is going to be primary, and does not come back to the readers for these moments.
  if (holds(view)) return before && noOtherReadable(view);
  return keepsUp(view, before);
}

function isReadable(pod: PodSight): boolean {
  return pod.labels[readableLabel] === 'true';
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
