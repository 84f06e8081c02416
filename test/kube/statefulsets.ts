/**
 * The StatefulSet controller: makes the pods and claims of a set, renews them one by one when the template has changed,
 * and keeps the status, as kube-controller-manager does. Off unless it is asked for: the lab makes its pods itself. It
 * gives no pod a node and runs nothing. Only the policy `Parallel` starts and stops members side by side.
 */
import { createHash } from 'node:crypto';
import { deleteObject } from './deletion.ts';
import type { Dict } from './json.ts';
import { dictAt, isDict, listAt, numberAt, same, textAt } from './json.ts';
import { kindNamed } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import type { Registry } from './registry.ts';
import type { ObjectStore } from './store.ts';

const kinds = { pods: kindNamed('pods'), sets: kindNamed('statefulsets'), claims: kindNamed('persistentvolumeclaims') };
const REVISION = 'controller-revision-hash';

interface Member {
  ordinal: number;
  pod: KubeObject;
}

function isReady(pod: KubeObject): boolean {
  const condition = listAt(pod, 'status', 'conditions').some(
    (item) => textAt(item, 'type') === 'Ready' && textAt(item, 'status') === 'True',
  );
  return condition && textAt(pod, 'status', 'phase') === 'Running';
}

const isLeaving = (pod: KubeObject) => pod.metadata.deletionTimestamp !== undefined;
const revisionOf = (pod: KubeObject) => pod.metadata.labels?.[REVISION];

/** The name of the template as it is now. */
function templateRevision(set: KubeObject): string {
  const hash = createHash('sha256')
    .update(JSON.stringify(dictAt(set, 'spec', 'template')))
    .digest('hex');
  return `${set.metadata.name}-${hash.slice(0, 10)}`;
}

function claimName(template: unknown, set: KubeObject, ordinal: number): string {
  return `${textAt(template, 'metadata', 'name')}-${set.metadata.name}-${ordinal}`;
}

function ownerOf(set: KubeObject) {
  const { name, uid } = set.metadata;
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', name, uid, controller: true, blockOwnerDeletion: true };
}

function isNameOf(set: KubeObject, pod: KubeObject): boolean {
  const { name } = set.metadata;
  return pod.metadata.name.startsWith(`${name}-`) && /^\d+$/.test(pod.metadata.name.slice(name.length + 1));
}

/** A member's pod, as the API server is asked to make it. */
function podDraft(set: KubeObject, ordinal: number, revision: string): Dict {
  const template = dictAt(set, 'spec', 'template');
  const spec = dictAt(template, 'spec');
  const name = `${set.metadata.name}-${ordinal}`;
  const templates = listAt(set, 'spec', 'volumeClaimTemplates');
  const volumes = templates.map((claim) => ({
    name: textAt(claim, 'metadata', 'name'),
    persistentVolumeClaim: { claimName: claimName(claim, set, ordinal) },
  }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...dictAt(template, 'metadata'),
      name,
      generateName: `${set.metadata.name}-`,
      labels: {
        ...dictAt(template, 'metadata', 'labels'),
        [REVISION]: revision,
        'apps.kubernetes.io/pod-index': String(ordinal),
        'statefulset.kubernetes.io/pod-name': name,
      },
      ownerReferences: [ownerOf(set)],
    },
    spec: {
      ...spec,
      hostname: name,
      subdomain: textAt(set, 'spec', 'serviceName') ?? '',
      ...(volumes.length === 0 ? {} : { volumes: [...listAt(spec, 'volumes'), ...volumes] }),
    },
  };
}

/** Runs until stopped; the answer stops it. */
export function startStatefulSets(store: ObjectStore, registry: Registry, now: () => number): () => void {
  let scheduled: NodeJS.Immediate | undefined;

  /** A pod that the set selects no more is nobody's; one of the right name that it selects and nobody owns becomes its own. */
  function claim(set: KubeObject): void {
    const wanted = Object.entries(dictAt(set, 'spec', 'selector', 'matchLabels'));
    for (const pod of store.list(kinds.pods, set.metadata.namespace)) {
      const owners = pod.metadata.ownerReferences ?? [];
      const owner = owners.find(({ controller }) => controller === true);
      const selected = wanted.every(([key, value]) => pod.metadata.labels?.[key] === value);
      let next = owners;
      if (owner?.uid === set.metadata.uid && !selected) next = owners.filter((one) => one !== owner);
      if (owner === undefined && selected && !isLeaving(pod) && isNameOf(set, pod)) next = [...owners, ownerOf(set)];
      if (next !== owners) store.put(kinds.pods, { ...pod, metadata: { ...pod.metadata, ownerReferences: next } });
    }
  }

  function membersOf(set: KubeObject): Member[] {
    const owned = store
      .list(kinds.pods, set.metadata.namespace)
      .filter((pod) =>
        (pod.metadata.ownerReferences ?? []).some(({ uid, controller }) => controller === true && uid === set.metadata.uid),
      );
    return owned
      .map((pod) => ({ ordinal: Number(/-(\d+)$/.exec(pod.metadata.name)?.[1] ?? Number.NaN), pod }))
      .sort((a, b) => a.ordinal - b.ordinal);
  }

  function create(kind: (typeof kinds)['pods'], namespace: string, draft: Dict): void {
    const options = {
      dryRun: false,
      fieldValidation: 'Ignore',
      fieldManager: 'kube-controller-manager',
      force: true,
      warnings: [],
    } as const;
    try {
      registry.create(kind, namespace, draft, { ...options, warnings: [] });
    } catch {
      // There is one of that name already; as in Kubernetes it is tried again with the next change.
    }
  }

  function makeMember(set: KubeObject, ordinal: number, revision: string): void {
    const namespace = set.metadata.namespace ?? '';
    const labels = dictAt(set, 'spec', 'selector', 'matchLabels');
    for (const template of listAt(set, 'spec', 'volumeClaimTemplates')) {
      const name = claimName(template, set, ordinal);
      if (store.get(kinds.claims, namespace, name) !== undefined) continue;
      const spec = isDict(template) ? template['spec'] : {};
      create(kinds.claims, namespace, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, labels }, spec });
    }
    create(kinds.pods, namespace, podDraft(set, ordinal, revision));
  }

  function remove(pod: KubeObject): void {
    const place = { kind: kinds.pods, namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, subresource: '' };
    deleteObject(store, place, { dryRun: false, uid: pod.metadata.uid }, now());
  }

  /** Members that are missing are made and those too many removed; true when nothing is under way. */
  function scale(set: KubeObject, members: Member[], revision: string): boolean {
    const replicas = numberAt(set, 'spec', 'replicas') ?? 1;
    const parallel = textAt(set, 'spec', 'podManagementPolicy') === 'Parallel';
    let settled = true;
    for (let ordinal = 0; ordinal < replicas; ordinal += 1) {
      const member = members.find((one) => one.ordinal === ordinal);
      if (member === undefined) makeMember(set, ordinal, revision);
      if (member !== undefined && isReady(member.pod) && !isLeaving(member.pod)) continue;
      settled = false;
      if (!parallel) return false;
    }
    for (const { pod } of members.filter(({ ordinal }) => ordinal >= replicas).reverse()) {
      if (!isLeaving(pod)) remove(pod);
      settled = false;
      if (!parallel) return false;
    }
    return settled;
  }

  /** From the highest down, the next only when all above are ready again. */
  function renew(set: KubeObject, members: Member[], revision: string): void {
    if (textAt(set, 'spec', 'updateStrategy', 'type') === 'OnDelete') return;
    const partition = numberAt(set, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') ?? 0;
    for (const { ordinal, pod } of [...members].reverse()) {
      if (ordinal < partition) return;
      if (isLeaving(pod)) return;
      if (revisionOf(pod) !== revision) {
        remove(pod);
        return;
      }
      if (!isReady(pod)) return;
    }
  }

  function report(set: KubeObject, members: Member[], revision: string): void {
    const present = members.filter(({ pod }) => !isLeaving(pod));
    const ready = present.filter(({ pod }) => isReady(pod)).length;
    const updated = present.filter(({ pod }) => revisionOf(pod) === revision).length;
    const before = textAt(set, 'status', 'currentRevision');
    const complete =
      updated === present.length && present.length === (numberAt(set, 'spec', 'replicas') ?? 1) && ready === updated;
    const current = before === undefined || complete ? revision : before;
    const status = {
      observedGeneration: set.metadata.generation ?? 1,
      replicas: members.length,
      readyReplicas: ready,
      currentReplicas: present.filter(({ pod }) => revisionOf(pod) === current).length,
      updatedReplicas: updated,
      currentRevision: current,
      updateRevision: revision,
      collisionCount: 0,
      availableReplicas: ready,
    };
    if (!same(status, set.status)) store.put(kinds.sets, { ...set, status });
  }

  function sync(set: KubeObject): void {
    if (set.metadata.deletionTimestamp !== undefined) return;
    const revision = templateRevision(set);
    claim(set);
    const settled = scale(set, membersOf(set), revision);
    const members = membersOf(set);
    if (settled || members.some(({ pod }) => revisionOf(pod) !== revision)) renew(set, members, revision);
    const latest = store.get(kinds.sets, set.metadata.namespace ?? '', set.metadata.name);
    if (latest !== undefined) report(latest, membersOf(latest), revision);
  }

  /** What belonged to a set that is gone. */
  function collect(): void {
    for (const pod of store.list(kinds.pods)) {
      const owner = (pod.metadata.ownerReferences ?? []).find((one) => one.kind === 'StatefulSet' && one.controller === true);
      const set = owner && store.get(kinds.sets, pod.metadata.namespace ?? '', owner.name);
      if (owner !== undefined && set?.metadata.uid !== owner.uid && !isLeaving(pod)) remove(pod);
    }
  }

  const unsubscribe = store.subscribe(({ storage }) => {
    if (storage !== 'pods' && storage !== 'statefulsets') return;
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      for (const set of store.list(kinds.sets)) sync(set);
      collect();
    });
  });
  return () => {
    unsubscribe();
    if (scheduled !== undefined) clearImmediate(scheduled);
  };
}
