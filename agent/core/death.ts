/**
 * Proofs that a holder has stopped, for which nobody has to wait until its lease runs out (ha-semantics 7.3): the kubelet
 * has said `terminated` of exactly the container whose id the lease names, the lease names an earlier container of this
 * very pod, or people have declared the machine off on which it ran. Nothing else is one: not a pod that is gone or not
 * ready, not a node that is, not a connection that broke. Here is decided too when a holder may name its container; a wrong name would be a proof that lies.
 */
import type { LeaseRecord, PodSight } from './model.ts';
import { exactPod } from './pods.ts';
import type { View } from './view.ts';

/** The kubelet reports a new container within about a second; for this long its predecessor may still be shown. */
const statusLagMs = 5000;
/** Further apart than this the clock was stepped, or it is another container's start. */
const startLagMs = 60_000;

/** The kubelet says that the container which holds the lease has ended, and with it every process in it. */
export function isTerminated(view: View, record: LeaseRecord): boolean {
  const [name = '', uid] = record.holder.split('/');
  if (record.containerId === undefined) return false;
  const pod = exactPod(view, { name, uid });
  return pod?.container.ended?.includes(record.containerId) === true;
}

/** The lease names this pod's previous container, whose end is proven by our own start. */
export function isOwnPast(view: View, record: LeaseRecord): boolean {
  const [name, uid] = record.holder.split('/');
  return view.self.provesDeath && name === view.self.name && uid === view.self.uid && record.holder !== view.self.identity;
}

/**
 * The id of this container, or undefined while that is not certain. The status may still show the one before: it has
 * to run, to have started when PID 1 did, and never to have been seen terminated.
 */
export function ownContainerId(view: View): string | undefined {
  const { self } = view;
  if (!self.provesDeath || self.bornAt === undefined || view.now - self.bornAt < statusLagMs) return undefined;
  const own = exactPod(view, self);
  if (own === undefined || view.endedContainers?.includes(own.container.id ?? '') === true) return undefined;
  return startedAsWe(view, own.container, self.bornAt) ? own.container.id : undefined;
}

/** Both times are this node's; the kubelet rounds to whole seconds. */
function startedAsWe(view: View, container: PodSight['container'], bornAt: number): boolean {
  if (container.state !== 'running' || container.startedAt === undefined) return false;
  if (container.ended?.includes(container.id ?? '') === true) return false;
  const told = Date.parse(container.startedAt);
  const born = Date.parse(view.wall) - (view.now - bornAt);
  return told >= Math.floor(born / 1000) * 1000 && told <= born + startLagMs;
}
