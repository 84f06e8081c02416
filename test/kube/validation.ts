/**
 * What makes an object invalid, by kind: the rules that the agent, its manifests and kubectl can run into, with the
 * fields and sentences of Kubernetes 1.36. Pure; the store's rules (versions, deletion) are elsewhere.
 */
import type { Dict } from './json.ts';
import { at, dictAt, isDict, listAt, numberAt, same, textAt, textsAt } from './json.ts';
import type { KubeObject } from './objects.ts';
import { labelSelectorMatcher } from './selectors.ts';
import type { FieldError } from './status.ts';

/** `old` is absent on creation. */
export type Validation = (object: KubeObject, old: KubeObject | undefined) => FieldError[];

const LEASE_RULES: [field: string, holds: (value: number) => boolean, detail: string][] = [
  ['leaseDurationSeconds', (value) => value > 0, 'must be greater than 0'],
  ['leaseTransitions', (value) => value >= 0, 'must be greater than or equal to 0'],
];

/** Lease: positive duration, transitions not negative; an empty holder is fine. */
export const leaseErrors: Validation = (lease) => {
  const errors: FieldError[] = [];
  for (const [field, holds, detail] of LEASE_RULES) {
    const value = numberAt(lease, 'spec', field);
    if (value !== undefined && !holds(value)) errors.push({ type: 'Invalid', field: `spec.${field}`, value, detail });
  }
  if (textAt(lease, 'spec', 'preferredHolder') && !textAt(lease, 'spec', 'strategy'))
    errors.push({ type: 'Forbidden', field: 'spec.preferredHolder', detail: 'may only be specified if `strategy` is defined' });
  return errors;
};

function immutable(field: string, value: unknown): FieldError {
  return { type: 'Invalid', field, value, detail: 'field is immutable' };
}

const DATA_KEY = /^[-._a-zA-Z0-9]+$/;
const DATA_KEY_WORDS = `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`;
const DATA_BYTES = 1024 * 1024;

function dataErrors(object: KubeObject, old: KubeObject | undefined, parts: string[]): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const part of parts) {
    for (const [key, value] of Object.entries(dictAt(object, part))) {
      if (!DATA_KEY.test(key)) errors.push({ type: 'Invalid', field: `${part}[${key}]`, value: key, detail: DATA_KEY_WORDS });
      size += Buffer.byteLength(String(value));
    }
    if (old?.['immutable'] === true && !same(dictAt(object, part), dictAt(old, part)))
      errors.push({ type: 'Forbidden', field: part, detail: 'field is immutable when `immutable` is set' });
  }
  if (old?.['immutable'] === true && object['immutable'] !== true)
    errors.unshift({ type: 'Forbidden', field: 'immutable', detail: 'field is immutable when `immutable` is set' });
  if (size > DATA_BYTES) errors.push({ type: 'TooLong', field: '', detail: `may not be more than ${DATA_BYTES} bytes` });
  return errors;
}

/** ConfigMap: keys, size, immutability. */
export const configMapErrors: Validation = (map, old) => dataErrors(map, old, ['data', 'binaryData']);

/** Secret: keys, size, immutability; the type never changes. */
export const secretErrors: Validation = (secret, old) => {
  const errors = dataErrors(secret, old, ['data']);
  if (old !== undefined && secret['type'] !== old['type']) errors.unshift(immutable('type', secret['type']));
  return errors;
};

function containerErrors(containers: unknown[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  containers.forEach((container, index) => {
    const name = textAt(container, 'name') ?? '';
    if (name === '') errors.push({ type: 'Required', field: `${field}[${index}].name`, detail: '' });
    else if (names.has(name)) errors.push({ type: 'Duplicate', field: `${field}[${index}].name`, value: name, detail: '' });
    names.add(name);
    if ((textAt(container, 'image') ?? '') === '')
      errors.push({ type: 'Required', field: `${field}[${index}].image`, detail: '' });
  });
  return errors;
}

function podSpecErrors(spec: unknown, field: string): FieldError[] {
  const containers = listAt(spec, 'containers');
  if (containers.length === 0) return [{ type: 'Required', field: `${field}.containers`, detail: '' }];
  return [
    ...containerErrors(containers, `${field}.containers`),
    ...containerErrors(listAt(spec, 'initContainers'), `${field}.initContainers`),
  ];
}

const POD_CHANGES =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** The spec without what may change after creation. */
function fixedPodSpec(pod: KubeObject): Dict {
  const spec: Dict = { ...dictAt(pod, 'spec') };
  for (const list of ['containers', 'initContainers'])
    if (spec[list] !== undefined) spec[list] = listAt(spec, list).map((item) => (isDict(item) ? { ...item, image: '' } : item));
  for (const free of ['activeDeadlineSeconds', 'tolerations']) delete spec[free];
  return spec;
}

/** Pod: containers with names and images; after creation the spec is all but fixed. */
export const podErrors: Validation = (pod, old) => {
  const errors = podSpecErrors(at(pod, 'spec'), 'spec');
  if (old !== undefined && !same(fixedPodSpec(pod), fixedPodSpec(old)))
    errors.push({ type: 'Forbidden', field: 'spec', detail: POD_CHANGES });
  return errors;
};

/** Service: ports present and in range, names where there are several; the cluster IP never changes. */
export const serviceErrors: Validation = (service, old) => {
  const errors: FieldError[] = [];
  const ports = listAt(service, 'spec', 'ports');
  const ip = textAt(service, 'spec', 'clusterIP');
  if (ports.length === 0 && ip !== 'None' && textAt(service, 'spec', 'type') !== 'ExternalName')
    errors.push({ type: 'Required', field: 'spec.ports', detail: '' });
  ports.forEach((port, index) => {
    const field = `spec.ports[${index}]`;
    const number = numberAt(port, 'port') ?? 0;
    if (ports.length > 1 && (textAt(port, 'name') ?? '') === '')
      errors.push({ type: 'Required', field: `${field}.name`, detail: '' });
    if (number < 1 || number > 65535)
      errors.push({ type: 'Invalid', field: `${field}.port`, value: number, detail: 'must be between 1 and 65535, inclusive' });
    const target = at(port, 'targetPort');
    if (typeof target === 'number' && (target < 1 || target > 65535))
      errors.push({
        type: 'Invalid',
        field: `${field}.targetPort`,
        value: target,
        detail: 'must be between 1 and 65535, inclusive',
      });
  });
  const before = textAt(old, 'spec', 'clusterIP');
  if (before !== undefined && before !== '' && ip !== before) {
    errors.push({ type: 'Invalid', field: 'spec.clusterIPs[0]', value: [ip], detail: 'may not change once set' });
  }
  return errors;
};

const SET_CHANGES =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const SET_FREE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

function without(spec: Dict, keys: string[]): Dict {
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !keys.includes(key)));
}

/** StatefulSet: the selector selects the template; most of the spec is fixed. */
export const statefulSetErrors: Validation = (set, old) => {
  const errors: FieldError[] = [];
  const selector = at(set, 'spec', 'selector');
  const labels = textsAt(set, 'spec', 'template', 'metadata', 'labels');
  const replicas = numberAt(set, 'spec', 'replicas') ?? 1;
  if (replicas < 0)
    errors.push({ type: 'Invalid', field: 'spec.replicas', value: replicas, detail: 'must be greater than or equal to 0' });
  if (selector === undefined) errors.push({ type: 'Required', field: 'spec.selector', detail: '' });
  else if (!labelSelectorMatcher(selector)(labels))
    errors.push({
      type: 'Invalid',
      field: 'spec.template.metadata.labels',
      value: labels,
      detail: '`selector` does not match template `labels`',
    });
  errors.push(...podSpecErrors(at(set, 'spec', 'template', 'spec'), 'spec.template.spec'));
  if (old !== undefined && !same(without(dictAt(set, 'spec'), SET_FREE), without(dictAt(old, 'spec'), SET_FREE)))
    errors.push({ type: 'Forbidden', field: 'spec', detail: SET_CHANGES });
  return errors;
};

const CLAIM_CHANGES = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** PersistentVolumeClaim: access modes and size; only the size may grow. */
export const claimErrors: Validation = (claim, old) => {
  const errors: FieldError[] = [];
  if (listAt(claim, 'spec', 'accessModes').length === 0)
    errors.push({ type: 'Required', field: 'spec.accessModes', detail: 'at least 1 access mode is required' });
  if (at(claim, 'spec', 'resources', 'requests', 'storage') === undefined)
    errors.push({ type: 'Required', field: 'spec.resources[storage]', detail: '' });
  const free = ['resources', 'volumeAttributesClassName', 'volumeName', 'storageClassName'];
  if (old !== undefined && !same(without(dictAt(claim, 'spec'), free), without(dictAt(old, 'spec'), free)))
    errors.push({ type: 'Forbidden', field: 'spec', detail: CLAIM_CHANGES });
  return errors;
};

/** PodDisruptionBudget: not both limits at once. */
export const budgetErrors: Validation = (budget) => {
  if (at(budget, 'spec', 'minAvailable') === undefined || at(budget, 'spec', 'maxUnavailable') === undefined) return [];
  const value = dictAt(budget, 'spec');
  return [{ type: 'Invalid', field: 'spec', value, detail: 'minAvailable and maxUnavailable cannot be both set' }];
};

/** Role: each rule names verbs, groups and resources. */
export const roleErrors: Validation = (role) =>
  listAt(role, 'rules').flatMap((rule, index): FieldError[] => {
    const field = `rules[${index}]`;
    const need = (part: string, detail: string): FieldError[] =>
      listAt(rule, part).length > 0 ? [] : [{ type: 'Required', field: `${field}.${part}`, detail }];
    const urls = listAt(rule, 'nonResourceURLs');
    const verbs = need('verbs', 'verbs must contain at least one value');
    if (urls.length > 0)
      return [
        ...verbs,
        {
          type: 'Invalid',
          field: `${field}.nonResourceURLs`,
          value: urls,
          detail: 'namespaced rules cannot apply to non-resource URLs',
        },
      ];
    const groups = need('apiGroups', 'resource rules must supply at least one api group');
    return [...verbs, ...groups, ...need('resources', 'resource rules must supply at least one resource')];
  });

/** The value as Go's internal type prints it, which has no JSON names. */
function goNames(value: Dict): Dict {
  const name = (key: string): string => (key === 'apiGroup' ? 'APIGroup' : key.charAt(0).toUpperCase() + key.slice(1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [name(key), item]));
}

/** RoleBinding: the reference never changes. */
export const bindingErrors: Validation = (binding, old) => {
  const errors: FieldError[] = [];
  if ((textAt(binding, 'roleRef', 'name') ?? '') === '') errors.push({ type: 'Required', field: 'roleRef.name', detail: '' });
  if (old !== undefined && !same(binding['roleRef'], old['roleRef']))
    errors.push({
      type: 'Invalid',
      field: 'roleRef',
      value: goNames(dictAt(binding, 'roleRef')),
      detail: 'cannot change roleRef',
    });
  return errors;
};

const LOOPBACK = 'may not be in the loopback range (127.0.0.0/8, ::1/128)';

/** EndpointSlice: address type fixed, at least one address each, none of them loopback. */
export const sliceErrors: Validation = (slice, old) => {
  const errors: FieldError[] = [];
  if (textAt(slice, 'addressType') === undefined) errors.push({ type: 'Required', field: 'addressType', detail: '' });
  listAt(slice, 'endpoints').forEach((endpoint, index) => {
    const field = `endpoints[${index}].addresses`;
    const addresses = listAt(endpoint, 'addresses');
    if (addresses.length === 0) errors.push({ type: 'Required', field, detail: 'must contain at least 1 address' });
    addresses.forEach((address, place) => {
      if (String(address).startsWith('127.'))
        errors.push({ type: 'Invalid', field: `${field}[${place}]`, value: address, detail: LOOPBACK });
    });
  });
  if (old !== undefined && slice['addressType'] !== old['addressType'])
    errors.push(immutable('addressType', slice['addressType']));
  return errors;
};

const EVENT_LIMITS: [field: string, limit: number][] = [
  ['reportingInstance', 128],
  ['action', 128],
  ['reason', 128],
];
const NOTE_LIMIT = 1024;

/** What both forms of Event demand. */
function eventBasics(event: KubeObject, controllerField: string): FieldError[] {
  const errors: FieldError[] = [];
  const namespace = textAt(event, 'involvedObject', 'namespace') ?? '';
  const own = event.metadata.namespace ?? '';
  const mismatch: FieldError = {
    type: 'Invalid',
    field: 'involvedObject.namespace',
    value: namespace,
    detail: 'does not match event.namespace',
  };
  if (event['eventTime'] === undefined) {
    if (namespace === '' ? own !== 'default' : own !== namespace) errors.push(mismatch);
    return errors;
  }
  if (namespace === '' && own !== 'default' && own !== 'kube-system') errors.push(mismatch);
  if (!textAt(event, 'reportingComponent')) {
    errors.push({ type: 'Required', field: controllerField, detail: '' });
    errors.push({ type: 'Invalid', field: controllerField, value: '', detail: 'name part must be non-empty' });
    const words = `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`;
    errors.push({ type: 'Invalid', field: controllerField, value: '', detail: words });
  }
  for (const [field, limit] of EVENT_LIMITS) {
    const text = textAt(event, field) ?? '';
    if (text === '') errors.push({ type: 'Required', field, detail: '' });
    if (text.length > limit) errors.push({ type: 'Invalid', field, value: '', detail: `can have at most ${limit} characters` });
  }
  if (Buffer.byteLength(textAt(event, 'message') ?? '') > NOTE_LIMIT)
    errors.push({ type: 'Invalid', field: 'message', value: '', detail: `can have at most ${NOTE_LIMIT} characters` });
  return errors;
}

/** Event as core/v1: lenient. */
export const coreEventErrors: Validation = (event) => eventBasics(event, 'reportingComponent');

const EVENT_FIXED = [
  'involvedObject',
  'reason',
  'message',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
];

/** Event as events.k8s.io/v1: needs its time and type, forbids the deprecated fields; only the series may change. */
export const eventErrors: Validation = (event, old) => {
  const errors = eventBasics(event, 'reportingController');
  const changed = old === undefined || !same(event['series'], old['series']);
  if (changed && isDict(event['series'])) {
    if ((numberAt(event, 'series', 'count') ?? 0) < 2)
      errors.push({ type: 'Invalid', field: 'series.count', value: '', detail: 'should be at least 2' });
    if (at(event, 'series', 'lastObservedTime') === undefined)
      errors.push({ type: 'Required', field: 'series.lastObservedTime', detail: '' });
  }
  if (old !== undefined) {
    const shown = (field: string): string => (field === 'reportingComponent' ? 'reportingController' : field);
    return [
      ...errors,
      ...EVENT_FIXED.filter((field) => !same(event[field], old[field])).map((field) =>
        immutable(shown(field), event[field] ?? ''),
      ),
    ];
  }
  if (event['eventTime'] === undefined) errors.push({ type: 'Required', field: 'eventTime', detail: '' });
  const type = textAt(event, 'type') ?? '';
  if (type !== 'Normal' && type !== 'Warning')
    errors.push({ type: 'Invalid', field: 'type', value: '', detail: `has invalid value: ${type}` });
  for (const field of ['firstTimestamp', 'lastTimestamp', 'count', 'source'])
    if (event[field] !== undefined && event[field] !== 0)
      errors.push({ type: 'Invalid', field, value: '', detail: 'needs to be unset' });
  return errors;
};
