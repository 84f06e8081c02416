/**
 * Just enough of Kubernetes' protobuf form to read what kubectl sends in it and in nothing else: `kubectl create` of
 * small objects, `auth can-i`, `create token`. Answers are always JSON, which kubectl accepts as well.
 */
import type { Dict } from './json.ts';

/** A field: its name and what it holds. */
type Field = { name: string; of: 'string' | 'bytes' | 'int' | 'bool' | 'time' | 'texts' | 'blobs' | Message; many?: boolean };

interface Message {
  readonly [number: number]: Field;
}

function text(name: string, many = false): Field {
  return { name, of: 'string', many };
}

function part(name: string, of: Field['of'], many = false): Field {
  return { name, of, many };
}

const META: Message = {
  1: text('name'),
  2: text('generateName'),
  3: text('namespace'),
  5: text('uid'),
  6: text('resourceVersion'),
  8: part('creationTimestamp', 'time'),
  11: part('labels', 'texts'),
  12: part('annotations', 'texts'),
  14: text('finalizers', true),
};
const METADATA = part('metadata', META);
const RULE: Message = {
  1: text('verbs', true),
  2: text('apiGroups', true),
  3: text('resources', true),
  4: text('resourceNames', true),
  5: text('nonResourceURLs', true),
};
const REFERENCE: Message = { 1: text('kind'), 2: text('namespace'), 3: text('name'), 4: text('uid'), 5: text('apiVersion') };
const RESOURCE: Message = {
  1: text('namespace'),
  2: text('verb'),
  3: text('group'),
  4: text('version'),
  5: text('resource'),
  6: text('subresource'),
  7: text('name'),
};
const PATH: Message = { 1: text('path'), 2: text('verb') };
const SUBJECT: Message = { 1: text('kind'), 2: text('apiGroup'), 3: text('name'), 4: text('namespace') };
const ROLE_REF: Message = { 1: text('apiGroup'), 2: text('kind'), 3: text('name') };
const TOKEN_SPEC: Message = { 1: text('audiences', true), 4: part('expirationSeconds', 'int') };

const MESSAGES: Record<string, Message> = {
  ConfigMap: { 1: METADATA, 2: part('data', 'texts'), 3: part('binaryData', 'blobs'), 4: part('immutable', 'bool') },
  Secret: {
    1: METADATA,
    2: part('data', 'blobs'),
    3: text('type'),
    4: part('stringData', 'texts'),
    5: part('immutable', 'bool'),
  },
  ServiceAccount: { 1: METADATA, 2: part('secrets', REFERENCE, true), 4: part('automountServiceAccountToken', 'bool') },
  Namespace: { 1: METADATA },
  Role: { 1: METADATA, 2: part('rules', RULE, true) },
  RoleBinding: { 1: METADATA, 2: part('subjects', SUBJECT, true), 3: part('roleRef', ROLE_REF) },
  SelfSubjectAccessReview: {
    1: METADATA,
    2: part('spec', { 1: part('resourceAttributes', RESOURCE), 2: part('nonResourceAttributes', PATH) }),
  },
  SelfSubjectRulesReview: { 1: METADATA, 2: part('spec', { 1: text('namespace') }) },
  SelfSubjectReview: { 1: METADATA },
  TokenRequest: { 1: METADATA, 2: part('spec', TOKEN_SPEC) },
};

/** `Unknown`, the envelope of every object: type, then the object's own bytes. */
const ENVELOPE: Message = { 1: part('type', { 1: text('apiVersion'), 2: text('kind') }), 2: part('raw', 'bytes') };
const MAGIC = Buffer.from('k8s\0');

interface Cursor {
  bytes: Buffer;
  at: number;
}

function varint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.bytes[cursor.at] ?? 0;
    cursor.at += 1;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

/** One field's raw value: a number, or its bytes. */
function rawValue(cursor: Cursor, wire: number): bigint | Buffer {
  if (wire === 0) return varint(cursor);
  const length = wire === 2 ? Number(varint(cursor)) : wire === 1 ? 8 : 4;
  const value = cursor.bytes.subarray(cursor.at, cursor.at + length);
  cursor.at += length;
  return value;
}

function pair(bytes: Buffer, of: 'string' | 'bytes'): [string, unknown] {
  const { key = '', value } = message(bytes, { 1: text('key'), 2: part('value', of) });
  return [String(key), value ?? ''];
}

function fieldValue(raw: bigint | Buffer, of: Field['of']): unknown {
  if (typeof raw === 'bigint') return of === 'bool' ? raw !== 0n : Number(BigInt.asIntN(64, raw));
  if (of === 'string') return raw.toString('utf8');
  if (of === 'bytes') return raw.toString('base64');
  if (of === 'time') {
    const seconds = message(raw, { 1: part('seconds', 'int') })['seconds'];
    return typeof seconds === 'number' && seconds > 0 ? new Date(seconds * 1000).toISOString().replace('.000Z', 'Z') : null;
  }
  return typeof of === 'object' ? message(raw, of) : undefined;
}

function message(bytes: Buffer, fields: Message): Dict {
  const result: Dict = {};
  const cursor: Cursor = { bytes, at: 0 };
  while (cursor.at < bytes.length) {
    const tag = Number(varint(cursor));
    const raw = rawValue(cursor, tag & 7);
    const field = fields[tag >> 3];
    if (field === undefined) continue;
    if ((field.of === 'texts' || field.of === 'blobs') && raw instanceof Buffer) {
      const [key, value] = pair(raw, field.of === 'texts' ? 'string' : 'bytes');
      result[field.name] = { ...(result[field.name] as Dict | undefined), [key]: value };
    } else if (field.many === true) {
      result[field.name] = [...((result[field.name] as unknown[] | undefined) ?? []), fieldValue(raw, field.of)];
    } else {
      const value = fieldValue(raw, field.of);
      // Strings that are not set are sent as empty ones.
      if (value !== '' && value !== null) result[field.name] = value;
    }
  }
  return result;
}

/** The object in a protobuf body; undefined for kinds that are not read in this form. */
export function parseProtobuf(body: Buffer): Dict | undefined {
  if (!body.subarray(0, 4).equals(MAGIC)) return undefined;
  const { type, raw } = message(body.subarray(4), ENVELOPE);
  const { apiVersion, kind } = (type ?? {}) as { apiVersion?: string; kind?: string };
  const fields = MESSAGES[kind ?? ''];
  if (fields === undefined) return undefined;
  const object = message(Buffer.from(String(raw ?? ''), 'base64'), fields);
  return { ...object, apiVersion, kind, metadata: object['metadata'] ?? {} };
}
