/**
 * Create, update and patch as the API server does them: decode, default, validate, compare versions, commit. Every
 * commit is one synchronous step, so two clients can never both win the same version. Knows nothing of HTTP, users
 * or permissions.
 */
import { randomUUID } from 'node:crypto';
import { applyPatch } from './apply.ts';
import { CLAIM_FINALIZER } from './claims.ts';
import type { FieldPolicy, PatchType } from './decoding.ts';
import { read, readPatched } from './decoding.ts';
import type { Dict } from './json.ts';
import type { Stamp } from './managed.ts';
import { tracked, unmanaged } from './managed.ts';
import { at, copy, dictAt, isDict, listAt, same, textAt } from './json.ts';
import type { Kind } from './kinds.ts';
import { groupVersion, kindNamed } from './kinds.ts';
import { metadataErrors } from './names.ts';
import type { Draft, KubeObject, Meta } from './objects.ts';
import { jsonPatch, mergePatch } from './patch.ts';
import type { FieldError } from './status.ts';
import * as status from './status.ts';
import type { ObjectStore } from './store.ts';
import { strategicPatch } from './strategic.ts';

/** How a client asked for a write. */
export interface WriteOptions extends FieldPolicy {
  dryRun: boolean;
  fieldManager: string;
  force: boolean;
  /** The write is an apply, which keeps the record of field managers itself. */
  applied?: boolean;
}

/** Where an object is. */
export interface Place {
  kind: Kind;
  namespace: string;
  name: string;
  subresource: string;
}

export interface Registry {
  get(place: Place): KubeObject;
  create(kind: Kind, namespace: string, draft: Draft, options: WriteOptions): KubeObject;
  /** `created` tells an update that made the object from one that changed it. */
  update(place: Place, draft: Draft, options: WriteOptions): { object: KubeObject; created: boolean };
  patch(place: Place, type: PatchType, patch: unknown, options: WriteOptions): { object: KubeObject; created: boolean };
}

export interface RegistryParts {
  store: ObjectStore;
  /** Wall-clock ms. */
  now(): number;
}

/** Wall-clock ms as Kubernetes writes times: whole seconds. */
export function kubeTime(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';

/** Five letters as Kubernetes appends to generated names. */
export function nameSuffix(): string {
  return Array.from({ length: 5 }, () => SUFFIX[Math.floor(Math.random() * SUFFIX.length)]).join('');
}

/** The registry over a store. */
export function createRegistry({ store, now }: RegistryParts): Registry {
  const help = { clusterIp, now: () => kubeTime(now()) };

  function clusterIp(): string {
    const used = new Set(store.list(kindNamed('services')).map((service) => textAt(service, 'spec', 'clusterIP')));
    for (let number = 10; ; number++) {
      const ip = `10.96.${Math.floor(number / 250)}.${(number % 250) + 1}`;
      if (!used.has(ip)) return ip;
    }
  }

  function existing(place: Place): KubeObject {
    const object = store.get(place.kind, place.namespace, place.name);
    if (object === undefined) throw status.notFound(place.kind, place.name);
    return object;
  }

  function checked(kind: Kind, object: KubeObject, old: KubeObject | undefined, extra: FieldError[] = []): KubeObject {
    const errors = [...metadataErrors(object.metadata, kind.nameRule), ...extra, ...kind.errors(object, old)];
    // Both forms of Event are refused in the name of the stored one.
    const subject = kind.plural === 'events' ? { ...kind, group: '' } : kind;
    if (errors.length > 0) throw status.invalid(subject, object.metadata.name, errors);
    return object;
  }

  function create(kind: Kind, namespace: string, draft: Draft, options: WriteOptions): KubeObject {
    const decoded = read(kind, draft, options);
    const asked = textAt(decoded, 'metadata', 'namespace') ?? '';
    if (kind.namespaced && asked !== '' && asked !== namespace)
      throw status.badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
    demandNamespace(kind, namespace, draft);
    if (textAt(decoded, 'metadata', 'resourceVersion'))
      throw status.internal('resourceVersion should not be set on objects to be created');
    const object = checked(kind, kind.defaults(fresh(kind, namespace, decoded), help), undefined);
    if (store.get(kind, namespace, object.metadata.name) !== undefined) throw status.alreadyExists(kind, object.metadata.name);
    if (options.dryRun) return unversioned(object);
    return store.put(kind, options.applied ? object : tracked(undefined, object, stampOf(kind, '', options)));
  }

  function demandNamespace(kind: Kind, namespace: string, draft: Draft): void {
    if (!kind.namespaced) return;
    const owner = store.get(kindNamed('namespaces'), '', namespace);
    if (owner === undefined) throw status.notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace);
    if (owner.metadata.deletionTimestamp === undefined) return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    throw status.forbidden(kind, textAt(draft, 'metadata', 'name') ?? '', why);
  }

  function fresh(kind: Kind, namespace: string, decoded: Dict): KubeObject {
    const sent = dictAt(decoded, 'metadata');
    const generateName = textAt(sent, 'generateName');
    const name = textAt(sent, 'name') ?? (generateName === undefined ? '' : `${generateName}${nameSuffix()}`);
    const metadata: Meta = { ...sent, name, uid: randomUUID(), resourceVersion: '', creationTimestamp: kubeTime(now()) };
    if (kind.namespaced) metadata.namespace = namespace;
    else delete metadata.namespace;
    for (const own of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink', 'generation']) delete metadata[own];
    if (kind.generation) metadata.generation = 1;
    if (kind.plural === 'persistentvolumeclaims')
      metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), CLAIM_FINALIZER])];
    const object: KubeObject = { ...decoded, apiVersion: storedVersion(kind), kind: kind.kind, metadata };
    if (kind.subresources.includes('status') && kind.plural !== 'nodes') delete object.status;
    return object;
  }

  function update(place: Place, draft: Draft, options: WriteOptions): { object: KubeObject; created: boolean } {
    const decoded = read(place.kind, draft, options);
    const named = textAt(decoded, 'metadata', 'name') ?? '';
    if (named === '')
      throw status.badRequest(`the name of the object (${place.name} based on URL) was undeterminable: name must be provided`);
    if (named !== place.name)
      throw status.badRequest(`the name of the object (${named}) does not match the name on the URL (${place.name})`);
    const space = textAt(decoded, 'metadata', 'namespace') ?? '';
    if (space !== '' && space !== place.namespace)
      throw status.badRequest('the namespace of the provided object does not match the namespace sent on the request');
    const old = store.get(place.kind, place.namespace, place.name);
    if (old === undefined && place.kind.createOnUpdate && place.subresource === '') return createByUpdate(place, draft, options);
    const current = existing(place);
    const uid = textAt(decoded, 'metadata', 'uid');
    if (uid !== undefined && uid !== '' && uid !== current.metadata.uid)
      throw status.conflict(place.kind, place.name, uidMismatch(place, uid, current.metadata.uid));
    return { object: commit(place, current, decoded, options), created: false };
  }

  function createByUpdate(place: Place, draft: Draft, options: WriteOptions): { object: KubeObject; created: boolean } {
    const uid = textAt(draft, 'metadata', 'uid');
    if (uid) throw status.conflict(place.kind, place.name, uidMismatch(place, uid, ''));
    // A version that was read before somebody deleted the object does not keep it from being made anew.
    const { resourceVersion: _old, ...metadata } = dictAt(draft, 'metadata');
    return { object: create(place.kind, place.namespace, { ...draft, metadata }, options), created: true };
  }

  /** Compares versions, puts together what may change, validates, stores; an update without a change is none. */
  function commit(place: Place, current: KubeObject, decoded: Dict, options: WriteOptions): KubeObject {
    const { kind, name } = place;
    const version = textAt(decoded, 'metadata', 'resourceVersion') ?? '';
    if (version === '' && !kind.unconditionalUpdate) {
      const error: FieldError = {
        type: 'Invalid',
        field: 'metadata.resourceVersion',
        value: 0,
        detail: 'must be specified for an update',
      };
      throw status.invalid(kind, name, [error], kind.plural);
    }
    if (version !== '' && version !== current.metadata.resourceVersion) throw status.conflict(kind, name);
    const next = merged(place, current, decoded);
    const checkedNext = checked(kind, next, current, [...newFinalizers(current, next), ...fixedMetadata(current, decoded)]);
    if (same(unmanaged(checkedNext), unmanaged(current)) && !(options.applied && !same(checkedNext, current))) return current;
    if (options.dryRun) return checkedNext;
    const finished = next.metadata.deletionTimestamp !== undefined && listAt(next.metadata, 'finalizers').length === 0;
    if (finished && (next.metadata.deletionGracePeriodSeconds ?? 0) === 0) return store.remove(kind, checkedNext);
    return store.put(
      kind,
      options.applied ? checkedNext : tracked(current, checkedNext, stampOf(kind, place.subresource, options)),
    );
  }

  function stampOf(kind: Kind, subresource: string, options: WriteOptions): Stamp {
    return { manager: options.fieldManager, version: groupVersion(kind), time: kubeTime(now()), subresource };
  }

  function merged(place: Place, current: KubeObject, decoded: Dict): KubeObject {
    const { kind } = place;
    const metadata: Meta = { ...dictAt(decoded, 'metadata'), ...keptMetadata(current) };
    for (const own of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'generation', 'generateName'] as const)
      if (current.metadata[own] === undefined) delete metadata[own];
    const identity = { apiVersion: current.apiVersion, kind: current.kind, metadata };
    if (place.subresource === 'status')
      return kind.defaults({ ...current, ...identity, status: dictAt(decoded, 'status') }, help);
    const next: KubeObject = kind.defaults(
      { ...decoded, ...identity, ...(keepsStatus(kind) ? { status: current.status ?? {} } : {}) },
      help,
    );
    if (keepsStatus(kind) && current.status === undefined) delete next.status;
    if (kind.plural === 'services') return { ...next, spec: { ...keptAddresses(current, decoded), ...next.spec } };
    const bump = kind.generation && !same(specOf(next), specOf(current));
    return bump ? { ...next, metadata: { ...next.metadata, generation: (current.metadata.generation ?? 0) + 1 } } : next;
  }

  function patch(place: Place, type: PatchType, body: unknown, options: WriteOptions): { object: KubeObject; created: boolean } {
    const old = store.get(place.kind, place.namespace, place.name);
    if (type === 'apply') return apply(place, old, body, options);
    const current = existing(place);
    const served = copy(place.kind.toServed(current));
    const patched = patchedObject(type, served, body);
    const decoded = readPatched(place.kind, type, patched, body, options);
    return {
      object: commit(place, current, { ...decoded, metadata: { ...dictAt(decoded, 'metadata') } }, options),
      created: false,
    };
  }

  function apply(
    place: Place,
    old: KubeObject | undefined,
    body: unknown,
    options: WriteOptions,
  ): { object: KubeObject; created: boolean } {
    if (!isDict(body)) throw status.badRequest('error decoding YAML: the patch is no object');
    const sent = textAt(body, 'metadata', 'name') ?? place.name;
    if (sent !== place.name)
      throw status.badRequest(`the name of the object (${sent}) does not match the name on the URL (${place.name})`);
    read(place.kind, body, options);
    if (old === undefined && textAt(body, 'metadata', 'uid')) {
      const why = `uid mismatch: the provided object specified uid ${textAt(body, 'metadata', 'uid')}, and no existing object was found`;
      throw status.conflict(place.kind, place.name, why);
    }
    const stamp = { manager: options.fieldManager, force: options.force, time: kubeTime(now()), subresource: place.subresource };
    const applied = applyPatch(place.kind, old === undefined ? undefined : place.kind.toServed(old), body, stamp);
    if (old === undefined)
      return { object: create(place.kind, place.namespace, named(applied, place), { ...options, applied: true }), created: true };
    const decoded = read(place.kind, applied, { ...options, fieldValidation: 'Ignore' });
    return { object: commit(place, old, decoded, { ...options, applied: true }), created: false };
  }

  return { get: existing, create, update, patch };
}

function named(applied: Dict, place: Place): Dict {
  return { ...applied, metadata: { ...dictAt(applied, 'metadata'), name: place.name } };
}

/** Stored objects carry the version of the stored form. */
function storedVersion(kind: Kind): string {
  return kind.plural === 'events' ? 'v1' : groupVersion(kind);
}

/** Where etcd would keep an object; part of the message of a conflict. */
function storageKey({ kind, namespace, name }: Place): string {
  const folders: Record<string, string> = { nodes: 'minions', services: 'services/specs' };
  const folder = folders[kind.plural] ?? kind.plural;
  return kind.namespaced ? `/registry/${folder}/${namespace}/${name}` : `/registry/${folder}/${name}`;
}

function uidMismatch(place: Place, wanted: string, found: string): string {
  const why = `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${found}`;
  return `StorageError: invalid object, Code: 4, Key: ${storageKey(place)}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`;
}

/** A dry run shows the object as it would be, without a version it never gets. */
function unversioned(object: KubeObject): KubeObject {
  const { resourceVersion: _none, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as Meta };
}

function keepsStatus(kind: Kind): boolean {
  return kind.subresources.includes('status');
}

function specOf(object: KubeObject): Dict {
  const { metadata: _metadata, status: _status, ...rest } = object;
  return rest;
}

/** What no client can change. */
function keptMetadata(current: KubeObject): Meta {
  const {
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    generateName,
  } = current.metadata;
  const kept: Dict = {
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    generateName,
  };
  for (const key of Object.keys(kept)) if (kept[key] === undefined) delete kept[key];
  return kept as Meta;
}

/** A Service keeps its address when a PUT leaves it out. */
function keptAddresses(current: KubeObject, decoded: Dict): Dict {
  if (at(decoded, 'spec', 'clusterIP') !== undefined) return {};
  return { clusterIP: at(current, 'spec', 'clusterIP'), clusterIPs: at(current, 'spec', 'clusterIPs') };
}

function newFinalizers(current: KubeObject, next: KubeObject): FieldError[] {
  if (current.metadata.deletionTimestamp === undefined) return [];
  const old = new Set(current.metadata.finalizers ?? []);
  const added = (next.metadata.finalizers ?? []).filter((finalizer) => !old.has(finalizer));
  if (added.length === 0) return [];
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(', ');
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  // Kubernetes checks metadata twice on updates, and says so twice.
  return twice({ type: 'Forbidden', field: 'metadata.finalizers', detail });
}

function fixedMetadata(current: KubeObject, decoded: Dict): FieldError[] {
  const uid = textAt(decoded, 'metadata', 'uid');
  if (uid === undefined || uid === '' || uid === current.metadata.uid) return [];
  return twice({ type: 'Invalid', field: 'metadata.uid', value: uid, detail: 'field is immutable' });
}

function twice(error: FieldError): FieldError[] {
  return [error, error];
}

function patchedObject(type: PatchType, served: Dict, body: unknown): unknown {
  if (type === 'json') return jsonPatch(served, body);
  if (!isDict(body)) throw status.badRequest('error decoding patch: the patch is no object');
  return type === 'merge' ? mergePatch(served, body) : strategicPatch(served, body);
}
