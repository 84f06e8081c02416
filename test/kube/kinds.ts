/**
 * The one table of kinds. Everything else (paths, discovery, validation, tables, selectors, permissions) asks this
 * table and nothing names a kind on its own where a column here would do.
 */
import * as defaults from './defaults.ts';
import { coreEventFromServed, coreEventToServed, eventFromServed, eventToServed } from './events.ts';
import type { Dict } from './json.ts';
import type { NameRule } from './names.ts';
import type { KubeObject } from './objects.ts';
import type { Shape } from './schema.ts';
import * as shapes from './shapes.ts';
import type { Validation } from './validation.ts';
import * as validation from './validation.ts';

export interface Kind {
  kind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  group: string;
  version: string;
  namespaced: boolean;
  /** Kinds with the same storage are two forms of the same objects. */
  storage: string;
  fromServed(object: Dict): Dict;
  toServed(object: KubeObject): KubeObject;
  subresources: string[];
  /** Counts changes of the spec in metadata.generation. */
  generation: boolean;
  /** A PUT without resourceVersion overwrites; otherwise it is refused as invalid. */
  unconditionalUpdate: boolean;
  /** A PUT of an absent object creates it. */
  createOnUpdate: boolean;
  /** DELETE answers the object instead of a Status. */
  returnsDeleted: boolean;
  /** DELETE leaves time to stop (pods). */
  graceful: boolean;
  nameRule: NameRule;
  shape: Shape;
  /** Paths a fieldSelector may name besides metadata.name and metadata.namespace. */
  selectable: Record<string, string[]>;
  defaults: defaults.Defaults;
  errors: Validation;
}

type Row = Pick<Kind, 'kind' | 'plural' | 'group' | 'shape'> & Partial<Kind>;

function asIs<T>(object: T): T {
  return object;
}

function kind(row: Row): Kind {
  return {
    singular: row.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    version: 'v1',
    namespaced: true,
    storage: row.plural,
    fromServed: asIs,
    toServed: asIs,
    subresources: [],
    generation: false,
    unconditionalUpdate: true,
    createOnUpdate: false,
    returnsDeleted: false,
    graceful: false,
    nameRule: 'subdomain',
    selectable: {},
    defaults: asIs,
    errors: () => [],
    ...row,
  };
}

const EVENT_FIELDS: Record<string, string[]> = {
  'involvedObject.kind': ['involvedObject', 'kind'],
  'involvedObject.namespace': ['involvedObject', 'namespace'],
  'involvedObject.name': ['involvedObject', 'name'],
  'involvedObject.uid': ['involvedObject', 'uid'],
  'involvedObject.apiVersion': ['involvedObject', 'apiVersion'],
  'involvedObject.resourceVersion': ['involvedObject', 'resourceVersion'],
  'involvedObject.fieldPath': ['involvedObject', 'fieldPath'],
  reason: ['reason'],
  reportingComponent: ['reportingComponent'],
  source: ['source', 'component'],
  type: ['type'],
};

const SERVED_EVENT_FIELDS: Record<string, string[]> = Object.fromEntries(
  Object.entries(EVENT_FIELDS)
    .filter(([field]) => field !== 'source' && field !== 'reportingComponent')
    .map(([field, path]) => [field.replace('involvedObject', 'regarding'), path])
    .concat([['reportingController', ['reportingComponent']]]),
);

export const KINDS: readonly Kind[] = [
  kind({
    kind: 'ConfigMap',
    plural: 'configmaps',
    group: '',
    shortNames: ['cm'],
    shape: shapes.CONFIG_MAP,
    errors: validation.configMapErrors,
  }),
  kind({
    kind: 'Event',
    plural: 'events',
    group: '',
    shortNames: ['ev'],
    shape: shapes.CORE_EVENT,
    createOnUpdate: true,
    fromServed: coreEventFromServed,
    toServed: coreEventToServed,
    selectable: EVENT_FIELDS,
    errors: validation.coreEventErrors,
  }),
  kind({
    kind: 'Namespace',
    plural: 'namespaces',
    group: '',
    shortNames: ['ns'],
    namespaced: false,
    nameRule: 'label',
    shape: shapes.NAMESPACE,
    subresources: ['status'],
    returnsDeleted: true,
    defaults: defaults.namespaceDefaults,
    selectable: { 'status.phase': ['status', 'phase'] },
  }),
  kind({
    kind: 'Node',
    plural: 'nodes',
    group: '',
    shortNames: ['no'],
    namespaced: false,
    shape: shapes.LOOSE,
    subresources: ['status'],
    selectable: { 'spec.unschedulable': ['spec', 'unschedulable'] },
  }),
  kind({
    kind: 'PersistentVolumeClaim',
    plural: 'persistentvolumeclaims',
    group: '',
    shortNames: ['pvc'],
    shape: shapes.LOOSE,
    subresources: ['status'],
    returnsDeleted: true,
    defaults: defaults.claimDefaults,
    errors: validation.claimErrors,
  }),
  kind({
    kind: 'Pod',
    plural: 'pods',
    group: '',
    shortNames: ['po'],
    categories: ['all'],
    shape: shapes.LOOSE,
    generation: true,
    subresources: ['status', 'log', 'eviction'],
    returnsDeleted: true,
    graceful: true,
    selectable: {
      'spec.nodeName': ['spec', 'nodeName'],
      'spec.restartPolicy': ['spec', 'restartPolicy'],
      'spec.schedulerName': ['spec', 'schedulerName'],
      'spec.serviceAccountName': ['spec', 'serviceAccountName'],
      'spec.hostNetwork': ['spec', 'hostNetwork'],
      'status.phase': ['status', 'phase'],
      'status.podIP': ['status', 'podIP'],
      'status.nominatedNodeName': ['status', 'nominatedNodeName'],
    },
    defaults: defaults.podDefaults,
    errors: validation.podErrors,
  }),
  kind({
    kind: 'Secret',
    plural: 'secrets',
    group: '',
    shape: shapes.SECRET,
    selectable: { type: ['type'] },
    defaults: defaults.secretDefaults,
    errors: validation.secretErrors,
  }),
  kind({
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    group: '',
    shortNames: ['sa'],
    shape: shapes.SERVICE_ACCOUNT,
    subresources: ['token'],
    unconditionalUpdate: false,
    returnsDeleted: true,
  }),
  kind({
    kind: 'Service',
    plural: 'services',
    group: '',
    shortNames: ['svc'],
    categories: ['all'],
    nameRule: 'label',
    shape: shapes.LOOSE,
    subresources: ['status'],
    createOnUpdate: true,
    returnsDeleted: true,
    selectable: { 'spec.clusterIP': ['spec', 'clusterIP'], 'spec.type': ['spec', 'type'] },
    defaults: defaults.serviceDefaults,
    errors: validation.serviceErrors,
  }),
  kind({
    kind: 'StatefulSet',
    plural: 'statefulsets',
    group: 'apps',
    shortNames: ['sts'],
    categories: ['all'],
    shape: shapes.LOOSE,
    subresources: ['status', 'scale'],
    generation: true,
    defaults: defaults.statefulSetDefaults,
    errors: validation.statefulSetErrors,
  }),
  kind({
    kind: 'Lease',
    plural: 'leases',
    group: 'coordination.k8s.io',
    shape: shapes.LEASE,
    unconditionalUpdate: false,
    createOnUpdate: true,
    errors: validation.leaseErrors,
  }),
  kind({
    kind: 'EndpointSlice',
    plural: 'endpointslices',
    group: 'discovery.k8s.io',
    shape: shapes.ENDPOINT_SLICE,
    generation: true,
    defaults: defaults.sliceDefaults,
    errors: validation.sliceErrors,
  }),
  kind({
    kind: 'Event',
    plural: 'events',
    group: 'events.k8s.io',
    shortNames: ['ev'],
    shape: shapes.EVENT,
    createOnUpdate: true,
    fromServed: eventFromServed,
    toServed: eventToServed,
    selectable: SERVED_EVENT_FIELDS,
    errors: validation.eventErrors,
  }),
  kind({
    kind: 'PodDisruptionBudget',
    plural: 'poddisruptionbudgets',
    group: 'policy',
    shortNames: ['pdb'],
    shape: shapes.LOOSE,
    subresources: ['status'],
    generation: true,
    unconditionalUpdate: false,
    defaults: defaults.budgetDefaults,
    errors: validation.budgetErrors,
  }),
  kind({
    kind: 'Role',
    plural: 'roles',
    group: 'rbac.authorization.k8s.io',
    nameRule: 'path',
    shape: shapes.ROLE,
    createOnUpdate: true,
    errors: validation.roleErrors,
  }),
  kind({
    kind: 'RoleBinding',
    plural: 'rolebindings',
    group: 'rbac.authorization.k8s.io',
    nameRule: 'path',
    shape: shapes.ROLE_BINDING,
    createOnUpdate: true,
    defaults: defaults.bindingDefaults,
    errors: validation.bindingErrors,
  }),
];

/** `v1` or `group/version`. */
export function groupVersion(kind: { group: string; version: string }): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** The kind of a plural name in a group and version. */
export function kindByPlural(group: string, version: string, plural: string): Kind | undefined {
  return KINDS.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
}

/** The kind of an object by its apiVersion and kind. */
export function kindOf(apiVersion: string, name: string): Kind | undefined {
  return KINDS.find((kind) => groupVersion(kind) === apiVersion && kind.kind === name);
}

/** The first kind of that plural name: for harnesses, which need no groups. */
export function kindNamed(plural: string): Kind {
  const found = KINDS.find((kind) => kind.plural === plural);
  if (found === undefined) throw new Error(`no kind is called ${plural}`);
  return found;
}
