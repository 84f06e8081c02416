/**
 * Server-side apply: the fields that a manager applied are its own; applying without a field again removes it;
 * another manager's field with another value is a conflict unless forced. Ownership is kept in metadata.managedFields.
 */
import type { Dict } from './json.ts';
import { copy, dictAt, isDict, listAt, same } from './json.ts';
import type { Kind } from './kinds.ts';
import { groupVersion } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import { ApiError, badRequest } from './status.ts';
import type { Owner, Path } from './managed.ts';
import { elementAt, fieldsOf, fieldValue, managedFields, ownersOf, pathKey } from './managed.ts';
import { mergeKeyAt } from './strategic.ts';

export interface ApplyStamp {
  manager: string;
  force: boolean;
  time: string;
  subresource: string;
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
    const place = elementAt(object, step);
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

interface Clash {
  owner: Owner;
  path: Path;
}

/** Who else owns the field; only updaters are shown with their version. */
function words(owner: Owner): string {
  const sub = owner.subresource === '' ? '' : ` with subresource "${owner.subresource}"`;
  return `conflict with "${owner.manager}"${sub}${owner.operation === 'Apply' ? '' : ` using ${owner.version}`}`;
}

function refuse(clashes: Clash[]): never {
  const causes = clashes.map(({ owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: words(owner),
    field: shown(path),
  }));
  const fields = (owner: Owner): string[] => clashes.filter((clash) => clash.owner === owner).map(({ path }) => shown(path));
  const parts = [...new Set(clashes.map(({ owner }) => owner))].map((owner) => {
    const own = fields(owner);
    if (own.length === 1) return `${words(owner)}: ${own[0]}`;
    return `${words(owner).replace('conflict', 'conflicts')}:\n${own.map((field) => `- ${field}`).join('\n')}`;
  });
  const count = clashes.length === 1 ? '1 conflict' : `${clashes.length} conflicts`;
  throw new ApiError(409, 'Conflict', `Apply failed with ${count}: ${parts.join('\n')}`, { causes });
}

/** The live object with the applied configuration in it; `live` undefined makes a new one. */
export function applyPatch(kind: Kind, live: KubeObject | undefined, applied: Dict, stamp: ApplyStamp): Dict {
  if (listAt(applied, 'metadata', 'managedFields').length > 0) throw badRequest('metadata.managedFields must be nil');
  const paths = fieldsOf(applied);
  const wanted = new Set(paths.map(pathKey));
  const mine = (owner: Owner): boolean =>
    owner.manager === stamp.manager && owner.operation === 'Apply' && owner.subresource === stamp.subresource;
  const before = ownersOf(live);
  const others = before.filter((owner) => !mine(owner));
  const conflicts = others.flatMap((owner) =>
    owner.paths
      .filter((path) => wanted.has(pathKey(path)) && !same(fieldValue(live, path), fieldValue(applied, path)))
      .map((path) => ({ owner, path })),
  );
  if (conflicts.length > 0 && !stamp.force) refuse(conflicts);
  const lost = new Set(conflicts.map(({ path }) => pathKey(path)));
  const result = overlay(live === undefined ? {} : copy(live), applied, '') as Dict;
  const kept = new Set(others.flatMap((owner) => owner.paths.map(pathKey)));
  const own = before.find(mine);
  for (const path of own?.paths ?? []) if (!wanted.has(pathKey(path)) && !kept.has(pathKey(path))) removeAt(result, path);
  const unchanged =
    own !== undefined &&
    own.paths.length === wanted.size &&
    own.paths.every((path) => wanted.has(pathKey(path))) &&
    conflicts.length === 0;
  const entry: Owner = {
    manager: stamp.manager,
    operation: 'Apply',
    subresource: stamp.subresource,
    version: groupVersion(kind),
    time: unchanged ? own.time : stamp.time,
    paths,
  };
  const rest = others.map((owner) => ({ ...owner, paths: owner.paths.filter((path) => !lost.has(pathKey(path))) }));
  return { ...result, metadata: { ...dictAt(result, 'metadata'), managedFields: managedFields([entry, ...rest]) } };
}
