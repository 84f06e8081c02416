/**
 * DELETE as the API server does it: preconditions, time to stop for pods, finalizers, and what stays visible
 * meanwhile. A graceful deletion is finished by whoever plays the kubelet, with a second delete of zero seconds.
 */
import { kindNamed } from './kinds.ts';
import { isDict, listAt, numberAt, textAt } from './json.ts';
import type { KubeObject, Meta } from './objects.ts';
import type { Place } from './registry.ts';
import { kubeTime } from './registry.ts';
import * as status from './status.ts';
import type { ObjectStore } from './store.ts';

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  uid?: string;
  resourceVersion?: string;
  propagationPolicy?: string;
  dryRun: boolean;
}

/** `gone` false: the object still exists, with a deletionTimestamp. */
export interface Deletion {
  object: KubeObject;
  gone: boolean;
}

/** Reads the options of a DELETE from its body and its query. */
export function deleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  const grace =
    numberAt(body, 'gracePeriodSeconds') ??
    (query.has('gracePeriodSeconds') ? Number(query.get('gracePeriodSeconds')) : undefined);
  const uid = textAt(body, 'preconditions', 'uid');
  const resourceVersion = textAt(body, 'preconditions', 'resourceVersion');
  const propagationPolicy = textAt(body, 'propagationPolicy') ?? query.get('propagationPolicy') ?? undefined;
  const dry = query.has('dryRun') || (isDict(body) && listAt(body, 'dryRun').length > 0);
  return {
    dryRun: dry,
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
  };
}

function demandPreconditions(place: Place, object: KubeObject, options: DeleteOptions): void {
  if (options.uid !== undefined && options.uid !== object.metadata.uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${object.metadata.uid}). The object might have been deleted and then recreated`;
    throw status.failedPrecondition(place.kind, place.name, why);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== object.metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${object.metadata.resourceVersion}). The object might have been modified`;
    throw status.failedPrecondition(place.kind, place.name, why);
  }
}

/** Seconds a pod gets to stop; 0 for what never ran or has ended, and for every other kind. */
function graceOf(place: Place, object: KubeObject, options: DeleteOptions): number {
  if (!place.kind.graceful) return 0;
  const phase = textAt(object, 'status', 'phase');
  if (textAt(object, 'spec', 'nodeName') === undefined || phase === 'Succeeded' || phase === 'Failed') return 0;
  return options.gracePeriodSeconds ?? numberAt(object, 'spec', 'terminationGracePeriodSeconds') ?? 30;
}

/** A deletion under way is only moved, not counted as another change. */
function marked(object: KubeObject, grace: number, nowMs: number): KubeObject {
  const { generation, deletionTimestamp } = object.metadata;
  const counted = generation === undefined || deletionTimestamp !== undefined ? {} : { generation: generation + 1 };
  const metadata: Meta = {
    ...object.metadata,
    ...counted,
    deletionTimestamp: kubeTime(nowMs + grace * 1000),
    deletionGracePeriodSeconds: grace,
  };
  return { ...object, metadata };
}

/** What the garbage collector does for `kubectl delete --cascade=orphan`; pods are all that anything here owns. */
function orphanPods(store: ObjectStore, owner: KubeObject): void {
  const kind = kindNamed('pods');
  for (const pod of store.list(kind, owner.metadata.namespace)) {
    const owners = pod.metadata.ownerReferences ?? [];
    const others = owners.filter(({ uid }) => uid !== owner.metadata.uid);
    if (others.length < owners.length) store.put(kind, { ...pod, metadata: { ...pod.metadata, ownerReferences: others } });
  }
}

/** Deletes an object, or begins to. */
export function deleteObject(store: ObjectStore, place: Place, options: DeleteOptions, nowMs: number): Deletion {
  const object = store.get(place.kind, place.namespace, place.name);
  if (object === undefined) throw status.notFound(place.kind, place.name);
  demandPreconditions(place, object, options);
  const grace = graceOf(place, object, options);
  const waits = (object.metadata.finalizers ?? []).length > 0;
  const under = object.metadata.deletionTimestamp !== undefined;
  const put = (next: KubeObject): KubeObject => (options.dryRun ? next : store.put(place.kind, next));
  if (options.propagationPolicy === 'Orphan' && !options.dryRun) orphanPods(store, object);
  if (grace === 0 && !waits) {
    // A pod is seen with its deletionTimestamp before it is gone, as in Kubernetes.
    const last = place.kind.graceful ? put(marked(object, 0, nowMs)) : object;
    return { object: options.dryRun ? last : store.remove(place.kind, last), gone: true };
  }
  // A deletion under way can only be made shorter.
  if (under && grace >= (object.metadata.deletionGracePeriodSeconds ?? 0)) return { object, gone: false };
  return { object: put(marked(object, grace, nowMs)), gone: false };
}
