/**
 * From method and URL to what is asked: verb, kind, namespace, name, subresource. The verb words are those that RBAC
 * rules use.
 */
import type { Kind } from './kinds.ts';
import { kindByPlural } from './kinds.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A request for objects. */
export interface ResourceAsk {
  of: 'resource';
  verb: Verb;
  group: string;
  version: string;
  resource: string;
  kind: Kind | undefined;
  /** Undefined: all namespaces, or a kind without one. */
  namespace: string | undefined;
  name: string;
  subresource: string;
}

/** A request for anything else: health, version, discovery. */
export interface OtherAsk {
  of: 'path';
  verb: string;
  path: string;
}

export type Ask = ResourceAsk | OtherAsk;

function verbOf(method: string, name: string, query: URLSearchParams): Verb | undefined {
  const watching = ['1', 'true'].includes(query.get('watch') ?? '');
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (name !== '') return 'get';
      return watching ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      return undefined;
  }
}

/** Splits off group and version; undefined when the path is no path of resources. */
function groupOf(parts: string[]): { group: string; version: string; rest: string[] } | undefined {
  const [root, second, third] = parts;
  if (root === 'api' && second !== undefined && parts.length > 2) return { group: '', version: second, rest: parts.slice(2) };
  if (root === 'apis' && second !== undefined && third !== undefined && parts.length > 3)
    return { group: second, version: third, rest: parts.slice(3) };
  return undefined;
}

/** Reads a request's method and URL. */
export function parseAsk(method: string, path: string, query: URLSearchParams): Ask {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map((part) => decodeURIComponent(part));
  const found = groupOf(parts);
  const other: OtherAsk = { of: 'path', verb: method.toLowerCase(), path };
  if (found === undefined) return other;
  const { group, version, rest } = found;
  let namespace: string | undefined;
  let left = rest;
  if (left[0] === 'namespaces' && left[1] !== undefined && left.length > 2 && !(left.length === 3 && isNamespacePart(left[2]))) {
    namespace = left[1];
    left = left.slice(2);
  }
  const [resource = '', name = '', subresource = ''] = left;
  const verb = verbOf(method, name, query);
  if (verb === undefined || left.length > 3) return other;
  return {
    of: 'resource',
    verb,
    group,
    version,
    resource,
    kind: kindByPlural(group, version, resource),
    namespace,
    name,
    subresource,
  };
}

/** `namespaces/x/status` and `/finalize` are subresources of the namespace itself. */
function isNamespacePart(part: string | undefined): boolean {
  return part === 'status' || part === 'finalize';
}
