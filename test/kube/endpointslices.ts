/**
 * The EndpointSlice controller: for each Service with a selector one slice per set of ports, which follows labels,
 * addresses, readiness and termination of its pods. Works on the store directly, within the turn of the event loop
 * that follows a change; a real one takes about 15 ms.
 */
import { randomUUID } from 'node:crypto';
import type { Dict } from './json.ts';
import { at, compact, isDict, listAt, numberAt, same, textAt, textsAt } from './json.ts';
import { kindNamed } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import { kubeTime, nameSuffix } from './registry.ts';
import { plainMatcher } from './selectors.ts';
import type { Change, ObjectStore } from './store.ts';

const MANAGER = 'endpointslice-controller.k8s.io';
const SERVICE_NAME = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const HEADLESS = 'service.kubernetes.io/headless';
const TRIGGER = 'endpoints.kubernetes.io/last-change-trigger-time';

function isReady(pod: KubeObject): boolean {
  return listAt(pod, 'status', 'conditions').some(
    (item) => textAt(item, 'type') === 'Ready' && textAt(item, 'status') === 'True',
  );
}

/** Pods that ended, and pods without an address, have no endpoint. */
function hasEndpoint(pod: KubeObject): boolean {
  const phase = textAt(pod, 'status', 'phase');
  return phase !== 'Succeeded' && phase !== 'Failed' && (textAt(pod, 'status', 'podIP') ?? '') !== '';
}

function targetPort(pod: KubeObject, port: unknown): number | undefined {
  const target = at(port, 'targetPort');
  if (typeof target === 'number') return target;
  const protocol = textAt(port, 'protocol') ?? 'TCP';
  for (const container of listAt(pod, 'spec', 'containers'))
    for (const item of listAt(container, 'ports'))
      if (textAt(item, 'name') === target && (textAt(item, 'protocol') ?? 'TCP') === protocol)
        return numberAt(item, 'containerPort');
  return undefined;
}

function portsOf(service: KubeObject, pod: KubeObject): Dict[] {
  return listAt(service, 'spec', 'ports').flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const appProtocol = textAt(port, 'appProtocol');
    return [
      compact({ name: textAt(port, 'name') ?? '', port: number, protocol: textAt(port, 'protocol') ?? 'TCP', appProtocol }),
    ];
  });
}

function endpointOf(service: KubeObject, pod: KubeObject, node: KubeObject | undefined): Dict {
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const published = at(service, 'spec', 'publishNotReadyAddresses') === true;
  const hostname = textAt(pod, 'spec', 'hostname');
  const named = hostname !== undefined && textAt(pod, 'spec', 'subdomain') === service.metadata.name;
  return compact({
    addresses: [textAt(pod, 'status', 'podIP')],
    conditions: { ready: published || (serving && !terminating), serving, terminating },
    hostname: named ? hostname : undefined,
    nodeName: textAt(pod, 'spec', 'nodeName'),
    targetRef: { kind: 'Pod', name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid },
    zone: node?.metadata.labels?.['topology.kubernetes.io/zone'],
  });
}

interface Wanted {
  ports: Dict[];
  endpoints: Dict[];
}

/** Runs until stopped; the answer stops it. */
export function startEndpointSlices(store: ObjectStore, now: () => number): () => void {
  const kinds = {
    pods: kindNamed('pods'),
    services: kindNamed('services'),
    slices: kindNamed('endpointslices'),
    nodes: kindNamed('nodes'),
  };
  const due = new Set<string>();
  let scheduled: NodeJS.Immediate | undefined;

  function wantedFor(service: KubeObject): Wanted[] {
    const selects = plainMatcher(at(service, 'spec', 'selector'));
    const groups = new Map<string, Wanted>();
    for (const pod of store.list(kinds.pods, service.metadata.namespace)) {
      if (!selects(pod.metadata.labels ?? {}) || !hasEndpoint(pod)) continue;
      const node = store.get(kinds.nodes, '', textAt(pod, 'spec', 'nodeName') ?? '');
      // As in Kubernetes: a pod on a node that does not exist is left out, unless the Service publishes everything.
      if (node === undefined && at(service, 'spec', 'publishNotReadyAddresses') !== true) continue;
      const ports = portsOf(service, pod);
      const key = JSON.stringify(ports);
      const group = groups.get(key) ?? { ports, endpoints: [] };
      group.endpoints.push(endpointOf(service, pod, node));
      groups.set(key, group);
    }
    return groups.size === 0 ? [{ ports: [], endpoints: [] }] : [...groups.values()];
  }

  function labelsOf(service: KubeObject): Record<string, string> {
    const labels = { ...service.metadata.labels, [SERVICE_NAME]: service.metadata.name, [MANAGED_BY]: MANAGER };
    return textAt(service, 'spec', 'clusterIP') === 'None' ? { ...labels, [HEADLESS]: '' } : labels;
  }

  function newSlice(service: KubeObject, wanted: Wanted): KubeObject {
    const owner = {
      apiVersion: 'v1',
      kind: 'Service',
      name: service.metadata.name,
      uid: service.metadata.uid,
      controller: true,
      blockOwnerDeletion: true,
    };
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      addressType: 'IPv4',
      metadata: {
        name: `${service.metadata.name}-${nameSuffix()}`,
        generateName: `${service.metadata.name}-`,
        namespace: service.metadata.namespace ?? '',
        uid: randomUUID(),
        resourceVersion: '',
        creationTimestamp: kubeTime(now()),
        generation: 1,
        labels: labelsOf(service),
        annotations: { [TRIGGER]: kubeTime(now()) },
        ownerReferences: [owner],
      },
      endpoints: wanted.endpoints.length === 0 ? null : wanted.endpoints,
      ports: wanted.ports.length === 0 ? null : wanted.ports,
    };
  }

  function ownSlices(service: KubeObject): KubeObject[] {
    return store
      .list(kinds.slices, service.metadata.namespace)
      .filter(
        (slice) =>
          slice.metadata.labels?.[SERVICE_NAME] === service.metadata.name && slice.metadata.labels[MANAGED_BY] === MANAGER,
      );
  }

  function sync(key: string): void {
    const [namespace = '', name = ''] = key.split('/');
    const service = store.get(kinds.services, namespace, name);
    if (service === undefined || Object.keys(textsAt(service, 'spec', 'selector')).length === 0) {
      removeSlices(namespace, name);
      return;
    }
    const left = ownSlices(service);
    const take = (fits: (slice: KubeObject) => boolean): KubeObject | undefined => {
      const place = left.findIndex(fits);
      return place < 0 ? undefined : left.splice(place, 1)[0];
    };
    for (const wanted of wantedFor(service)) {
      // One slice per set of ports; one whose ports nobody needs any more is used again.
      const ports = wanted.ports.length === 0 ? null : wanted.ports;
      const slice = take((item) => same(item['ports'] ?? null, ports)) ?? take(() => true);
      const fresh = newSlice(service, wanted);
      if (slice === undefined) store.put(kinds.slices, fresh);
      else change(slice, fresh);
    }
    for (const slice of left) store.remove(kinds.slices, slice);
  }

  function change(slice: KubeObject, fresh: KubeObject): void {
    const next: KubeObject = {
      ...slice,
      endpoints: fresh['endpoints'],
      ports: fresh['ports'],
      metadata: { ...slice.metadata, labels: fresh.metadata.labels ?? {}, annotations: fresh.metadata.annotations ?? {} },
    };
    const unchanged =
      same(next['endpoints'], slice['endpoints']) &&
      same(next['ports'], slice['ports']) &&
      same(next.metadata.labels, slice.metadata.labels);
    if (unchanged) return;
    store.put(kinds.slices, { ...next, metadata: { ...next.metadata, generation: (slice.metadata.generation ?? 1) + 1 } });
  }

  function removeSlices(namespace: string, service: string): void {
    for (const slice of store.list(kinds.slices, namespace))
      if (slice.metadata.labels?.[SERVICE_NAME] === service && slice.metadata.labels[MANAGED_BY] === MANAGER)
        store.remove(kinds.slices, slice);
  }

  function schedule(service: KubeObject): void {
    due.add(`${service.metadata.namespace ?? ''}/${service.metadata.name}`);
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      const keys = [...due];
      due.clear();
      for (const key of keys) sync(key);
    });
  }

  function onChange(change: Change): void {
    if (change.storage === 'services') schedule(change.object);
    else if (change.storage === 'nodes' && change.type !== 'MODIFIED')
      for (const service of store.list(kinds.services)) schedule(service);
    else if (change.storage === 'pods') for (const service of servicesOf(change)) schedule(service);
    else if (change.storage === 'endpointslices') repair(change);
  }

  /** A slice that somebody else deleted or edited is put right. */
  function repair(change: Change): void {
    const name = change.object.metadata.labels?.[SERVICE_NAME];
    const service = name === undefined ? undefined : store.get(kinds.services, change.object.metadata.namespace ?? '', name);
    if (service !== undefined && isDict(at(service, 'spec', 'selector'))) schedule(service);
  }

  function servicesOf(change: Change): KubeObject[] {
    return store.list(kinds.services, change.object.metadata.namespace).filter((service) => {
      const selects = plainMatcher(at(service, 'spec', 'selector'));
      return (
        selects(change.object.metadata.labels ?? {}) ||
        (change.previous !== undefined && selects(change.previous.metadata.labels ?? {}))
      );
    });
  }

  const unsubscribe = store.subscribe(onChange);
  return () => {
    unsubscribe();
    if (scheduled !== undefined) clearImmediate(scheduled);
  };
}
