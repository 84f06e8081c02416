/**
 * From what a client sends to what a kind stores: types checked, unknown fields dropped, warned of or refused. The
 * sentences are those of the Go decoder.
 */
import type { Dict } from './json.ts';
import { isDict, textAt } from './json.ts';
import type { Kind } from './kinds.ts';
import { groupVersion, kindOf } from './kinds.ts';
import type { Draft } from './objects.ts';
import type { Decoded } from './schema.ts';
import { decode } from './schema.ts';
import type { FieldError } from './status.ts';
import * as status from './status.ts';

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

/** How strict a client wants its fields to be checked. */
export interface FieldPolicy {
  fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Filled while the object is read; sent as Warning headers. */
  warnings: string[];
}

/** A value as Go prints a map. */
function goMap(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(' ')}]`;
  if (!isDict(value)) return value === null ? '<nil>' : String(value);
  return `map[${Object.keys(value)
    .sort()
    .map((key) => `${key}:${goMap(value[key])}`)
    .join(' ')}]`;
}

/** A patch result of the wrong shape is an invalid patch, not a bad request. */
export function readPatched(kind: Kind, type: PatchType, patched: unknown, body: unknown, options: FieldPolicy): Dict {
  const result: Decoded = isDict(patched)
    ? decode(patched, kind.shape, `${kind.kind}`)
    : { value: {}, unknown: [], wrong: 'no object' };
  if (result.wrong !== undefined) {
    const value = type === 'strategic' ? goMap(body) : JSON.stringify(patched);
    const error: FieldError = { type: 'Invalid', field: 'patch', value, detail: result.wrong };
    throw status.invalid({ group: '', plural: '', kind: '' }, '', [error], '');
  }
  report(result, kind, options, 'patch');
  return kind.fromServed(result.value);
}

/** A client's object as the kind stores it; refuses what cannot be one. */
export function read(kind: Kind, draft: Draft, options: FieldPolicy): Dict {
  const version = textAt(draft, 'apiVersion');
  const name = textAt(draft, 'kind');
  if (version !== undefined && version !== '' && name !== undefined && (version !== groupVersion(kind) || name !== kind.kind)) {
    throw status.badRequest(wrongKind(kind, version, name));
  }
  const result = decode(draft, kind.shape, kind.kind);
  if (result.wrong !== undefined)
    throw status.badRequest(`${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${result.wrong}`);
  report(result, kind, options, 'body');
  return kind.fromServed(result.value);
}

function wrongKind(kind: Kind, version: string, name: string): string {
  const sent = kindOf(version, name);
  const lead = `${name} in version "${version.split('/').at(-1)}" cannot be handled as a ${kind.kind}`;
  const family = (group: string): string => (group === '' ? 'core' : (group.split('.')[0] ?? group));
  if (sent === undefined)
    return `${lead}: no kind "${name}" is registered for version "${version}" in scheme "pkg/runtime/scheme.go:111"`;
  return `${lead}: converting (${sent.version}.${name}) to (${family(kind.group)}.${kind.kind}): unknown conversion`;
}

function report(result: Decoded, kind: Kind, options: FieldPolicy, from: 'patch' | 'body'): void {
  if (result.unknown.length === 0 || options.fieldValidation === 'Ignore') return;
  const sentences = result.unknown.map((path) => `unknown field "${path}"`);
  if (options.fieldValidation === 'Warn') {
    options.warnings.push(...sentences);
    return;
  }
  const list = `strict decoding error: ${sentences.join(', ')}`;
  if (from === 'body')
    throw status.badRequest(`${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${list}`);
  const error: FieldError = { type: 'Invalid', field: 'patch', value: '', detail: list };
  throw status.invalid({ group: '', plural: '', kind: '' }, '', [error], '');
}
