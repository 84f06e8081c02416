/**
 * The store as a harness uses it: by plural names, without users and permissions, but with the same validation,
 * versions and watches as for clients. This is how a test or the lab plays kubelet.
 */
import type { Draft, KubeObject } from './objects.ts';
import { deleteObject } from './deletion.ts';
import type { Dict } from './json.ts';
import { textAt } from './json.ts';
import type { Kind } from './kinds.ts';
import { kindNamed, kindOf } from './kinds.ts';
import type { Place, Registry, WriteOptions } from './registry.ts';
import { labelMatcher } from './selectors.ts';
import type { Change, ObjectStore } from './store.ts';

export interface HarnessStore {
  get(plural: string, name: string, namespace?: string): KubeObject | undefined;
  /** `labels` is the text of a label selector. */
  list(plural: string, ask?: { namespace?: string; labels?: string }): KubeObject[];
  /** Creates the object, or merges it into the one that exists. */
  apply(object: Draft): KubeObject;
  /** Merge patch of the object, its status aside. */
  patch(plural: string, name: string, patch: Dict, namespace?: string): KubeObject;
  /** Strategic merge patch of `status`: conditions are merged by type. */
  patchStatus(plural: string, name: string, status: Dict, namespace?: string): KubeObject;
  /** At once unless `gracePeriodSeconds` is given; undefined when there is no such object (any more, with that uid). */
  delete(
    plural: string,
    name: string,
    ask?: { namespace?: string; gracePeriodSeconds?: number; uid?: string },
  ): KubeObject | undefined;
  /** Every change of a kind from now on, synchronously; answers the way to stop. */
  subscribe(plural: string, listener: (change: Change) => void): () => void;
  revision(): number;
  /** Forgets the history, so that watches from older versions get 410. */
  compact(): void;
}

function options(): WriteOptions {
  return { dryRun: false, fieldValidation: 'Ignore', fieldManager: 'harness', force: true, warnings: [] };
}

/** The harness's view of a store; `namespace` is the one it means when it names none. */
export function createHarness(store: ObjectStore, registry: Registry, namespace: string, now: () => number): HarnessStore {
  function place(plural: string, name: string, space = namespace): Place {
    const kind = kindNamed(plural);
    return { kind, namespace: kind.namespaced ? space : '', name, subresource: '' };
  }

  function kindOfDraft(object: Draft): Kind {
    const kind = kindOf(textAt(object, 'apiVersion') ?? '', textAt(object, 'kind') ?? '');
    if (kind === undefined) throw new Error(`no such kind: ${String(object['apiVersion'])} ${String(object['kind'])}`);
    return kind;
  }

  return {
    get(plural, name, space) {
      const at = place(plural, name, space);
      return store.get(at.kind, at.namespace, name);
    },
    list(plural, ask = {}) {
      const kind = kindNamed(plural);
      const matches = labelMatcher(ask.labels);
      const all = store.list(kind, kind.namespaced ? (ask.namespace ?? namespace) : undefined);
      return all.filter((object) => matches(object.metadata.labels ?? {}));
    },
    apply(object) {
      const kind = kindOfDraft(object);
      const space = kind.namespaced ? (textAt(object, 'metadata', 'namespace') ?? namespace) : '';
      const name = textAt(object, 'metadata', 'name') ?? '';
      const at: Place = { kind, namespace: space, name, subresource: '' };
      if (store.get(kind, space, name) === undefined) return registry.create(kind, space, object, options());
      return registry.patch(at, 'merge', object, options()).object;
    },
    patch: (plural, name, patch, space) => registry.patch(place(plural, name, space), 'merge', patch, options()).object,
    patchStatus(plural, name, status, space) {
      const at: Place = { ...place(plural, name, space), subresource: 'status' };
      return registry.patch(at, 'strategic', { status }, options()).object;
    },
    delete(plural, name, ask = {}) {
      const at = place(plural, name, ask.namespace);
      const found = store.get(at.kind, at.namespace, name);
      if (found === undefined || (ask.uid !== undefined && found.metadata.uid !== ask.uid)) return undefined;
      return deleteObject(store, at, { dryRun: false, gracePeriodSeconds: ask.gracePeriodSeconds ?? 0 }, now()).object;
    },
    subscribe(plural, listener) {
      const { storage } = kindNamed(plural);
      return store.subscribe((change) => {
        if (change.storage === storage) listener(change);
      });
    },
    revision: () => store.revision(),
    compact: () => store.compact(),
  };
}
