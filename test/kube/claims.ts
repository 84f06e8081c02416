/**
 * Protection of claims: a PersistentVolumeClaim that is deleted stays until no pod uses it, as in Kubernetes.
 */
import { listAt, textAt } from './json.ts';
import { kindNamed } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import type { ObjectStore } from './store.ts';

export const CLAIM_FINALIZER = 'kubernetes.io/pvc-protection';

/** Runs until stopped; the answer stops it. */
export function startClaims(store: ObjectStore): () => void {
  const kinds = { pods: kindNamed('pods'), claims: kindNamed('persistentvolumeclaims') };
  let scheduled: NodeJS.Immediate | undefined;

  function isUsed(claim: KubeObject): boolean {
    return store
      .list(kinds.pods, claim.metadata.namespace)
      .some((pod) =>
        listAt(pod, 'spec', 'volumes').some(
          (volume) => textAt(volume, 'persistentVolumeClaim', 'claimName') === claim.metadata.name,
        ),
      );
  }

  function release(claim: KubeObject): void {
    const finalizers = (claim.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CLAIM_FINALIZER);
    const freed: KubeObject = { ...claim, metadata: { ...claim.metadata, finalizers } };
    if (finalizers.length === 0) store.remove(kinds.claims, freed);
    else store.put(kinds.claims, freed);
  }

  const unsubscribe = store.subscribe((change) => {
    if (change.storage !== 'persistentvolumeclaims' && !(change.storage === 'pods' && change.type === 'DELETED')) return;
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      for (const claim of store.list(kinds.claims)) {
        const leaving =
          claim.metadata.deletionTimestamp !== undefined && claim.metadata.finalizers?.includes(CLAIM_FINALIZER) === true;
        if (leaving && !isUsed(claim)) release(claim);
      }
    });
  });
  return () => {
    unsubscribe();
    if (scheduled !== undefined) clearImmediate(scheduled);
  };
}
