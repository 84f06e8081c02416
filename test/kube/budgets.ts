/**
 * The disruption controller: keeps the status of PodDisruptionBudgets in step with their pods, so that evictions can
 * be judged. The number of pods expected is what the owning StatefulSet asks for, or the pods there are.
 */
import type { Dict } from './json.ts';
import { at, dictAt, listAt, numberAt, same, textAt } from './json.ts';
import { kindNamed } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import { kubeTime } from './registry.ts';
import { labelSelectorMatcher } from './selectors.ts';
import type { ObjectStore } from './store.ts';

/** A count or a percentage of the expected pods, rounded up. */
function amount(value: unknown, expected: number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(String(value))?.[1];
  return percent === undefined ? 0 : Math.ceil((Number(percent) * expected) / 100);
}

function ready(pod: KubeObject): boolean {
  const condition = listAt(pod, 'status', 'conditions').some(
    (item) => textAt(item, 'type') === 'Ready' && textAt(item, 'status') === 'True',
  );
  return condition && pod.metadata.deletionTimestamp === undefined;
}

/** Runs until stopped; the answer stops it. */
export function startBudgets(store: ObjectStore, now: () => number): () => void {
  const kinds = { pods: kindNamed('pods'), sets: kindNamed('statefulsets'), budgets: kindNamed('poddisruptionbudgets') };
  let scheduled: NodeJS.Immediate | undefined;

  function expectedPods(pods: KubeObject[]): number {
    const owners = new Map<string, number>();
    let loose = 0;
    for (const pod of pods) {
      const owner = (pod.metadata.ownerReferences ?? []).find((item) => item.kind === 'StatefulSet');
      const set = owner === undefined ? undefined : store.get(kinds.sets, pod.metadata.namespace ?? '', owner.name);
      if (set === undefined) loose += 1;
      else owners.set(set.metadata.uid, numberAt(set, 'spec', 'replicas') ?? 1);
    }
    return loose + [...owners.values()].reduce((sum, replicas) => sum + replicas, 0);
  }

  function condition(budget: KubeObject, allowed: number): Dict {
    const status = allowed > 0 ? 'True' : 'False';
    const [old] = listAt(budget, 'status', 'conditions');
    return {
      type: 'DisruptionAllowed',
      status,
      reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
      message: '',
      observedGeneration: budget.metadata.generation ?? 1,
      lastTransitionTime: textAt(old, 'status') === status ? (textAt(old, 'lastTransitionTime') ?? '') : kubeTime(now()),
    };
  }

  function sync(budget: KubeObject): void {
    const selects = labelSelectorMatcher(at(budget, 'spec', 'selector'));
    const pods = store.list(kinds.pods, budget.metadata.namespace).filter((pod) => selects(pod.metadata.labels ?? {}));
    const expected = expectedPods(pods);
    const spec = dictAt(budget, 'spec');
    const desired =
      spec['maxUnavailable'] === undefined
        ? amount(spec['minAvailable'] ?? 1, expected)
        : Math.max(0, expected - amount(spec['maxUnavailable'], expected));
    // A pod that was evicted a moment ago is not healthy any more, even if it still looks so.
    const disrupted = Object.fromEntries(
      Object.entries(dictAt(budget, 'status', 'disruptedPods')).filter(([name]) =>
        pods.some((pod) => pod.metadata.name === name && pod.metadata.deletionTimestamp === undefined),
      ),
    );
    const healthy = pods.filter((pod) => ready(pod) && disrupted[pod.metadata.name] === undefined).length;
    const allowed = expected === 0 ? 0 : Math.max(0, healthy - desired);
    const status = {
      conditions: [condition(budget, allowed)],
      currentHealthy: healthy,
      desiredHealthy: desired,
      disruptionsAllowed: allowed,
      expectedPods: expected,
      observedGeneration: budget.metadata.generation ?? 1,
      ...(Object.keys(disrupted).length === 0 ? {} : { disruptedPods: disrupted }),
    };
    if (!same(status, budget.status)) store.put(kinds.budgets, { ...budget, status });
  }

  const unsubscribe = store.subscribe((change) => {
    if (!['pods', 'poddisruptionbudgets', 'statefulsets'].includes(change.storage)) return;
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      for (const budget of store.list(kinds.budgets)) sync(budget);
    });
  });
  return () => {
    unsubscribe();
    if (scheduled !== undefined) clearImmediate(scheduled);
  };
}
