/**
 * Small tools for JSON whose shape nobody guarantees: typed look-ups that answer undefined instead of throwing,
 * deep equality, deep copies. Nothing here knows Kubernetes.
 */

export type Dict = Record<string, unknown>;

/** True for a JSON object, false for null, arrays and scalars. */
export function isDict(value: unknown): value is Dict {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path of keys and indexes, or undefined. */
export function at(value: unknown, ...path: (string | number)[]): unknown {
  let here: unknown = value;
  for (const step of path) {
    if (typeof step === 'number' && Array.isArray(here)) here = here[step];
    else if (typeof step === 'string' && isDict(here) && Object.hasOwn(here, step)) here = here[step];
    else return undefined;
  }
  return here;
}

/** The string at a path, or undefined when there is anything else. */
export function textAt(value: unknown, ...path: (string | number)[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

/** The number at a path, or undefined when there is anything else. */
export function numberAt(value: unknown, ...path: (string | number)[]): number | undefined {
  const found = at(value, ...path);
  return typeof found === 'number' ? found : undefined;
}

/** The object at a path, or an empty one. */
export function dictAt(value: unknown, ...path: (string | number)[]): Dict {
  const found = at(value, ...path);
  return isDict(found) ? found : {};
}

/** The array at a path, or an empty one. */
export function listAt(value: unknown, ...path: (string | number)[]): unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** The string values of an object such as labels. */
export function textsAt(value: unknown, ...path: (string | number)[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(dictAt(value, ...path)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** Deep equality of JSON values; the order of keys does not matter. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => same(item, b[index]));
  if (!isDict(a) || !isDict(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

/** A deep copy. */
export function copy<T>(value: T): T {
  return structuredClone(value);
}

/** A copy without the keys whose value is undefined, so that what is stored is what JSON would show. */
export function compact<T extends Dict>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}
