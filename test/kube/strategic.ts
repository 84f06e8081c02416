/**
 * Strategic merge patch: merge patch that knows which lists are merged by a key. Only the lists of the kinds served
 * here are known; every other list is replaced as a whole, as for Kubernetes' atomic lists.
 */
import type { Dict } from './json.ts';
import { copy, isDict, same } from './json.ts';
import { badRequest } from './status.ts';

/** Merge key by the path of the list; `''` marks a list of scalars merged as a set. */
const MERGE_KEYS: [path: RegExp, key: string][] = [
  [/^metadata\.finalizers$/, ''],
  [/^metadata\.ownerReferences$/, 'uid'],
  [/(^|\.)(containers|initContainers|ephemeralContainers|volumes|env|imagePullSecrets|resourceClaims|secrets)$/, 'name'],
  [/(^|\.)volumeMounts$/, 'mountPath'],
  [/(^|\.)volumeDevices$/, 'devicePath'],
  [/[cC]ontainers\.ports$/, 'containerPort'],
  [/^spec\.ports$/, 'port'],
  [/(^|\.)hostAliases$/, 'ip'],
  [/(^|\.)topologySpreadConstraints$/, 'topologyKey'],
  [/^status\.conditions$/, 'type'],
  [/^status\.addresses$/, 'type'],
  [/^status\.(podIPs|hostIPs)$/, 'ip'],
];

/** The merge key of the list at a path, '' for sets, undefined for lists that are replaced. */
export function mergeKeyAt(path: string): string | undefined {
  return MERGE_KEYS.find(([pattern]) => pattern.test(path))?.[1];
}

const DELETE_FROM = '$deleteFromPrimitiveList/';
const ORDER_OF = '$setElementOrder/';

function mergeSet(target: unknown[], patch: unknown[]): unknown[] {
  return [...target, ...patch.filter((item) => !target.some((other) => same(other, item)))];
}

function mergeKeyed(target: unknown[], patch: unknown[], key: string, path: string): unknown[] {
  let result = [...target];
  for (const item of patch) {
    if (!isDict(item)) throw badRequest(`list element of ${path} is no object`);
    if (item['$patch'] === 'replace') {
      result = patch.filter((other) => isDict(other) && other['$patch'] === undefined).map(copy);
      return result;
    }
    if (item[key] === undefined) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const place = result.findIndex((other) => isDict(other) && same(other[key], item[key]));
    if (item['$patch'] === 'delete') result = result.filter((_, index) => index !== place);
    else if (place >= 0) result[place] = mergeDict(result[place] as Dict, item, path);
    else result.push(mergeDict({}, item, path));
  }
  return result;
}

/**
 * The order of a merged list: elements that the patch names keep its order and come before the others, unless both
 * were in the list before, the other first.
 */
function ordered(list: unknown[], named: unknown[], before: unknown[], key: string): unknown[] {
  const identity = (item: unknown): unknown => (key !== '' && isDict(item) ? item[key] : item);
  const place = (items: unknown[], item: unknown): number => items.findIndex((other) => same(identity(other), identity(item)));
  const others = list.filter((item) => place(named, item) < 0);
  const mine = list.filter((item) => place(named, item) >= 0).sort((a, b) => place(named, a) - place(named, b));
  const result: unknown[] = [];
  while (others.length > 0 && mine.length > 0) {
    const left = place(before, others[0]);
    const right = place(before, mine[0]);
    result.push(left >= 0 && right >= 0 && left < right ? others.shift() : mine.shift());
  }
  return [...result, ...others, ...mine];
}

function mergeList(target: unknown, patch: unknown[], path: string): unknown[] {
  const key = mergeKeyAt(path);
  const old = Array.isArray(target) ? target : [];
  if (key === undefined) return copy(patch);
  const merged = key === '' ? mergeSet(old, copy(patch)) : mergeKeyed(old, patch, key, path);
  return ordered(merged, patch, old, key);
}

/** Keys with `$`: list deletions and orders, and the keys to retain. */
function applyDirectives(result: Dict, patch: Dict, before: Dict, path: string): Dict {
  for (const [directive, value] of Object.entries(patch)) {
    if (!Array.isArray(value)) continue;
    if (directive.startsWith(DELETE_FROM)) {
      const field = directive.slice(DELETE_FROM.length);
      const old = result[field];
      if (Array.isArray(old)) result[field] = old.filter((item) => !value.some((gone) => same(gone, item)));
    } else if (directive.startsWith(ORDER_OF)) {
      const field = directive.slice(ORDER_OF.length);
      const key = mergeKeyAt(join(path, field));
      const list = result[field];
      if (Array.isArray(list) && key !== undefined)
        result[field] = ordered(list, value, Array.isArray(before[field]) ? before[field] : [], key);
    } else if (directive === '$retainKeys') {
      for (const key of Object.keys(result)) if (!value.includes(key)) delete result[key];
    }
  }
  return result;
}

function join(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

function mergeDict(target: Dict, patch: Dict, path: string): Dict {
  if (patch['$patch'] === 'replace') return plain(patch);
  if (patch['$patch'] === 'delete') return {};
  const result: Dict = { ...target };
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith('$')) continue;
    const here = join(path, field);
    const old = result[field];
    if (value === null) delete result[field];
    else if (Array.isArray(value)) result[field] = mergeList(old, value, here);
    else if (isDict(value)) result[field] = mergeDict(isDict(old) ? old : {}, value, here);
    else result[field] = value;
  }
  return applyDirectives(result, patch, target, path);
}

/** A copy of the patch without directives. */
function plain(patch: Dict): Dict {
  return Object.fromEntries(
    Object.entries(patch)
      .filter(([key]) => !key.startsWith('$'))
      .map(([key, value]) => [key, copy(value)]),
  );
}

/** The object with the patch merged in. */
export function strategicPatch(target: Dict, patch: Dict): Dict {
  return mergeDict(target, patch, '');
}
