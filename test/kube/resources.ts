/**
 * Requests for objects: which verb on which resource does what. Reads query parameters and bodies, calls registry,
 * deletion and subresources, and answers code and body. Permission and faults have been dealt with before.
 */
import type { IncomingMessage } from 'node:http';
import type { AnswerForm } from './bodies.ts';
import { parseBody, parseObject, parsePatch } from './bodies.ts';
import { deleteObject, deleteOptions } from './deletion.ts';
import type { Dict } from './json.ts';
import { at } from './json.ts';
import type { Kind } from './kinds.ts';
import { KINDS } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import type { ResourceAsk } from './paths.ts';
import type { Place, Registry, WriteOptions } from './registry.ts';
import { fieldMatcher, labelMatcher } from './selectors.ts';
import * as status from './status.ts';
import type { ObjectStore } from './store.ts';
import type { Subresources } from './subresources.ts';
import type { Included } from './views.ts';
import { listOf, viewOf } from './views.ts';

/** One request, with everything known about it. */
export interface Exchange {
  ask: ResourceAsk;
  query: URLSearchParams;
  request: IncomingMessage;
  body: Buffer;
  form: AnswerForm;
}

export interface Answer {
  code: number;
  /** An object, plain text, or bytes in a form of their own. */
  body: Dict | string | Buffer;
  headers?: Record<string, string | string[]>;
}

export interface ResourceParts {
  store: ObjectStore;
  registry: Registry;
  subresources: Subresources;
  now(): number;
}

/** `includeObject` of a table request. */
export function includedOf(query: URLSearchParams): Included {
  const value = query.get('includeObject');
  return value === 'None' || value === 'Object' ? value : 'Metadata';
}

/** The selection of a list or watch: labels and fields. */
export function selectionOf(kind: Kind, query: URLSearchParams): (object: KubeObject) => boolean {
  const labels = labelMatcher(query.get('labelSelector') ?? undefined);
  const base = kind.namespaced ? ['metadata.name', 'metadata.namespace'] : ['metadata.name'];
  const fields = fieldMatcher(query.get('fieldSelector') ?? undefined, [...base, ...Object.keys(kind.selectable)]);
  return (object) => labels(object.metadata.labels ?? {}) && fields(fieldsOf(kind, object));
}

function fieldsOf(kind: Kind, object: KubeObject): Record<string, string> {
  const result: Record<string, string> = {
    'metadata.name': object.metadata.name,
    'metadata.namespace': object.metadata.namespace ?? '',
  };
  for (const [field, path] of Object.entries(kind.selectable)) {
    const value = at(object, ...path);
    // A bool that is not set reads as false; all else as empty.
    result[field] =
      value === undefined ? (field === 'spec.hostNetwork' || field === 'spec.unschedulable' ? 'false' : '') : String(value);
  }
  return result;
}

/** The name that a list or watch is restricted to by `fieldSelector=metadata.name=…`: permissions look at it. */
export function selectedName(query: URLSearchParams): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(query.get('fieldSelector') ?? '')?.[1] ?? '';
}

function writeOptions(query: URLSearchParams, request: IncomingMessage): WriteOptions {
  const dry = query.getAll('dryRun').filter((value) => value !== '');
  if (dry.some((value) => value !== 'All')) {
    const error = { type: 'NotSupported', field: 'dryRun', value: dry, detail: 'supported values: "All"' } as const;
    throw status.invalid({ group: 'meta.k8s.io', plural: '', kind: 'CreateOptions' }, '', [error]);
  }
  const validation = query.get('fieldValidation') ?? 'Warn';
  return {
    dryRun: dry.length > 0,
    fieldValidation: validation === 'Strict' || validation === 'Ignore' ? validation : 'Warn',
    fieldManager: query.get('fieldManager') ?? (request.headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown',
    force: query.get('force') === 'true',
    warnings: [],
  };
}

/** Whoever applies says who he is. */
function unmanagedApply(): status.ApiError {
  const error = { type: 'Required', field: 'fieldManager', detail: 'is required for apply patch' } as const;
  return status.invalid({ group: 'meta.k8s.io', plural: '', kind: 'PatchOptions' }, '', [error]);
}

/** What Go says of a version that is no number. */
export function badVersion(version: string): string {
  return `resourceVersion: Invalid value: ${JSON.stringify(version)}: strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`;
}

/** A group that is served knows what it does not have; any other path leads nowhere. */
function absent(ask: ResourceAsk): Answer {
  if (KINDS.some((kind) => kind.group === ask.group && kind.version === ask.version)) throw status.unknownResource();
  return { code: 404, body: '404 page not found\n' };
}

interface Page {
  objects: KubeObject[];
  metadata: Dict;
}

const CONTINUE_FORM = /^\d+ (.+)$/;

/** `limit` and `continue`; the rest of a list is taken from the present state. */
function paged(all: KubeObject[], query: URLSearchParams, revision: number): Page {
  const limit = Number(query.get('limit') ?? '0');
  const token = query.get('continue') ?? '';
  const key = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
  const after = token === '' ? '' : (CONTINUE_FORM.exec(Buffer.from(token, 'base64url').toString('utf8'))?.[1] ?? undefined);
  if (after === undefined) throw status.badRequest('continue key is not valid: illegal base64 data');
  const rest = after === '' ? all : all.filter((object) => key(object) > after);
  const objects = limit > 0 ? rest.slice(0, limit) : rest;
  const last = objects.at(-1);
  const left = rest.length - objects.length;
  const metadata: Dict = { resourceVersion: String(revision) };
  if (left > 0 && last !== undefined) {
    metadata['continue'] = Buffer.from(`${revision} ${key(last)}`).toString('base64url');
    metadata['remainingItemCount'] = left;
  }
  return { objects, metadata };
}

/** The handlers of every verb but watch. */
export function createResources({ store, registry, subresources, now }: ResourceParts): (exchange: Exchange) => Answer {
  function list(kind: Kind, exchange: Exchange): Answer {
    const { ask, query, form } = exchange;
    const version = query.get('resourceVersion') ?? '';
    if (!/^\d*$/.test(version)) throw status.badRequest(`invalid resource version: ${badVersion(version)}`);
    if (Number(version) > store.revision()) throw tooLarge(version);
    const selects = selectionOf(kind, query);
    const { objects, metadata } = paged(store.list(kind, ask.namespace).filter(selects), query, store.revision());
    return { code: 200, body: listOf(kind, form, includedOf(query), now(), objects, metadata) };
  }

  function tooLarge(version: string): status.ApiError {
    const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
    const message = `Timeout: Too large resource version: ${version}, current: ${store.revision()}`;
    return new status.ApiError(504, 'Timeout', message, { causes, retryAfterSeconds: 1 }, { 'Retry-After': '1' });
  }

  function removal(place: Place, exchange: Exchange): Answer {
    const body = parseBody(exchange.request, exchange.body);
    const result = deleteObject(store, place, deleteOptions(body, exchange.query), now());
    if (result.gone && place.kind.plural === 'namespaces') emptyNamespace(place.name);
    if (!place.kind.returnsDeleted && result.gone)
      return { code: 200, body: status.deleted(place.kind, place.name, result.object.metadata.uid) };
    return { code: 200, body: viewOf(place.kind, exchange.form, includedOf(exchange.query), now(), result.object) };
  }

  function emptyNamespace(namespace: string): void {
    for (const kind of subresources.namespacedKinds())
      for (const object of store.list(kind, namespace)) store.remove(kind, object);
  }

  function collection(kind: Kind, exchange: Exchange): Answer {
    const selects = selectionOf(kind, exchange.query);
    const options = deleteOptions(parseBody(exchange.request, exchange.body), exchange.query);
    const objects = store.list(kind, exchange.ask.namespace).filter(selects);
    const gone = objects.map((object) => {
      const place: Place = { kind, namespace: object.metadata.namespace ?? '', name: object.metadata.name, subresource: '' };
      return deleteObject(store, place, options, now()).object;
    });
    return {
      code: 200,
      body: listOf(kind, exchange.form, includedOf(exchange.query), now(), gone, { resourceVersion: String(store.revision()) }),
    };
  }

  function write(kind: Kind, place: Place, exchange: Exchange): Answer {
    const options = writeOptions(exchange.query, exchange.request);
    const shown = (code: number, object: KubeObject): Answer => ({
      code,
      body: viewOf(kind, exchange.form, includedOf(exchange.query), now(), object),
      ...(options.warnings.length === 0
        ? {}
        : { headers: { Warning: options.warnings.map((text) => `299 - ${JSON.stringify(text)}`) } }),
    });
    if (exchange.ask.verb === 'create') {
      return shown(201, registry.create(kind, place.namespace, parseObject(exchange.request, exchange.body, kind.kind), options));
    }
    if (exchange.ask.verb === 'update') {
      const done = registry.update(place, parseObject(exchange.request, exchange.body, kind.kind), options);
      return shown(done.created ? 201 : 200, done.object);
    }
    const { type, patch } = parsePatch(exchange.request, exchange.body);
    if (type === 'apply' && !exchange.query.get('fieldManager')) throw unmanagedApply();
    const done = registry.patch(place, type, patch, options);
    return shown(done.created ? 201 : 200, done.object);
  }

  return (exchange) => {
    const { ask } = exchange;
    const { kind } = ask;
    if (kind === undefined) return absent(ask);
    const place: Place = { kind, namespace: ask.namespace ?? '', name: ask.name, subresource: ask.subresource };
    if (kind.namespaced && ask.namespace === undefined && ask.verb !== 'list') throw status.methodNotAllowed();
    const special = ask.subresource === '' || ask.subresource === 'status' ? undefined : subresources.answer(place, exchange);
    if (special !== undefined) return special;
    if (ask.subresource !== '' && !kind.subresources.includes(ask.subresource))
      return { code: 404, body: '404 page not found\n' };
    switch (ask.verb) {
      case 'get':
        return { code: 200, body: viewOf(kind, exchange.form, includedOf(exchange.query), now(), registry.get(place)) };
      case 'list':
        return list(kind, exchange);
      case 'delete':
        return removal(place, exchange);
      case 'deletecollection':
        return collection(kind, exchange);
      case 'watch':
        throw status.methodNotAllowed();
      default:
        if ((ask.verb === 'create') !== (ask.name === '')) throw status.methodNotAllowed();
        return write(kind, place, exchange);
    }
  };
}
