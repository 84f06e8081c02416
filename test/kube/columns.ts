/**
 * Columns and cells of each kind, in the words of `kubectl get`.
 */
import type { Dict } from './json.ts';
import { at, dictAt, isDict, listAt, numberAt, textAt } from './json.ts';
import type { KubeObject } from './objects.ts';

export interface Column {
  name: string;
  wide?: boolean;
  integer?: boolean;
  date?: boolean;
  cell(object: KubeObject, nowMs: number): unknown;
}

/** A duration as kubectl shows ages: `45s`, `3m10s`, `2h`, `5d`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  return `${Math.floor(days / 365)}y`;
}

function since(time: unknown, nowMs: number): string {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(ms) ? '<unknown>' : humanDuration(nowMs - ms);
}

const NAME: Column = { name: 'Name', cell: (object) => object.metadata.name };
const AGE: Column = { name: 'Age', cell: (object, nowMs) => since(object.metadata.creationTimestamp, nowMs) };

function wide(name: string, cell: Column['cell']): Column {
  return { name, wide: true, cell };
}

function col(name: string, cell: Column['cell']): Column {
  return { name, cell };
}

function stateReason(status: unknown): string | undefined {
  const waiting = textAt(status, 'state', 'waiting', 'reason');
  if (waiting) return waiting;
  const ended = dictAt(status, 'state')['terminated'];
  if (!isDict(ended)) return undefined;
  const signal = numberAt(ended, 'signal') ?? 0;
  return textAt(ended, 'reason') || (signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberAt(ended, 'exitCode') ?? 0}`);
}

function podStatus(pod: KubeObject): string {
  let reason = textAt(pod, 'status', 'reason') || textAt(pod, 'status', 'phase') || '';
  for (const status of listAt(pod, 'status', 'containerStatuses').toReversed()) reason = stateReason(status) ?? reason;
  if (pod.metadata.deletionTimestamp === undefined) return reason;
  return textAt(pod, 'status', 'reason') === 'NodeLost' ? 'Unknown' : 'Terminating';
}

function podReady(pod: KubeObject): string {
  const statuses = listAt(pod, 'status', 'containerStatuses');
  return `${statuses.filter((status) => at(status, 'ready') === true).length}/${listAt(pod, 'spec', 'containers').length}`;
}

function podRestarts(pod: KubeObject, nowMs: number): string {
  const statuses = listAt(pod, 'status', 'containerStatuses');
  const count = statuses.reduce<number>((sum, status) => sum + (numberAt(status, 'restartCount') ?? 0), 0);
  const last = statuses
    .map((status) => textAt(status, 'lastState', 'terminated', 'finishedAt'))
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
  return count > 0 && last !== undefined ? `${count} (${since(last, nowMs)} ago)` : String(count);
}

function podGates(pod: KubeObject): string {
  const gates = listAt(pod, 'spec', 'readinessGates');
  if (gates.length === 0) return '<none>';
  const met = gates.filter((gate) =>
    listAt(pod, 'status', 'conditions').some(
      (item) => textAt(item, 'type') === textAt(gate, 'conditionType') && textAt(item, 'status') === 'True',
    ),
  );
  return `${met.length}/${gates.length}`;
}

const PODS: Column[] = [
  NAME,
  col('Ready', podReady),
  col('Status', podStatus),
  col('Restarts', podRestarts),
  AGE,
  wide('IP', (pod) => textAt(pod, 'status', 'podIP') || '<none>'),
  wide('Node', (pod) => textAt(pod, 'spec', 'nodeName') || '<none>'),
  wide('Nominated Node', (pod) => textAt(pod, 'status', 'nominatedNodeName') || '<none>'),
  wide('Readiness Gates', podGates),
];

/** Reads both forms of Event. */
function eventField(event: KubeObject, core: string, served: string): unknown {
  // Times that are not set are served as null.
  return event[core] ?? event[served] ?? undefined;
}

function firstSeen(event: KubeObject, nowMs: number): string {
  const first = eventField(event, 'firstTimestamp', 'deprecatedFirstTimestamp');
  return first === undefined ? since(event['eventTime'], nowMs) : since(first, nowMs);
}

function lastSeen(event: KubeObject, nowMs: number): string {
  const series = dictAt(event, 'series')['lastObservedTime'];
  const last = eventField(event, 'lastTimestamp', 'deprecatedLastTimestamp') ?? series;
  return last === undefined ? firstSeen(event, nowMs) : since(last, nowMs);
}

function eventObject(event: KubeObject): string {
  const about = dictAt(eventField(event, 'involvedObject', 'regarding'));
  const kind = String(about['kind'] ?? '').toLowerCase();
  return about['name'] === undefined ? kind : `${kind}/${String(about['name'])}`;
}

function eventSource(event: KubeObject): string {
  const source = dictAt(eventField(event, 'source', 'deprecatedSource'));
  const component = String(source['component'] ?? eventField(event, 'reportingComponent', 'reportingController') ?? '');
  const host = String(source['host'] ?? event['reportingInstance'] ?? '');
  return host === '' ? component : `${component}, ${host}`;
}

const EVENTS: Column[] = [
  col('Last Seen', lastSeen),
  col('Type', (event) => event['type'] ?? ''),
  col('Reason', (event) => event['reason'] ?? ''),
  col('Object', eventObject),
  wide('Subobject', (event) => textAt(eventField(event, 'involvedObject', 'regarding'), 'fieldPath') ?? ''),
  wide('Source', eventSource),
  col('Message', (event) => String(eventField(event, 'message', 'note') ?? '').trim()),
  wide('First Seen', firstSeen),
  wide('Count', (event) => numberAt(event, 'series', 'count') ?? eventField(event, 'count', 'deprecatedCount') ?? 1),
  wide('Name', (event) => event.metadata.name),
];

/** A few of many, as kubectl shortens lists. */
function few(items: string[], limit: number): string {
  if (items.length === 0) return '<none>';
  const more = items.length > limit ? ` + ${items.length - limit} more...` : '';
  return items.slice(0, limit).join(',') + more;
}

const SLICES: Column[] = [
  NAME,
  col('AddressType', (slice) => slice['addressType'] ?? ''),
  col('Ports', (slice) => {
    const ports = listAt(slice, 'ports');
    return ports.length === 0
      ? '<unset>'
      : few(
          ports.map((port) => String(at(port, 'port') ?? '*')),
          3,
        );
  }),
  col('Endpoints', (slice) => {
    const addresses = listAt(slice, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String));
    return addresses.length === 0 ? '<unset>' : few(addresses, 3);
  }),
  AGE,
];

function selectorText(selector: Dict): string {
  const pairs = Object.entries(selector).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? '<none>' : pairs.map(([key, value]) => `${key}=${String(value)}`).join(',');
}

const SERVICES: Column[] = [
  NAME,
  col('Type', (service) => textAt(service, 'spec', 'type') ?? ''),
  col('Cluster-IP', (service) => textAt(service, 'spec', 'clusterIP') ?? '<none>'),
  col('External-IP', (service) => textAt(service, 'spec', 'externalName') ?? '<none>'),
  col('Port(s)', (service) => {
    const ports = listAt(service, 'spec', 'ports').map((port) => {
      const node = numberAt(port, 'nodePort');
      return `${numberAt(port, 'port') ?? ''}${node === undefined ? '' : `:${node}`}/${textAt(port, 'protocol') ?? 'TCP'}`;
    });
    return ports.length === 0 ? '<none>' : ports.join(',');
  }),
  AGE,
  wide('Selector', (service) => selectorText(dictAt(service, 'spec', 'selector'))),
];

function containersOf(set: KubeObject, field: string): string {
  return listAt(set, 'spec', 'template', 'spec', 'containers')
    .map((item) => textAt(item, field) ?? '')
    .join(',');
}

function readyNode(node: KubeObject): string {
  const ready = listAt(node, 'status', 'conditions').find((item) => textAt(item, 'type') === 'Ready');
  const word = ready === undefined ? 'Unknown' : textAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
  return at(node, 'spec', 'unschedulable') === true ? `${word},SchedulingDisabled` : word;
}

function nodeRoles(node: KubeObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(node.metadata.labels ?? {})
    .filter((label) => label.startsWith(prefix))
    .map((label) => label.slice(prefix.length));
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

function nodeAddress(type: string): Column['cell'] {
  return (node) =>
    textAt(
      listAt(node, 'status', 'addresses').find((item) => textAt(item, 'type') === type),
      'address',
    ) ?? '<none>';
}

const MODES: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

function subjects(binding: KubeObject, kind: string): string {
  return listAt(binding, 'subjects')
    .filter((subject) => textAt(subject, 'kind') === kind)
    .map((subject) =>
      kind === 'ServiceAccount'
        ? `${textAt(subject, 'namespace') ?? ''}/${textAt(subject, 'name') ?? ''}`
        : (textAt(subject, 'name') ?? ''),
    )
    .join(', ');
}

function budgetLimit(budget: KubeObject, field: string): string {
  const value = at(budget, 'spec', field);
  return value === undefined ? 'N/A' : String(value);
}

function size(...parts: string[]): Column['cell'] {
  return (object) => parts.reduce((sum, part) => sum + Object.keys(dictAt(object, part)).length, 0);
}

/** By plural name; `''` is for kinds without columns of their own. */
export const CELLS: Record<string, Column[]> = {
  '': [NAME, { name: 'Created At', date: true, cell: (object) => object.metadata.creationTimestamp }],
  pods: PODS,
  events: EVENTS,
  endpointslices: SLICES,
  services: SERVICES,
  leases: [NAME, col('Holder', (lease) => textAt(lease, 'spec', 'holderIdentity') ?? ''), AGE],
  configmaps: [NAME, col('Data', size('data', 'binaryData')), AGE],
  secrets: [NAME, col('Type', (secret) => secret['type'] ?? ''), col('Data', size('data')), AGE],
  serviceaccounts: [NAME, AGE],
  namespaces: [NAME, col('Status', (space) => textAt(space, 'status', 'phase') ?? ''), AGE],
  statefulsets: [
    NAME,
    col('Ready', (set) => `${numberAt(set, 'status', 'readyReplicas') ?? 0}/${numberAt(set, 'spec', 'replicas') ?? 1}`),
    AGE,
    wide('Containers', (set) => containersOf(set, 'name')),
    wide('Images', (set) => containersOf(set, 'image')),
  ],
  persistentvolumeclaims: [
    NAME,
    col('Status', (claim) =>
      claim.metadata.deletionTimestamp === undefined ? (textAt(claim, 'status', 'phase') ?? '') : 'Terminating',
    ),
    col('Volume', (claim) => textAt(claim, 'spec', 'volumeName') ?? ''),
    col('Capacity', (claim) => textAt(claim, 'status', 'capacity', 'storage') ?? ''),
    col('Access Modes', (claim) =>
      listAt(claim, 'status', 'accessModes')
        .map((mode) => MODES[String(mode)] ?? String(mode))
        .join(','),
    ),
    col('StorageClass', (claim) => textAt(claim, 'spec', 'storageClassName') ?? ''),
    col('VolumeAttributesClass', (claim) => textAt(claim, 'spec', 'volumeAttributesClassName') ?? '<unset>'),
    AGE,
    wide('VolumeMode', (claim) => textAt(claim, 'spec', 'volumeMode') ?? '<unset>'),
  ],
  nodes: [
    NAME,
    col('Status', readyNode),
    col('Roles', nodeRoles),
    AGE,
    col('Version', (node) => textAt(node, 'status', 'nodeInfo', 'kubeletVersion') ?? ''),
    wide('Internal-IP', nodeAddress('InternalIP')),
    wide('External-IP', nodeAddress('ExternalIP')),
    wide('OS-Image', (node) => textAt(node, 'status', 'nodeInfo', 'osImage') || '<unknown>'),
    wide('Kernel-Version', (node) => textAt(node, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>'),
    wide('Container-Runtime', (node) => textAt(node, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>'),
  ],
  poddisruptionbudgets: [
    NAME,
    col('Min Available', (budget) => budgetLimit(budget, 'minAvailable')),
    col('Max Unavailable', (budget) => budgetLimit(budget, 'maxUnavailable')),
    { name: 'Allowed Disruptions', integer: true, cell: (budget) => numberAt(budget, 'status', 'disruptionsAllowed') ?? 0 },
    AGE,
  ],
  rolebindings: [
    NAME,
    col('Role', (binding) => `${textAt(binding, 'roleRef', 'kind') ?? ''}/${textAt(binding, 'roleRef', 'name') ?? ''}`),
    AGE,
    wide('Users', (binding) => subjects(binding, 'User')),
    wide('Groups', (binding) => subjects(binding, 'Group')),
    wide('ServiceAccounts', (binding) => subjects(binding, 'ServiceAccount')),
  ],
};
