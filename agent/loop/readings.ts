/**
 * Readings of the API server, each with its age: kept while fresh, taken again when stale, unknown once they have failed
 * for too long (I2). A watch takes over the lease and pods and says of the rest what to read again.
 */
import type { Mono, PodSight } from '../core/model.ts';
import { known, type Result, unknown } from '../core/result.ts';
import type { KubeHint, KubePort } from '../ports/kube.ts';
import type { Context } from './context.ts';
import { adoptLease } from './sight.ts';

/** Readings older than this are taken again; the watch makes them fresh in between. */
const listAgeMs = 30_000;
const slowAgeMs = 60_000;
/** A failed reading may serve for this long before it counts as unknown. */
const graceMs = 60_000;

/** A reading with its age: kept while fresh, taken again when stale, unknown when it has failed for too long. */
async function refresh<T>(
  ctx: Context,
  key: 'pods' | 'facts' | 'request',
  maxAgeMs: number,
  read: () => Promise<Result<T>>,
  get: () => { known: true; value: T; at: Mono } | { known: false; fault: unknown },
  set: (value: ReturnType<typeof known<T>> | ReturnType<typeof unknown<T>>) => void,
): Promise<void> {
  const { memory, ports } = ctx;
  const before = get();
  const now = ports.clock.now();
  if (before.known && now - before.at < maxAgeMs && !memory.stale.has(key)) return;
  memory.stale.delete(key);
  const result = await read();
  if (result.ok) {
    set(known(result.value, now));
    return;
  }
  memory.stale.add(key);
  if (!before.known || now - before.at > graceMs) set(unknown(result.fault));
}

export async function refreshPods(ctx: Context, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  await refresh(
    ctx,
    'pods',
    listAgeMs,
    () => ports.kube.listPods(deadlineMs),
    () => memory.pods,
    (value) => {
      memory.pods = value;
    },
  );
}

export async function refreshFacts(ctx: Context, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  const uninitialised = memory.facts.known && memory.facts.value.systemId === undefined;
  await refresh(
    ctx,
    'facts',
    uninitialised ? 1000 : slowAgeMs,
    () => ports.kube.readFacts(deadlineMs),
    () => memory.facts,
    (value) => {
      memory.facts = value;
    },
  );
}

export async function refreshRequest(ctx: Context, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  await refresh(
    ctx,
    'request',
    slowAgeMs,
    () => ports.kube.readRequest(deadlineMs),
    () => memory.request,
    (value) => {
      memory.request = value;
    },
  );
}

/** Changes a pod and takes over what came of it; after a fault the pods are read again. */
export async function changePod(
  ctx: Context,
  target: Parameters<KubePort['patchPod']>[0],
  change: Parameters<KubePort['patchPod']>[1],
): Promise<Result<PodSight>> {
  const { memory, ports } = ctx;
  const patched = await ports.kube.patchPod(target, change, memory.config.lease.requestTimeoutSeconds * 1000);
  if (!patched.ok) memory.stale.add('pods');
  else if (memory.pods.known) {
    const at = memory.pods.value.findIndex((one) => one.name === target.name);
    if (at >= 0) memory.pods.value[at] = patched.value;
  }
  return patched;
}

/** What a watch tells: the lease and pods are taken over, the rest is read again in the next cycle. */
export function onHint(ctx: Context, hint: KubeHint): void {
  const { memory } = ctx;
  switch (hint.of) {
    case 'lease': {
      const before = memory.lease.known ? memory.lease.value.record?.resourceVersion : undefined;
      if (hint.record === undefined) memory.stale.add('lease');
      else adoptLease(ctx, hint.record, undefined);
      if (hint.record?.resourceVersion === before || onlyRenewed(ctx, before)) return;
      break;
    }
    case 'pods':
      if (!takePod(memory.pods.known ? memory.pods.value : undefined, hint.pod, hint.deleted)) memory.stale.add('pods');
      break;
    case 'config':
    case 'facts':
    case 'request':
      memory.stale.add(hint.of);
      break;
    case 'resync':
      memory.stale.add('lease').add('pods').add('config').add('facts').add('request');
      break;
  }
  ctx.nudge();
}

/** A foreign renewal changes nothing to act on; waking every standby for it would double the load of the cluster. */
function onlyRenewed(ctx: Context, before: string | undefined): boolean {
  const record = ctx.memory.lease.known ? ctx.memory.lease.value.record : undefined;
  const shown = ctx.last?.view.lease;
  const last = shown?.known === true ? shown.value.record : undefined;
  if (before === undefined || record === undefined || last === undefined) return false;
  return record.holder === last.holder && record.term === last.term && record.holder !== '';
}

function takePod(pods: PodSight[] | undefined, pod: PodSight, deleted: boolean): boolean {
  if (pods === undefined) return false;
  const at = pods.findIndex((one) => one.name === pod.name);
  if (deleted) {
    if (at >= 0 && pods[at]?.uid === pod.uid) pods.splice(at, 1);
    return true;
  }
  if (at >= 0) pods[at] = pod;
  else pods.push(pod);
  pods.sort((a, b) => (a.name < b.name ? -1 : 1));
  return true;
}
