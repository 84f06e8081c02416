/**
 * Subresources that are no plain part of an object: eviction, scale, log and service-account tokens.
 */
import { parseBody, parsePatch } from './bodies.ts';
import { deleteObject, deleteOptions } from './deletion.ts';
import type { Dict } from './json.ts';
import { at, dictAt, isDict, listAt, numberAt, textAt } from './json.ts';
import type { Kind } from './kinds.ts';
import { KINDS, kindNamed } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import { mergePatch } from './patch.ts';
import type { Place, Registry } from './registry.ts';
import { kubeTime } from './registry.ts';
import type { Answer, Exchange } from './resources.ts';
import { labelSelectorMatcher } from './selectors.ts';
import * as status from './status.ts';
import type { ObjectStore } from './store.ts';
import type { Tokens } from './tokens.ts';

/** What the harness answers for `kubectl logs`; undefined: no logs. */
export type PodLog = (
  pod: KubeObject,
  ask: { container: string | undefined; tailLines: number | undefined },
) => string | undefined;

export interface Subresources {
  /** Undefined: not one of these. */
  answer(place: Place, exchange: Exchange): Answer | undefined;
  namespacedKinds(): Kind[];
}

export interface SubresourceParts {
  store: ObjectStore;
  registry: Registry;
  tokens: Tokens;
  podLog: PodLog;
  now(): number;
}

const WRITE = { dryRun: false, fieldValidation: 'Ignore', fieldManager: 'api', force: false, warnings: [] } as const;

function scaleOf(set: KubeObject): Dict {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = set.metadata;
  const selector = Object.entries(dictAt(set, 'spec', 'selector', 'matchLabels')).map(
    ([key, value]) => `${key}=${String(value)}`,
  );
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    // Zero is left out, as Go leaves it out.
    spec: (numberAt(set, 'spec', 'replicas') ?? 1) === 0 ? {} : { replicas: numberAt(set, 'spec', 'replicas') ?? 1 },
    status: { replicas: numberAt(set, 'status', 'replicas') ?? 0, selector: selector.sort().join(',') },
  };
}

/** The subresource handlers over a store. */
export function createSubresources({ store, registry, tokens, podLog, now }: SubresourceParts): Subresources {
  function budgetsFor(pod: KubeObject): KubeObject[] {
    return store
      .list(kindNamed('poddisruptionbudgets'), pod.metadata.namespace)
      .filter((budget) => labelSelectorMatcher(at(budget, 'spec', 'selector'))(pod.metadata.labels ?? {}));
  }

  function ready(pod: KubeObject): boolean {
    return listAt(pod, 'status', 'conditions').some(
      (item) => textAt(item, 'type') === 'Ready' && textAt(item, 'status') === 'True',
    );
  }

  /** Refuses while a budget would be broken; counts the disruption at once, before the controller can. */
  function spend(pod: KubeObject, dryRun: boolean): void {
    const [budget, ...more] = budgetsFor(pod);
    if (budget === undefined) return;
    if (more.length > 0)
      throw new status.ApiError(
        500,
        'InternalError',
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      );
    if (!ready(pod)) {
      if (textAt(budget, 'spec', 'unhealthyPodEvictionPolicy') === 'AlwaysAllow') return;
      const healthy = numberAt(budget, 'status', 'currentHealthy') ?? 0;
      const desired = numberAt(budget, 'status', 'desiredHealthy') ?? 0;
      if (healthy >= desired && desired > 0) return;
    }
    const allowed = numberAt(budget, 'status', 'disruptionsAllowed') ?? 0;
    if (allowed <= 0) throw refusedEviction(budget);
    if (dryRun) return;
    const disrupted = { ...dictAt(budget, 'status', 'disruptedPods'), [pod.metadata.name]: kubeTime(now()) };
    store.put(kindNamed('poddisruptionbudgets'), {
      ...budget,
      status: { ...budget.status, disruptionsAllowed: allowed - 1, disruptedPods: disrupted },
    });
  }

  function refusedEviction(budget: KubeObject): status.ApiError {
    const desired = numberAt(budget, 'status', 'desiredHealthy') ?? 0;
    const healthy = numberAt(budget, 'status', 'currentHealthy') ?? 0;
    const message = `The disruption budget ${budget.metadata.name} needs ${desired} healthy pods and has ${healthy} currently`;
    return status.tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0, [
      { reason: 'DisruptionBudget', message },
    ]);
  }

  /** The pod says why it goes, before it does. */
  function markEvicted(pod: KubeObject): void {
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
      lastProbeTime: null,
      lastTransitionTime: kubeTime(now()),
    };
    const others = listAt(pod, 'status', 'conditions').filter((item) => textAt(item, 'type') !== condition.type);
    store.put(kindNamed('pods'), { ...pod, status: { ...pod.status, conditions: [...others, condition] } });
  }

  function evict(place: Place, exchange: Exchange): Answer {
    if (exchange.ask.verb !== 'create') throw status.methodNotAllowed();
    const body = parseBody(exchange.request, exchange.body);
    const named = textAt(body, 'metadata', 'name');
    if (named !== undefined && named !== place.name)
      throw status.badRequest(`name in URL does not match name in Eviction object: ${place.name} != ${named}`);
    const options = deleteOptions(at(body, 'deleteOptions'), exchange.query);
    const pod = registry.get({ ...place, subresource: '' });
    const phase = textAt(pod, 'status', 'phase');
    const free =
      phase === 'Pending' || phase === 'Succeeded' || phase === 'Failed' || pod.metadata.deletionTimestamp !== undefined;
    if (!free) spend(pod, options.dryRun);
    if (!options.dryRun) markEvicted(pod);
    deleteObject(store, { ...place, subresource: '' }, options, now());
    return { code: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } };
  }

  function scale(place: Place, exchange: Exchange): Answer {
    const whole: Place = { ...place, subresource: '' };
    const set = registry.get(whole);
    if (exchange.ask.verb === 'get') return { code: 200, body: scaleOf(set) };
    if (exchange.ask.verb !== 'update' && exchange.ask.verb !== 'patch') throw status.methodNotAllowed();
    const wanted =
      exchange.ask.verb === 'update'
        ? parseBody(exchange.request, exchange.body)
        : mergePatch(scaleOf(set), parsePatch(exchange.request, exchange.body).patch);
    const replicas = numberAt(wanted, 'spec', 'replicas') ?? 0;
    const version = textAt(wanted, 'metadata', 'resourceVersion');
    const metadata = version === undefined ? {} : { resourceVersion: version };
    const { object } = registry.patch(whole, 'merge', { metadata, spec: { replicas } }, { ...WRITE, warnings: [] });
    return { code: 200, body: scaleOf(object) };
  }

  function log(place: Place, exchange: Exchange): Answer {
    const pod = registry.get({ ...place, subresource: '' });
    const lines = exchange.query.get('tailLines');
    const text = podLog(pod, {
      container: exchange.query.get('container') ?? undefined,
      tailLines: lines === null ? undefined : Number(lines),
    });
    if (text === undefined) throw status.notFound({ group: '', plural: 'pods/log', kind: 'Pod' }, place.name);
    return { code: 200, body: text };
  }

  function token(place: Place, exchange: Exchange): Answer {
    if (exchange.ask.verb !== 'create') throw status.methodNotAllowed();
    registry.get({ ...place, subresource: '' });
    const asked = parseBody(exchange.request, exchange.body);
    const seconds = numberAt(asked, 'spec', 'expirationSeconds') ?? 3600;
    if (seconds < 600) {
      const error = {
        type: 'Invalid',
        field: 'spec.expirationSeconds',
        value: seconds,
        detail: 'may not specify a duration less than 10 minutes',
      } as const;
      throw status.invalid({ group: 'authentication.k8s.io', plural: '', kind: 'TokenRequest' }, '', [error]);
    }
    const expiresAt = now() + seconds * 1000;
    const value = tokens.issue(`system:serviceaccount:${place.namespace}:${place.name}`, expiresAt);
    const spec = { ...(isDict(at(asked, 'spec')) ? dictAt(asked, 'spec') : {}), expirationSeconds: seconds };
    const metadata = { name: place.name, namespace: place.namespace, creationTimestamp: kubeTime(now()) };
    const answer = { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', metadata, spec };
    return { code: 201, body: { ...answer, status: { token: value, expirationTimestamp: kubeTime(expiresAt) } } };
  }

  return {
    answer(place, exchange) {
      if (!place.kind.subresources.includes(place.subresource)) return undefined;
      if (place.subresource === 'eviction') return evict(place, exchange);
      if (place.subresource === 'scale') return scale(place, exchange);
      if (place.subresource === 'log') return log(place, exchange);
      return place.subresource === 'token' ? token(place, exchange) : undefined;
    },
    namespacedKinds: () => KINDS.filter((kind) => kind.namespaced),
  };
}
