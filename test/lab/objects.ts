/**
 * The Kubernetes objects of a lab, as the manifests and the controllers of a real cluster would make them: names and
 * labels of the manifests. Builders only; nothing here talks to the server.
 */
import type { Ports } from './addresses.ts';

export interface Names {
  namespace: string;
  cluster: string;
}

/** The name that the StatefulSet has, and its service account too. */
export function setName(names: Names): string {
  return `og-${names.cluster}`;
}

export function podName(names: Names, index: number): string {
  return `${setName(names)}-${index}`;
}

/** The node that a member runs on. */
export function nodeName(index: number): string {
  return `node-${index}`;
}

/** Labels of every object of the cluster. */
export function commonLabels(names: Names): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'opengauss',
    'app.kubernetes.io/instance': names.cluster,
    'app.kubernetes.io/component': 'database',
    'opengauss.cluster': names.cluster,
  };
}

/** One object with the collection that it is created in. */
export interface Placed {
  collection: string;
  object: { metadata: { name: string; [field: string]: unknown }; [field: string]: unknown };
}

const core = (names: Names, plural: string) => `/api/v1/namespaces/${names.namespace}/${plural}`;

/** Everything that people or controllers create besides the pods. */
export function clusterObjects(names: Names, options: ClusterOptions): Placed[] {
  const name = setName(names);
  const meta = (own: string) => ({ name: own, namespace: names.namespace, labels: commonLabels(names) });
  const service = (own: string, selector: Record<string, string>, extra: Record<string, unknown> = {}): Placed => ({
    collection: core(names, 'services'),
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: meta(own),
      spec: {
        type: 'ClusterIP',
        selector: { 'opengauss.cluster': names.cluster, ...selector },
        ports: [{ name: 'opengauss', port: options.ports.client, targetPort: options.ports.client, protocol: 'TCP' }],
        ...extra,
      },
    },
  });
  return [
    { collection: '/api/v1/namespaces', object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: names.namespace } } },
    {
      collection: core(names, 'serviceaccounts'),
      object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta(name) },
    },
    {
      collection: core(names, 'secrets'),
      object: { apiVersion: 'v1', kind: 'Secret', metadata: meta(`${name}-auth`), type: 'Opaque', data: encode(options.secret) },
    },
    {
      collection: core(names, 'configmaps'),
      object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: meta(`${name}-config`), data: { 'config.yaml': options.config } },
    },
    service(`${name}-pods`, {}, { clusterIP: 'None', publishNotReadyAddresses: true }),
    service(`${name}-svc`, { 'opengauss.role': 'primary' }),
    service(`${name}-svc-read`, { 'opengauss.readable': 'true' }),
    statefulSet(names, options),
    ...nodes(options.members),
  ];
}

/** The pods' nodes: a pod on a node that does not exist has no endpoint, as in Kubernetes. */
function nodes(count: number): Placed[] {
  return Array.from({ length: count }, (_, index) => ({
    collection: '/api/v1/nodes',
    object: {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: nodeName(index), labels: { 'kubernetes.io/hostname': nodeName(index) } },
      status: { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }] },
    },
  }));
}

export interface ClusterOptions {
  members: number;
  ports: Ports;
  secret: Record<string, string>;
  /** Text of the dynamic configuration. */
  config: string;
}

function encode(secret: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(secret).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
}

function statefulSet(names: Names, options: ClusterOptions): Placed {
  const labels = commonLabels(names);
  return {
    collection: `/apis/apps/v1/namespaces/${names.namespace}/statefulsets`,
    object: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: setName(names), namespace: names.namespace, labels },
      spec: {
        replicas: options.members,
        serviceName: `${setName(names)}-pods`,
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: { 'opengauss.cluster': names.cluster } },
        template: { metadata: { labels }, spec: podSpec(names, options.ports) },
      },
    },
  };
}

function podSpec(names: Names, ports: Ports): Record<string, unknown> {
  const port = (name: string, containerPort: number) => ({ name, containerPort, protocol: 'TCP' });
  return {
    serviceAccountName: setName(names),
    terminationGracePeriodSeconds: 30,
    containers: [
      {
        name: 'og',
        image: 'lab/opengauss:stand-in',
        ports: [
          port('opengauss', ports.client),
          port('ha', ports.ha),
          port('heartbeat', ports.heartbeat),
          port('http', ports.http),
          port('peer', ports.peer),
        ],
        readinessProbe: { tcpSocket: { port: ports.ready }, periodSeconds: 1, failureThreshold: 3 },
      },
    ],
  };
}

/** A member's pod as the StatefulSet controller creates it; `setUid` names the owner. */
export function podObject(names: Names, index: number, ports: Ports, setUid: string): Placed {
  const name = podName(names, index);
  return {
    collection: core(names, 'pods'),
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: names.namespace,
        labels: {
          ...commonLabels(names),
          'apps.kubernetes.io/pod-index': String(index),
          'statefulset.kubernetes.io/pod-name': name,
        },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'StatefulSet',
            name: setName(names),
            uid: setUid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: {
        ...podSpec(names, ports),
        hostname: name,
        subdomain: `${setName(names)}-pods`,
        nodeName: nodeName(index),
      },
    },
  };
}

/** What the kubelet last saw of a container. */
export interface ContainerSight {
  state:
    | { waiting: { reason: string; message?: string } }
    | { running: { startedAt: string } }
    | { terminated: { exitCode: number; reason: string; startedAt: string; finishedAt: string; containerID: string } };
  lastState: Record<string, unknown>;
  id: string | undefined;
  restarts: number;
}

/** The status document that the kubelet writes. */
export function podStatus(ip: string, container: ContainerSight, ready: boolean, since: string): Record<string, unknown> {
  const running = 'running' in container.state;
  const condition = (type: string, on: boolean, reason?: string) => ({
    type,
    status: on ? 'True' : 'False',
    lastProbeTime: null,
    lastTransitionTime: since,
    ...(on || reason === undefined ? {} : { reason }),
  });
  return {
    phase: 'Running',
    hostIP: '127.0.0.1',
    podIP: ip,
    podIPs: [{ ip }],
    startTime: since,
    conditions: [
      condition('PodScheduled', true),
      condition('Initialized', true),
      condition('ContainersReady', ready, 'ContainersNotReady'),
      condition('Ready', ready, 'ContainersNotReady'),
    ],
    containerStatuses: [
      {
        name: 'og',
        image: 'lab/opengauss:stand-in',
        imageID: 'lab/opengauss:stand-in',
        containerID: container.id ?? '',
        ready,
        started: running,
        restartCount: container.restarts,
        state: container.state,
        lastState: container.lastState,
      },
    ],
  };
}
