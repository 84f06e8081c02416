/** Waits for the Lease to be as a scene needs it, at the very change. */
import type { KubeObject } from '../lab/api.ts';
import type { Stage } from './stage.ts';

/** Resolves at the first change of the Lease that is waited for. */
export function whenLease(stage: Stage, what: string, wanted: (lease: KubeObject) => boolean): Promise<KubeObject> {
  const { namespace, cluster } = stage.lab.options;
  return new Promise((resolve, reject) => {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    const watch = stage.lab.api.watch(path, ({ type, object }) => {
      if (type === 'DELETED' || object.metadata.name !== `og-${cluster}-leader` || !wanted(object)) return;
      clearTimeout(timer);
      watch.stop();
      resolve(object);
    });
    const timer = setTimeout(() => {
      watch.stop();
      reject(new Error(`not within 40 s: ${what}`));
    }, 40_000);
  });
}

/** The member that holds it. */
export const holderOf = (lease: KubeObject): string => String(lease['spec']?.holderIdentity ?? '').split('/')[0] ?? '';

/** Follows who holds it, each holder once in a row, those without one left out. */
export function followHolders(stage: Stage): { seen: string[]; stop(): void } {
  const { namespace, cluster } = stage.lab.options;
  const seen: string[] = [];
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const { stop } = stage.lab.api.watch(path, ({ type, object }) => {
    if (type === 'DELETED' || object.metadata.name !== `og-${cluster}-leader`) return;
    const holder = holderOf(object);
    if (holder !== '' && holder !== seen.at(-1)) seen.push(holder);
  });
  return { seen, stop };
}

/** Resolves right after the primary has renewed. */
export async function whenRenewed(stage: Stage): Promise<void> {
  let first: unknown;
  await whenLease(stage, 'a renewal', (lease) => {
    const time = lease['spec']?.renewTime;
    first ??= time;
    return time !== first;
  });
}
