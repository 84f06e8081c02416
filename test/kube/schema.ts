/**
 * What the server knows of each kind's fields: enough to refuse wrong types as Kubernetes does, to prune unknown
 * fields, and to name them when validation is strict. `any` marks parts that are stored as they come.
 */
import type { Dict } from './json.ts';
import { isDict } from './json.ts';

export type Scalar = 'base64' | 'string' | 'int32' | 'int64' | 'bool' | 'time' | 'microtime' | 'quantity' | 'intOrString' | 'any';

/** A scalar, a list of one shape, a map of one shape (`*`), or known fields. */
export type Shape = Scalar | [Shape] | { readonly [field: string]: Shape };

export interface Decoded {
  value: Dict;
  /** Paths that the kind does not know; they are not in `value`. */
  unknown: string[];
  /** The first value of a wrong type, in the words of the Go decoder. */
  wrong: string | undefined;
}

const STRINGS: Shape = { '*': 'string' };

const OWNER: Shape = {
  apiVersion: 'string',
  kind: 'string',
  name: 'string',
  uid: 'string',
  controller: 'bool',
  blockOwnerDeletion: 'bool',
};

/** ObjectMeta. */
export const METADATA: Shape = {
  name: 'string',
  generateName: 'string',
  namespace: 'string',
  selfLink: 'string',
  uid: 'string',
  resourceVersion: 'string',
  generation: 'int64',
  creationTimestamp: 'time',
  deletionTimestamp: 'time',
  deletionGracePeriodSeconds: 'int64',
  labels: STRINGS,
  annotations: STRINGS,
  ownerReferences: [OWNER],
  finalizers: ['string'],
  managedFields: 'any',
};

/** LabelSelector. */
export const LABEL_SELECTOR: Shape = {
  matchLabels: STRINGS,
  matchExpressions: [{ key: 'string', operator: 'string', values: ['string'] }],
};

/** ObjectReference, as Events and endpoints use it. */
export const REFERENCE: Shape = {
  kind: 'string',
  namespace: 'string',
  name: 'string',
  uid: 'string',
  apiVersion: 'string',
  resourceVersion: 'string',
  fieldPath: 'string',
};

/** Fields that every kind has. */
export function objectShape(fields: { readonly [field: string]: Shape }): Shape {
  return { apiVersion: 'string', kind: 'string', metadata: METADATA, ...fields };
}

const MICRO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(.*)$/;
const FULL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const MICRO_LAYOUT = '2006-01-02T15:04:05.000000Z07:00';

/** What Go's time.Parse says of a text that is no MicroTime; undefined when it is one. */
function microtimeFault(text: string): string | undefined {
  const rest = MICRO.exec(text)?.[1];
  const lead = `parsing time ${JSON.stringify(text)} as "${MICRO_LAYOUT}": `;
  if (rest === undefined) return `${lead}cannot parse ${JSON.stringify(text)} as "2006"`;
  if (!/^\.\d{6}/.test(rest)) return `${lead}cannot parse ${JSON.stringify(rest)} as ".000000"`;
  const zone = rest.slice(7);
  if (!/^(Z|[+-]\d\d:\d\d)/.test(zone)) return `${lead}cannot parse ${JSON.stringify(zone)} as "Z07:00"`;
  const extra = zone.replace(/^(Z|[+-]\d\d:\d\d)/, '');
  return extra === '' ? undefined : `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(extra)}`;
}

function base64Fault(text: string): string | undefined {
  const clean = text.replace(/[\r\n]/g, '');
  const wrong = /[^A-Za-z0-9+/]/.exec(clean.replace(/={1,2}$/, ''));
  if (wrong !== null) return `illegal base64 data at input byte ${wrong.index}`;
  return clean.length % 4 === 0 ? undefined : `illegal base64 data at input byte ${clean.length - (clean.length % 4)}`;
}

function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

function fits(value: unknown, scalar: Scalar): boolean {
  switch (scalar) {
    case 'string':
    case 'base64':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'int32':
    case 'int64':
      return typeof value === 'number' && Number.isInteger(value);
    case 'quantity':
    case 'intOrString':
      return typeof value === 'string' || typeof value === 'number';
    case 'time':
    case 'microtime':
      return typeof value === 'string';
    case 'any':
      return true;
  }
}

interface Walk {
  root: string;
  unknown: string[];
  wrong: string | undefined;
}

/** The Go struct and path that the decoder names: indexes and keys of maps are left out. */
function goField(root: string, path: string): string {
  const parts = path.replace(/\[\d+\]/g, '').split('.');
  if (parts.length < 2) return `${root}.${path}`;
  const structs: Record<string, string> = { metadata: 'ObjectMeta', spec: `${root}Spec`, status: `${root}Status` };
  return `${structs[parts[0] ?? ''] ?? root}.${parts.join('.')}`;
}

function scalarValue(value: unknown, scalar: Scalar, path: string, walk: Walk): unknown {
  if (!fits(value, scalar)) {
    const fraction = typeof value === 'number' && (scalar === 'int32' || scalar === 'int64');
    const type = scalar === 'intOrString' || scalar === 'quantity' || scalar === 'base64' ? 'string' : scalar;
    walk.wrong ??= `json: cannot unmarshal ${fraction ? `number ${value}` : goKind(value)} into Go struct field ${goField(walk.root, path)} of type ${type}`;
    return undefined;
  }
  if (scalar === 'base64') walk.wrong ??= base64Fault(String(value));
  if (scalar === 'microtime') walk.wrong ??= microtimeFault(String(value));
  if (scalar === 'time' && !FULL.test(String(value)))
    walk.wrong ??= `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(value)} as "2006"`;
  return value;
}

function walked(value: unknown, shape: Shape, path: string, walk: Walk): unknown {
  if (value === null || shape === 'any') return value;
  if (typeof shape === 'string') return scalarValue(value, shape, path, walk);
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return scalarValue(value, 'string', path, walk) && undefined;
    return value.map((item, index) => walked(item, shape[0] as Shape, `${path}[${index}]`, walk));
  }
  if (!isDict(value)) {
    walk.wrong ??= `json: cannot unmarshal ${goKind(value)} into Go struct field ${goField(walk.root, path)} of type ${path === 'spec' ? `v1.${walk.root}Spec` : 'object'}`;
    return undefined;
  }
  const fields = shape as { readonly [field: string]: Shape };
  const result: Dict = {};
  for (const [key, item] of Object.entries(value)) {
    const inner = fields[key] ?? fields['*'];
    // A wrong value in a map is reported by the map's own path.
    const here = path === '' ? key : fields[key] === undefined && inner !== undefined ? path : `${path}.${key}`;
    if (inner === undefined) walk.unknown.push(here);
    // A null is what the Go types read as "not set".
    else if (item !== null) result[key] = walked(item, inner, here, walk);
  }
  return result;
}

/** Reads a client's object by its kind's shape. */
export function decode(draft: Dict, shape: Shape, root: string): Decoded {
  const walk: Walk = { root, unknown: [], wrong: undefined };
  const value = walked(draft, shape, '', walk) as Dict;
  return { value, unknown: walk.unknown, wrong: walk.wrong };
}
