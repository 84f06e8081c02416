/**
 * What the API server fills in when an object is created or changed. Every function answers a new object; none looks
 * at the store.
 */
import type { Dict } from './json.ts';
import { at, compact, dictAt, isDict, listAt, numberAt, textAt } from './json.ts';
import type { KubeObject } from './objects.ts';

/** What defaulting may ask for. */
export interface DefaultsHelp {
  /** A free cluster IP. */
  clusterIp(): string;
  now(): string;
}

export type Defaults = (object: KubeObject, help: DefaultsHelp) => KubeObject;

function container(value: unknown): unknown {
  if (!isDict(value)) return value;
  const image = textAt(value, 'image') ?? '';
  const floating = /(^|:)latest$/.test(image) || !/:[^/]*$/.test(image);
  return {
    ...value,
    ...(value['ports'] === undefined
      ? {}
      : {
          ports: listAt(value, 'ports').map((port) => (isDict(port) ? { ...port, protocol: port['protocol'] ?? 'TCP' } : port)),
        }),
    resources: value['resources'] ?? {},
    terminationMessagePath: value['terminationMessagePath'] ?? '/dev/termination-log',
    terminationMessagePolicy: value['terminationMessagePolicy'] ?? 'File',
    imagePullPolicy: value['imagePullPolicy'] ?? (floating ? 'Always' : 'IfNotPresent'),
  };
}

function podSpec(spec: Dict): Dict {
  const result: Dict = { ...spec };
  for (const list of ['containers', 'initContainers']) {
    if (Array.isArray(spec[list])) result[list] = listAt(spec, list).map(container);
  }
  result['restartPolicy'] ??= 'Always';
  result['terminationGracePeriodSeconds'] ??= 30;
  result['dnsPolicy'] ??= 'ClusterFirst';
  result['securityContext'] ??= {};
  result['schedulerName'] ??= 'default-scheduler';
  return result;
}

/** Pod: the spec's defaults; phase Pending on creation. */
export const podDefaults: Defaults = (pod) => {
  const spec = dictAt(pod, 'spec');
  const account = spec['serviceAccountName'] ?? 'default';
  const status = dictAt(pod, 'status');
  const conditions = listAt(status, 'conditions').map((item) =>
    isDict(item) ? { lastProbeTime: null, lastTransitionTime: null, ...item } : item,
  );
  return {
    ...pod,
    spec: {
      ...podSpec(spec),
      enableServiceLinks: spec['enableServiceLinks'] ?? true,
      preemptionPolicy: spec['preemptionPolicy'] ?? 'PreemptLowerPriority',
      priority: spec['priority'] ?? 0,
      serviceAccount: account,
      serviceAccountName: account,
      tolerations: tolerated(listAt(spec, 'tolerations')),
    },
    status: { phase: 'Pending', qosClass: 'BestEffort', ...status, ...(conditions.length === 0 ? {} : { conditions }) },
  };
};

/** Every pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise. */
function tolerated(tolerations: unknown[]): unknown[] {
  const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
  const has = (key: string): boolean =>
    tolerations.some(
      (item) => [key, undefined].includes(textAt(item, 'key')) && ['NoExecute', undefined].includes(textAt(item, 'effect')),
    );
  const missing = keys.filter((key) => !has(key));
  return [...tolerations, ...missing.map((key) => ({ effect: 'NoExecute', key, operator: 'Exists', tolerationSeconds: 300 }))];
}

/** Service: type, cluster IP, protocols and target ports. */
export const serviceDefaults: Defaults = (service, help) => {
  const spec = dictAt(service, 'spec');
  const type = textAt(spec, 'type') ?? 'ClusterIP';
  const ip = type === 'ExternalName' ? undefined : textAt(spec, 'clusterIP') || textAt(spec, 'clusterIPs', 0) || help.clusterIp();
  const ports = listAt(spec, 'ports').map((port) =>
    isDict(port) ? { ...port, protocol: port['protocol'] ?? 'TCP', targetPort: port['targetPort'] ?? port['port'] } : port,
  );
  return {
    ...service,
    spec: compact({
      ...spec,
      clusterIP: ip,
      clusterIPs: ip === undefined ? undefined : [ip],
      internalTrafficPolicy: spec['internalTrafficPolicy'] ?? (type === 'ExternalName' ? undefined : 'Cluster'),
      ipFamilies: spec['ipFamilies'] ?? ['IPv4'],
      ipFamilyPolicy: spec['ipFamilyPolicy'] ?? 'SingleStack',
      ports: ports.length === 0 ? undefined : ports,
      sessionAffinity: spec['sessionAffinity'] ?? 'None',
      type,
    }),
    status: { loadBalancer: {}, ...dictAt(service, 'status') },
  };
};

/** Secret: `stringData` becomes `data`; the type is Opaque. */
export const secretDefaults: Defaults = (secret) => {
  const { stringData, ...rest } = secret;
  const plain = Object.entries(dictAt({ stringData }, 'stringData')).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString('base64'),
  ]);
  const data = { ...dictAt(secret, 'data'), ...Object.fromEntries(plain) };
  return { ...rest, ...(Object.keys(data).length === 0 ? {} : { data }), type: secret['type'] || 'Opaque' } as KubeObject;
};

/** StatefulSet: update strategy, pod management, the template's pod defaults. */
export const statefulSetDefaults: Defaults = (set) => {
  const spec = dictAt(set, 'spec');
  const template = dictAt(spec, 'template');
  return {
    ...set,
    spec: {
      ...spec,
      persistentVolumeClaimRetentionPolicy: {
        whenDeleted: 'Retain',
        whenScaled: 'Retain',
        ...dictAt(spec, 'persistentVolumeClaimRetentionPolicy'),
      },
      podManagementPolicy: spec['podManagementPolicy'] ?? 'OrderedReady',
      replicas: numberAt(spec, 'replicas') ?? 1,
      revisionHistoryLimit: numberAt(spec, 'revisionHistoryLimit') ?? 10,
      template: { ...template, spec: podSpec(dictAt(template, 'spec')) },
      updateStrategy: spec['updateStrategy'] ?? { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    },
    status: { availableReplicas: 0, replicas: 0, ...dictAt(set, 'status') },
  };
};

/** PodDisruptionBudget: counts from the start. */
export const budgetDefaults: Defaults = (budget) => ({
  ...budget,
  status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0, ...dictAt(budget, 'status') },
});

/** PersistentVolumeClaim: volume mode; phase Pending. */
export const claimDefaults: Defaults = (claim) => ({
  ...claim,
  spec: { ...dictAt(claim, 'spec'), volumeMode: at(claim, 'spec', 'volumeMode') ?? 'Filesystem' },
  status: { phase: 'Pending', ...dictAt(claim, 'status') },
});

/** Namespace: its own name as a label, the finalizer, phase Active. */
export const namespaceDefaults: Defaults = (namespace) => ({
  ...namespace,
  metadata: {
    ...namespace.metadata,
    labels: { 'kubernetes.io/metadata.name': namespace.metadata.name, ...namespace.metadata.labels },
  },
  spec: { finalizers: ['kubernetes'] },
  status: { phase: 'Active', ...dictAt(namespace, 'status') },
});

/** RoleBinding: API groups of reference and subjects. */
export const bindingDefaults: Defaults = (binding) => ({
  ...binding,
  subjects: listAt(binding, 'subjects').map((subject) =>
    isDict(subject) && subject['kind'] !== 'ServiceAccount' ? { apiGroup: 'rbac.authorization.k8s.io', ...subject } : subject,
  ),
});

/** EndpointSlice: conditions as they come, protocols and port names filled in. */
export const sliceDefaults: Defaults = (slice) => ({
  ...slice,
  endpoints: slice['endpoints'] ?? null,
  ports: Array.isArray(slice['ports'])
    ? slice['ports'].map((port) => (isDict(port) ? { name: '', protocol: 'TCP', ...port } : port))
    : (slice['ports'] ?? null),
});
