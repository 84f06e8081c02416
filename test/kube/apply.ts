/**
 * Server-side apply: the fields that a manager applied are its own; applying without a field again removes it;
 * another manager's field with another value is a conflict unless forced. Ownership is kept in metadata.managedFields
 * in the form of Kubernetes (fieldsV1), for appliers only.
 */
import type { Dict } from './json.ts';
import { copy, dictAt, isDict, listAt, same, textAt } from './json.ts';
import type { Kind } from './kinds.ts';
import { groupVersion } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import { ApiError, badRequest } from './status.ts';
import { mergeKeyAt } from './strategic.ts';

export interface ApplyStamp {
  manager: string;
  force: boolean;
  time: string;
  subresource: string;
}

/** A field: the steps to it, each `f:name`, `k:{"key":"value"}` or `v:"scalar"`. */
type Path = string[];

const IDENTITY = new Set([
  'apiVersion',
  'kind',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'metadata.resourceVersion',
  'metadata.managedFields',
  'metadata.creationTimestamp',
]);

/** All leaf fields of an applied object. */
function leaves(value: unknown, dotted: string, path: Path, found: Path[]): Path[] {
  const key = Array.isArray(value) ? mergeKeyAt(dotted) : undefined;
  if (isDict(value) && Object.keys(value).length > 0) {
    for (const [field, item] of Object.entries(value)) {
      const here = dotted === '' ? field : `${dotted}.${field}`;
      if (!IDENTITY.has(here)) leaves(item, here, [...path, `f:${field}`], found);
    }
  } else if (Array.isArray(value) && key !== undefined) {
    for (const item of value) {
      if (key === '') found.push([...path, `v:${JSON.stringify(item)}`]);
      else if (isDict(item)) leaves(item, dotted, [...path, `k:${JSON.stringify({ [key]: item[key] })}`], found);
    }
  } else found.push(path);
  return found;
}

function toFields(paths: Path[]): Dict {
  const root: Dict = {};
  for (const path of paths) {
    let here = root;
    for (const step of path) {
      const next = isDict(here[step]) ? here[step] : {};
      here[step] = next;
      here = next;
    }
  }
  return root;
}

function fromFields(fields: unknown, path: Path, found: Path[]): Path[] {
  const entries = Object.entries(dictAt(fields)).filter(([step]) => step !== '.');
  if (entries.length === 0 && path.length > 0) found.push(path);
  for (const [step, inner] of entries) fromFields(inner, [...path, step], found);
  return found;
}

function findIn(list: unknown[], step: string): number {
  if (step.startsWith('v:')) return list.findIndex((item) => same(item, JSON.parse(step.slice(2))));
  const wanted = JSON.parse(step.slice(2)) as Dict;
  return list.findIndex((item) => isDict(item) && Object.entries(wanted).every(([key, value]) => same(item[key], value)));
}

function valueAt(object: unknown, path: Path): unknown {
  let here: unknown = object;
  for (const step of path) {
    if (step.startsWith('f:')) here = isDict(here) ? here[step.slice(2)] : undefined;
    else here = Array.isArray(here) ? here[findIn(here, step)] : undefined;
  }
  return here;
}

/** Removes a field from an object of ours, and the containers that become empty on the way. */
function removeAt(object: unknown, path: Path): void {
  const [step, ...rest] = path;
  if (step === undefined) return;
  if (step.startsWith('f:') && isDict(object)) {
    const field = step.slice(2);
    if (rest.length === 0) delete object[field];
    else {
      removeAt(object[field], rest);
      const inner = object[field];
      const empty = (isDict(inner) && Object.keys(inner).length === 0) || (Array.isArray(inner) && inner.length === 0);
      if (empty) delete object[field];
    }
  } else if (Array.isArray(object)) {
    const place = findIn(object, step);
    if (place < 0) return;
    // The last owned field of an element takes the element with it: only its key is left.
    if (rest.length === 0 || (isDict(object[place]) && Object.keys(object[place]).length <= 1)) object.splice(place, 1);
    else removeAt(object[place], rest);
  }
}

function overlay(live: unknown, applied: unknown, dotted: string): unknown {
  if (isDict(applied)) {
    const result: Dict = isDict(live) ? { ...live } : {};
    for (const [field, value] of Object.entries(applied))
      result[field] = overlay(result[field], value, dotted === '' ? field : `${dotted}.${field}`);
    return result;
  }
  const key = Array.isArray(applied) ? mergeKeyAt(dotted) : undefined;
  if (!Array.isArray(applied) || key === undefined || !Array.isArray(live)) return copy(applied);
  const result = [...live];
  for (const item of applied) {
    const place = result.findIndex((other) =>
      key === '' ? same(other, item) : isDict(other) && isDict(item) && same(other[key], item[key]),
    );
    if (place < 0) result.push(copy(item));
    else result[place] = overlay(result[place], item, dotted);
  }
  return result;
}

interface Owner {
  manager: string;
  operation: string;
  subresource: string;
  version: string;
  paths: Path[];
}

function owners(live: KubeObject | undefined): Owner[] {
  return listAt(live, 'metadata', 'managedFields').map((entry) => ({
    manager: textAt(entry, 'manager') ?? '',
    operation: textAt(entry, 'operation') ?? '',
    subresource: textAt(entry, 'subresource') ?? '',
    version: textAt(entry, 'apiVersion') ?? '',
    paths: fromFields(dictAt(entry, 'fieldsV1'), [], []),
  }));
}

function key(path: Path): string {
  return path.join(' ');
}

/** The field as people write it: `.spec.containers[name="og"].image`. */
function shown(path: Path): string {
  return path
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`;
      const value = JSON.parse(step.slice(2)) as unknown;
      if (!isDict(value)) return `[=${JSON.stringify(value)}]`;
      return `[${Object.entries(value)
        .map(([name, item]) => `${name}=${JSON.stringify(item)}`)
        .join(',')}]`;
    })
    .join('');
}

function refuse(kind: Kind, conflicts: { owner: Owner; path: Path }[], name: string): never {
  const words = (owner: Owner): string =>
    `conflict with "${owner.manager}"${owner.subresource === '' ? '' : ` with subresource "${owner.subresource}"`} using ${owner.version}`;
  const causes = conflicts.map(({ owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: words(owner),
    field: shown(path),
  }));
  const [first] = conflicts;
  const list =
    conflicts.length === 1 && first !== undefined
      ? `Apply failed with 1 conflict: ${words(first.owner)}: ${shown(first.path)}`
      : `Apply failed with ${conflicts.length} conflicts: ${[...new Set(conflicts.map(({ owner }) => owner))]
          .map(
            (owner) =>
              `${words(owner).replace('conflict', 'conflicts')}:\n${conflicts
                .filter((item) => item.owner === owner)
                .map((item) => `- ${shown(item.path)}`)
                .join('\n')}`,
          )
          .join('\n')}`;
  void kind;
  void name;
  throw new ApiError(409, 'Conflict', list, { causes });
}

/** The live object with the applied configuration in it; `live` undefined makes a new one. */
export function applyPatch(kind: Kind, live: KubeObject | undefined, applied: Dict, stamp: ApplyStamp): Dict {
  if (stamp.manager === '')
    throw badRequest('PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch');
  if (listAt(applied, 'metadata', 'managedFields').length > 0) throw badRequest('metadata.managedFields must be nil');
  const paths = leaves(applied, '', [], []);
  const wanted = new Set(paths.map(key));
  const mine = (owner: Owner): boolean =>
    owner.manager === stamp.manager && owner.operation === 'Apply' && owner.subresource === stamp.subresource;
  const everyone = owners(live);
  const others = everyone.filter((owner) => !mine(owner));
  const conflicts = others.flatMap((owner) =>
    owner.paths
      .filter((path) => wanted.has(key(path)) && !same(valueAt(live, path), valueAt(applied, path)))
      .map((path) => ({ owner, path })),
  );
  if (conflicts.length > 0 && !stamp.force) refuse(kind, conflicts, textAt(applied, 'metadata', 'name') ?? '');
  const lost = new Set(conflicts.map(({ path }) => key(path)));
  const result = overlay(live === undefined ? {} : copy(live), applied, '') as Dict;
  const kept = new Set(others.flatMap((owner) => owner.paths.map(key)));
  for (const owner of everyone.filter(mine))
    for (const path of owner.paths) if (!wanted.has(key(path)) && !kept.has(key(path))) removeAt(result, path);
  const entry = (owner: Owner, time: unknown): Dict => ({
    manager: owner.manager,
    operation: owner.operation,
    apiVersion: owner.version,
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: toFields(owner.paths.filter((path) => mine(owner) || !lost.has(key(path)))),
    ...(owner.subresource === '' ? {} : { subresource: owner.subresource }),
  });
  const own: Owner = {
    manager: stamp.manager,
    operation: 'Apply',
    subresource: stamp.subresource,
    version: groupVersion(kind),
    paths,
  };
  const before = listAt(live, 'metadata', 'managedFields');
  const unchanged = before.find(
    (item) => textAt(item, 'manager') === stamp.manager && same(dictAt(item, 'fieldsV1'), toFields(paths)),
  );
  const entries = [
    entry(own, textAt(unchanged, 'time') ?? stamp.time),
    ...others.map((owner) =>
      entry(
        owner,
        textAt(
          before.find((item) => textAt(item, 'manager') === owner.manager),
          'time',
        ) ?? stamp.time,
      ),
    ),
  ].filter((item) => Object.keys(dictAt(item, 'fieldsV1')).length > 0);
  return { ...result, metadata: { ...dictAt(result, 'metadata'), managedFields: entries } };
}
