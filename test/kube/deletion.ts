/**
 * DELETE as the API server does it: preconditions, time to stop for pods, finalizers, and what stays visible
 * meanwhile. A graceful deletion is finished by whoever plays the kubelet, with a second delete of zero seconds.
 */
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
  const dry = query.has('dryRun') || (isDict(body) && listAt(body, 'dryRun').length > 0);
  return {
    dryRun: dry,
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function demandPreconditions(place: Place, object: KubeObject, options: DeleteOptions): void {
  if (options.uid !== undefined && options.uid !== object.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${object.metadata.uid}`;
    throw status.conflict(place.kind, place.name, why);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== object.metadata.resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${object.metadata.resourceVersion}`;
    throw status.conflict(place.kind, place.name, why);
  }
}

/** Seconds a pod gets to stop; 0 for what never ran or has ended, and for every other kind. */
function graceOf(place: Place, object: KubeObject, options: DeleteOptions): number {
  if (!place.kind.graceful) return 0;
  const phase = textAt(object, 'status', 'phase');
  if (textAt(object, 'spec', 'nodeName') === undefined || phase === 'Succeeded' || phase === 'Failed') return 0;
  return options.gracePeriodSeconds ?? numberAt(object, 'spec', 'terminationGracePeriodSeconds') ?? 30;
}

function marked(object: KubeObject, grace: number, nowMs: number): KubeObject {
  const metadata: Meta = {
    ...object.metadata,
    deletionTimestamp: kubeTime(nowMs + grace * 1000),
    deletionGracePeriodSeconds: grace,
    ...(object.metadata.generation === undefined ? {} : { generation: object.metadata.generation + 1 }),
  };
  return { ...object, metadata };
}

/** Deletes an object, or begins to. */
export function deleteObject(store: ObjectStore, place: Place, options: DeleteOptions, nowMs: number): Deletion {
  const object = store.get(place.kind, place.namespace, place.name);
  if (object === undefined) throw status.notFound(place.kind, place.name);
  demandPreconditions(place, object, options);
  const grace = graceOf(place, object, options);
  const waits = (object.metadata.finalizers ?? []).length > 0;
  const under = object.metadata.deletionTimestamp !== undefined;
  if (grace === 0 && !waits) return { object: options.dryRun ? object : store.remove(place.kind, object), gone: true };
  const left = object.metadata.deletionGracePeriodSeconds ?? 0;
  // A deletion under way can only be made shorter.
  if (under && grace >= left) return { object, gone: false };
  const next = marked(object, grace, nowMs);
  return { object: options.dryRun ? next : store.put(place.kind, next), gone: false };
}
