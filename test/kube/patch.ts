/**
 * Merge patch (RFC 7386) and JSON patch (RFC 6902). Both are pure: they answer a new value and never change what
 * they are given.
 */
import type { Dict } from './json.ts';
import { copy, isDict, same } from './json.ts';
import { badRequest, unprocessable } from './status.ts';

/** RFC 7386: null removes, objects merge, all else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isDict(patch)) return copy(patch);
  const result: Dict = isDict(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

interface Operation {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}

function steps(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw unprocessable();
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function indexIn(list: unknown[], step: string, forAdding: boolean): number {
  if (forAdding && step === '-') return list.length;
  const index = Number(step);
  const limit = forAdding ? list.length : list.length - 1;
  if (!/^(0|[1-9]\d*)$/.test(step) || index > limit) throw unprocessable();
  return index;
}

function read(document: unknown, path: string[]): unknown {
  let here: unknown = document;
  for (const step of path) {
    if (Array.isArray(here)) here = here[indexIn(here, step, false)];
    else if (isDict(here) && Object.hasOwn(here, step)) here = here[step];
    else return undefined;
  }
  return here;
}

/** The container that holds the last step; the document is ours to change (a copy). */
function parent(document: unknown, path: string[]): Dict | unknown[] {
  const found = read(document, path.slice(0, -1));
  if (Array.isArray(found) || isDict(found)) return found;
  throw unprocessable();
}

function add(document: unknown, path: string[], value: unknown): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const holder = parent(document, path);
  if (Array.isArray(holder)) holder.splice(indexIn(holder, last, true), 0, value);
  else holder[last] = value;
  return document;
}

function remove(document: unknown, path: string[]): unknown {
  const last = path.at(-1);
  if (last === undefined) return null;
  const holder = parent(document, path);
  if (Array.isArray(holder)) holder.splice(indexIn(holder, last, false), 1);
  else if (Object.hasOwn(holder, last)) delete holder[last];
  else throw unprocessable();
  return document;
}

/** Kubernetes sets a key that is not there; an index must exist. */
function replaced(document: unknown, path: string[], value: unknown): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const holder = parent(document, path);
  if (Array.isArray(holder)) holder[indexIn(holder, last, false)] = value;
  else holder[last] = value;
  return document;
}

function applyOne(document: unknown, operation: Operation): unknown {
  const path = steps(operation.path);
  switch (operation.op) {
    case 'add':
      return add(document, path, copy(operation.value));
    case 'remove':
      return remove(document, path);
    case 'replace':
      return replaced(document, path, copy(operation.value));
    case 'test':
      if (!same(read(document, path) ?? null, operation.value ?? null)) throw unprocessable();
      return document;
    case 'copy':
    case 'move': {
      const from = steps(operation.from ?? '');
      const value = read(document, from);
      if (value === undefined) throw unprocessable();
      return add(operation.op === 'move' ? remove(document, from) : document, path, copy(value));
    }
    default:
      throw unprocessable();
  }
}

/** RFC 6902; one operation that cannot be applied, a failed `test` included, refuses the whole patch. */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp');
  let document = copy(target);
  for (const item of patch) {
    if (!isDict(item) || typeof item['op'] !== 'string' || typeof item['path'] !== 'string') throw unprocessable();
    document = applyOne(document, item as unknown as Operation);
  }
  return document;
}
