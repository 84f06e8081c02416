/**
 * A machine that people have declared off, by the taint `node.kubernetes.io/out-of-service` of its node: a proof that the holder
 * on it has stopped (ha-semantics 7.3), where they have given the right to read nodes. It counts for the node to which the
 * very pod of the holder was bound, which never changes, whether that pod is still listed or not; only while the holder is
 * silent; and never while the node's kubelet is well, as a taint that was forgotten says nothing of who lives there now.
 */
import { isTerminated } from './death.ts';
import { freshPeer } from './election.ts';
import { memberOf } from './lease.ts';
import type { LeaseRecord } from './model.ts';
import type { View } from './view.ts';

/** A node is read every two seconds while its holder is silent; an older reading tells nothing. */
const nodeFreshMs = 5000;

/** Two renewals missed, and no word from it. */
export function isSilent(view: View, record: LeaseRecord): boolean {
  if (!view.lease.known || record.holder === '' || record.holder === view.self.identity) return false;
  return view.now >= silentSince(view, view.lease.value.firstSeenAt) && freshPeer(view, memberOf(record.holder)) === undefined;
}

function silentSince(view: View, firstSeenAt: number): number {
  return firstSeenAt + view.config.lease.renewSeconds * 2000;
}

/**
 * Somebody has declared the machine off on which the container of this holder ran, and has said so, or not taken it back, since
 * the holder fell silent. The pod may be gone by then. A kubelet that is well proves the taint old.
 */
export function isOutOfService(view: View, record: LeaseRecord): boolean {
  const reading = view.holderNode;
  if (reading === undefined || reading.holder !== record.holder || !isSilent(view, record) || !view.lease.known) return false;
  if (reading.at < silentSince(view, view.lease.value.firstSeenAt) || view.now - reading.at > nodeFreshMs) return false;
  return reading.sight.outOfService && !reading.sight.ready;
}

/** Proven by the kubelet for its container, or by people for its machine. */
export function isProvenDead(view: View, record: LeaseRecord): boolean {
  return isTerminated(view, record) || isOutOfService(view, record);
}
