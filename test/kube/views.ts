/**
 * An object or list as one client asked to see it: served group version, table, or metadata alone.
 */
import type { AnswerForm } from './bodies.ts';
import type { Dict } from './json.ts';
import type { Kind } from './kinds.ts';
import { groupVersion } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import { tableOf } from './tables.ts';

/** `includeObject` of a table request. */
export type Included = 'None' | 'Metadata' | 'Object';

function partial(object: KubeObject): Dict {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

/** One object; `headers` false leaves out the columns, as in a table watch after its first event. */
export function viewOf(
  kind: Kind,
  form: AnswerForm,
  included: Included,
  nowMs: number,
  object: KubeObject,
  headers = true,
): Dict {
  const served = kind.toServed(object);
  if (form.as === 'table')
    return tableOf(kind, [served], { included, nowMs, headers, metadata: { resourceVersion: object.metadata.resourceVersion } });
  return form.as === 'partial' ? partial(served) : served;
}

/** A list with its metadata. */
export function listOf(
  kind: Kind,
  form: AnswerForm,
  included: Included,
  nowMs: number,
  objects: KubeObject[],
  metadata: Dict,
): Dict {
  const served = objects.map((object) => kind.toServed(object));
  if (form.as === 'table') return tableOf(kind, served, { included, nowMs, headers: true, metadata });
  if (form.as === 'partial')
    return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: served.map(partial) };
  const items = served.map(({ apiVersion: _version, kind: _kind, ...rest }) => rest);
  return { kind: `${kind.kind}List`, apiVersion: groupVersion(kind), metadata, items };
}
