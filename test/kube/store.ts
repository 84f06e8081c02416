/**
 * The objects, their versions and their history. One counter numbers every change of every kind, as etcd's revision
 * does; a bounded log of changes feeds watches, and a version that has left the log is answered as expired.
 * Objects are replaced, never changed in place, so a reader may keep what it was given.
 */
import type { Kind } from './kinds.ts';
import type { KubeObject } from './objects.ts';

/** Changes kept for watches that start from an older version. */
const LOG_LIMIT = 20_000;

/** Versions start well above zero, so that "0" and "1" are always old. */
const FIRST_REVISION = 100;

export interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  storage: string;
  object: KubeObject;
  previous: KubeObject | undefined;
  revision: number;
}

export type Listener = (change: Change) => void;

export interface ObjectStore {
  revision(): number;
  /** Changes up to this version are no longer known. */
  compacted(): number;
  get(kind: Kind, namespace: string, name: string): KubeObject | undefined;
  /** In order of namespace and name; every namespace when none is given. */
  list(kind: Kind, namespace?: string): KubeObject[];
  /** Creates or replaces; the answer carries the new version. */
  put(kind: Kind, object: KubeObject): KubeObject;
  remove(kind: Kind, object: KubeObject): KubeObject;
  /** Called after each change, before the write returns unless a listener made it; answers the way to stop it. */
  subscribe(listener: Listener): () => void;
  /** Changes of a kind after a version, or undefined when some of them are no longer known. */
  since(kind: Kind, revision: number): Change[] | undefined;
  /** Forgets the history up to now, as etcd's compaction does. */
  compact(): void;
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** An empty store. */
export function createStore(): ObjectStore {
  const tables = new Map<string, Map<string, KubeObject>>();
  const listeners = new Set<Listener>();
  let log: Change[] = [];
  const pending: Change[] = [];
  let delivering = false;
  let revision = FIRST_REVISION;
  let compacted = FIRST_REVISION;

  function table(kind: Kind): Map<string, KubeObject> {
    const known = tables.get(kind.storage);
    if (known !== undefined) return known;
    const fresh = new Map<string, KubeObject>();
    tables.set(kind.storage, fresh);
    return fresh;
  }

  /** A listener may write: every listener still hears of changes in the order of their versions. */
  function deliver(): void {
    delivering = true;
    try {
      for (let change = pending.shift(); change !== undefined; change = pending.shift())
        for (const listener of [...listeners]) listener(change);
    } finally {
      delivering = false;
    }
  }

  function record(change: Change): KubeObject {
    log.push(change);
    if (log.length > LOG_LIMIT) {
      log = log.slice(LOG_LIMIT / 2);
      compacted = (log[0]?.revision ?? revision) - 1;
    }
    pending.push(change);
    if (!delivering) deliver();
    return change.object;
  }

  function versioned(object: KubeObject): KubeObject {
    revision += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  }

  return {
    revision: () => revision,
    compacted: () => compacted,
    get: (kind, namespace, name) => table(kind).get(keyOf(kind.namespaced ? namespace : '', name)),
    list(kind, namespace) {
      const entries = [...table(kind)].filter(([, object]) => namespace === undefined || object.metadata.namespace === namespace);
      return entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    },
    put(kind, object) {
      const key = keyOf(object.metadata.namespace ?? '', object.metadata.name);
      const previous = table(kind).get(key);
      const stored = versioned(object);
      table(kind).set(key, stored);
      return record({
        type: previous === undefined ? 'ADDED' : 'MODIFIED',
        storage: kind.storage,
        object: stored,
        previous,
        revision,
      });
    },
    remove(kind, object) {
      const key = keyOf(object.metadata.namespace ?? '', object.metadata.name);
      const previous = table(kind).get(key);
      table(kind).delete(key);
      return record({ type: 'DELETED', storage: kind.storage, object: versioned(object), previous, revision });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    since: (kind, from) =>
      from < compacted ? undefined : log.filter((change) => change.revision > from && change.storage === kind.storage),
    compact() {
      log = [];
      compacted = revision;
    },
  };
}
