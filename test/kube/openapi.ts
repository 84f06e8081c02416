/**
 * As much OpenAPI as kubectl wants to see before it writes: in version 3 that the server validates fields itself, in
 * version 2 (which kubectl reads for lists, as protobuf) that the kinds exist. No schema: the server checks.
 */
import type { Dict } from './json.ts';
import type { Kind } from './kinds.ts';
import { KINDS } from './kinds.ts';

function kindRef(kind: Kind): Dict {
  return { group: kind.group, version: kind.version, kind: kind.kind };
}

/** Version 3 of one group: its paths, with the query parameter that says "the server validates". */
export function openApiV3(group: string): Dict {
  const paths: Dict = {};
  const root = group === '' ? '/api/v1' : `/apis/${group}/v1`;
  for (const kind of KINDS.filter((item) => item.group === group)) {
    const parameters = [{ name: 'fieldValidation', in: 'query', schema: { type: 'string', uniqueItems: true } }];
    const operation = {
      parameters,
      responses: { '200': { description: 'OK' } },
      'x-kubernetes-group-version-kind': kindRef(kind),
    };
    const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
    paths[base] = { post: { ...operation, 'x-kubernetes-action': 'post' } };
    paths[`${base}/{name}`] = {
      patch: { ...operation, 'x-kubernetes-action': 'patch' },
      put: { ...operation, 'x-kubernetes-action': 'put' },
    };
  }
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: 'v1.36.3' }, paths, components: { schemas: {} } };
}

function lengthOf(size: number): Buffer {
  const bytes: number[] = [];
  let left = size;
  while (left > 127) {
    bytes.push((left & 127) | 128);
    left >>= 7;
  }
  return Buffer.from([...bytes, left]);
}

/** A protobuf field that holds text or another message. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([lengthOf((number << 3) | 2), lengthOf(bytes.length), bytes]);
}

/** Version 2 as protobuf: one definition for each kind, of any shape. */
export function openApiV2(): Buffer {
  const definitions = KINDS.map((kind) => {
    const yaml = `- group: "${kind.group}"\n  kind: ${kind.kind}\n  version: ${kind.version}\n`;
    const extension = Buffer.concat([field(1, 'x-kubernetes-group-version-kind'), field(2, field(2, yaml))]);
    return field(1, Buffer.concat([field(1, `io.k8s.${kind.group}.${kind.kind}`), field(2, field(31, extension))]));
  });
  const info = Buffer.concat([field(1, 'Kubernetes'), field(2, 'v1.36.3')]);
  return Buffer.concat([field(1, '2.0'), field(2, info), field(8, ''), field(9, Buffer.concat(definitions))]);
}
