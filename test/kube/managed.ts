/**
 * Who wrote which field: metadata.managedFields in the form of Kubernetes (fieldsV1). Every write by create, update or
 * patch makes its manager the owner of the fields it changed; server-side apply reads the record to find conflicts.
 */
import type { Dict } from './json.ts';
import { dictAt, isDict, listAt, same, textAt } from './json.ts';
import type { KubeObject } from './objects.ts';
import { mergeKeyAt } from './strategic.ts';

/** A field: the steps to it, each `f:name`, `k:{"key":"value"}` or `v:"scalar"`. */
export type Path = string[];

/** One manager's share of an object. */
export interface Owner {
  manager: string;
  operation: string;
  subresource: string;
  version: string;
  time: string;
  paths: Path[];
}

/** Who writes, and when. */
export interface Stamp {
  manager: string;
  version: string;
  time: string;
  subresource: string;
}

const IDENTITY = new Set(['apiVersion', 'kind']);
const OWN_METADATA = new Set(['labels', 'annotations', 'finalizers', 'ownerReferences']);

function counts(dotted: string, field: string): boolean {
  return dotted === '' ? !IDENTITY.has(field) : dotted !== 'metadata' || OWN_METADATA.has(field);
}

/** All fields of an object that somebody can own. */
export function fieldsOf(value: unknown, dotted = '', path: Path = [], found: Path[] = []): Path[] {
  const key = Array.isArray(value) ? mergeKeyAt(dotted) : undefined;
  if (isDict(value) && Object.keys(value).length > 0) {
    for (const [field, item] of Object.entries(value))
      if (counts(dotted, field)) fieldsOf(item, dotted === '' ? field : `${dotted}.${field}`, [...path, `f:${field}`], found);
  } else if (Array.isArray(value) && key !== undefined) {
    for (const item of value) {
      if (key === '') found.push([...path, `v:${JSON.stringify(item)}`]);
      else if (isDict(item)) fieldsOf(item, dotted, [...path, `k:${JSON.stringify({ [key]: item[key] })}`], found);
    }
  } else if (path.length > 0) found.push(path);
  return found;
}

/** One text for a field, to compare by. */
export function pathKey(path: Path): string {
  return path.join(' ');
}

/** Paths as fieldsV1, in the order of their steps. */
function toFields(paths: Path[]): Dict {
  const root: Dict = {};
  for (const path of paths.toSorted((a, b) => (pathKey(a) < pathKey(b) ? -1 : 1))) {
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

/** Where an element of a list is that a step names. */
export function elementAt(list: unknown[], step: string): number {
  if (step.startsWith('v:')) return list.findIndex((item) => same(item, JSON.parse(step.slice(2))));
  const wanted = JSON.parse(step.slice(2)) as Dict;
  return list.findIndex((item) => isDict(item) && Object.entries(wanted).every(([key, value]) => same(item[key], value)));
}

/** The value of a field, or undefined. */
export function fieldValue(object: unknown, path: Path): unknown {
  let here: unknown = object;
  for (const step of path) {
    if (step.startsWith('f:')) here = isDict(here) ? here[step.slice(2)] : undefined;
    else here = Array.isArray(here) ? here[elementAt(here, step)] : undefined;
  }
  return here;
}

/** The managers of an object. */
export function ownersOf(object: KubeObject | undefined): Owner[] {
  return listAt(object, 'metadata', 'managedFields').map((entry) => ({
    manager: textAt(entry, 'manager') ?? '',
    operation: textAt(entry, 'operation') ?? '',
    subresource: textAt(entry, 'subresource') ?? '',
    version: textAt(entry, 'apiVersion') ?? '',
    time: textAt(entry, 'time') ?? '',
    paths: fromFields(dictAt(entry, 'fieldsV1'), [], []),
  }));
}

/** managedFields of these managers; who owns nothing is left out. */
export function managedFields(owners: Owner[]): Dict[] {
  return owners
    .filter((owner) => owner.paths.length > 0)
    .map((owner) => ({
      manager: owner.manager,
      operation: owner.operation,
      apiVersion: owner.version,
      time: owner.time,
      fieldsType: 'FieldsV1',
      fieldsV1: toFields(owner.paths),
      ...(owner.subresource === '' ? {} : { subresource: owner.subresource }),
    }));
}

/** The object without the record, to see whether a write changed anything. */
export function unmanaged(object: KubeObject): KubeObject {
  const { managedFields: _record, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as KubeObject['metadata'] };
}

/** The new object with the record brought up to date: what this write changed belongs to its manager now. */
export function tracked(old: KubeObject | undefined, next: KubeObject, stamp: Stamp): KubeObject {
  const present = fieldsOf(next);
  const changed = new Set(
    present.filter((path) => old === undefined || !same(fieldValue(old, path), fieldValue(next, path))).map(pathKey),
  );
  const there = new Set(present.map(pathKey));
  const mine = (owner: Owner): boolean =>
    owner.manager === stamp.manager && owner.operation === 'Update' && owner.subresource === stamp.subresource;
  const before = ownersOf(old);
  const kept = before
    .filter(mine)
    .flatMap((owner) => owner.paths.filter((path) => there.has(pathKey(path)) && !changed.has(pathKey(path))));
  const own = [...kept, ...present.filter((path) => changed.has(pathKey(path)))];
  const others = before
    .filter((owner) => !mine(owner))
    .map((owner) => ({ ...owner, paths: owner.paths.filter((path) => there.has(pathKey(path)) && !changed.has(pathKey(path))) }));
  const entry: Owner = {
    manager: stamp.manager,
    operation: 'Update',
    subresource: stamp.subresource,
    version: stamp.version,
    time: stamp.time,
    paths: own,
  };
  return { ...next, metadata: { ...next.metadata, managedFields: managedFields([...others, entry]) } };
}
