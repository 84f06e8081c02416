/**
 * What a running lab learns from the API server's objects: pods go to the members that play them, ready endpoints to
 * the services, and the StatefulSet gets the status its controller would write. It changes no pod.
 */
import type { KubeObject } from './api.ts';
import type { Frame, Parts, Undo } from './frame.ts';
import { setName } from './objects.ts';

/** Follows pods and EndpointSlices until undone. */
export function followObjects(frame: Frame, parts: Parts, undo: Undo[]) {
  const { options, api, addresses, services } = frame;
  // A kubelet knows its pods by their node, whatever labels somebody takes from them.
  const pods = api.watch(`/api/v1/namespaces/${options.namespace}/pods`, ({ type, object }) => {
    const { name } = object.metadata;
    const member = parts.members.find((one) => one.name === name);
    if (member === undefined) return;
    if (type === 'DELETED') {
      parts.pods.delete(name);
      member.podDeleted(object);
    } else {
      parts.pods.set(name, object);
      member.podChanged(object);
    }
    void reportSet(frame, parts);
  });
  const slices = new Map<string, KubeObject>();
  const endpoints = api.watch(`/apis/discovery.k8s.io/v1/namespaces/${options.namespace}/endpointslices`, ({ type, object }) => {
    if (type === 'DELETED') slices.delete(object.metadata.name);
    else slices.set(object.metadata.name, object);
    const port = addresses.members[0]?.ports.client ?? 5432;
    const of = (service: string) => readyAddresses(slices, service).map((host) => ({ host, port }));
    services.write.setEndpoints(of(`${setName(options)}-svc`));
    services.read.setEndpoints(of(`${setName(options)}-svc-read`));
  });
  undo.push(() => {
    pods.stop();
    endpoints.stop();
  });
}

/** The StatefulSet's status, as its controller keeps it; only for people who look. */
async function reportSet(frame: Frame, parts: Parts) {
  const ready = [...parts.pods.values()].filter(isReady).length;
  const counts = {
    replicas: parts.pods.size,
    readyReplicas: ready,
    availableReplicas: ready,
    currentReplicas: parts.pods.size,
    updatedReplicas: parts.pods.size,
  };
  const text = JSON.stringify(counts);
  if (frame.ended || text === frame.setStatus) return;
  frame.setStatus = text;
  const path = `/apis/apps/v1/namespaces/${frame.options.namespace}/statefulsets/${setName(frame.options)}/status`;
  await frame.api.merge(path, { status: counts }).catch(() => undefined);
}

/** Whether the pod's readiness probe passes. */
export function isReady(pod: KubeObject): boolean {
  const conditions = (pod['status']?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

interface SliceEndpoint {
  addresses: string[];
  conditions?: { ready?: boolean };
}

function readyAddresses(slices: Map<string, KubeObject>, service: string): string[] {
  const own = [...slices.values()].filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === service);
  const all = own.flatMap((slice) => (slice['endpoints'] ?? []) as SliceEndpoint[]);
  return all.filter((endpoint) => endpoint.conditions?.ready !== false).flatMap((endpoint) => endpoint.addresses);
}
