/**
 * What a StatefulSet promises its members: names, claims, side by side at the start, one by one in an update. The test
 * plays kubelet and says which pods are ready.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Dict } from './json.ts';
import { at, dictAt, listAt, numberAt, textAt } from './json.ts';
import { core } from './samples.ts';
import type { Subject } from './subject.ts';
import { startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

const labels = { 'opengauss.cluster': 'demo' };

function statefulSet(replicas: number): Dict {
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'og' },
    spec: {
      replicas,
      serviceName: 'og-pods',
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'og', image: 'og:1' }] } },
      volumeClaimTemplates: [claim],
    },
  };
}

interface Scene {
  namespace: string;
  set: string;
  pods(): Promise<Dict[]>;
  /** Waits until the pods have these names. */
  names(...wanted: string[]): Promise<Dict[]>;
  ready(...names: string[]): Promise<void>;
  claims(): Promise<string[]>;
  status(holds: (status: Dict) => boolean): Promise<Dict>;
}

async function until<T>(what: string, read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (performance.now() > deadline) throw new Error(`${what}: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const nameOf = (object: Dict) => textAt(object, 'metadata', 'name') ?? '';
const uidOf = (object: Dict | undefined) => textAt(object, 'metadata', 'uid');

async function scene(replicas: number): Promise<Scene> {
  const namespace = await subject.namespace();
  const sets = `/apis/apps/v1/namespaces/${namespace}/statefulsets`;
  const made = await subject.admin.post(sets, statefulSet(replicas));
  assert.equal(made.code, 201, made.text);
  const listed = async (plural: string) => listAt((await subject.admin.get(core(namespace, plural))).body, 'items') as Dict[];
  const pods = () => listed('pods');
  return {
    namespace,
    set: `${sets}/og`,
    pods,
    names: (...wanted) => until(`pods ${wanted.join()}`, pods, (found) => found.map(nameOf).sort().join() === wanted.join()),
    async ready(...names) {
      const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
      for (const name of names) await subject.admin.patch(`${core(namespace, 'pods')}/${name}/status`, 'merge', { status });
    },
    claims: async () => (await listed('persistentvolumeclaims')).map(nameOf).sort(),
    status: (holds) => until('the status', async () => dictAt((await subject.admin.get(`${sets}/og`)).body, 'status'), holds),
  };
}

test('a set makes all its members at once, each with a name, a place and a claim of its own', async () => {
  const { names, claims } = await scene(3);
  const pods = await names('og-0', 'og-1', 'og-2');
  const second = pods.find((pod) => nameOf(pod) === 'og-1');
  assert.equal(at(second, 'metadata', 'labels', 'statefulset.kubernetes.io/pod-name'), 'og-1');
  assert.equal(at(second, 'metadata', 'labels', 'apps.kubernetes.io/pod-index'), '1');
  assert.deepEqual([textAt(second, 'spec', 'hostname'), textAt(second, 'spec', 'subdomain')], ['og-1', 'og-pods']);
  const volumes = listAt(second, 'spec', 'volumes').map((volume) => textAt(volume, 'persistentVolumeClaim', 'claimName'));
  assert.ok(volumes.includes('data-og-1'));
  assert.equal(textAt(listAt(second, 'metadata', 'ownerReferences')[0], 'kind'), 'StatefulSet');
  assert.deepEqual(await claims(), ['data-og-0', 'data-og-1', 'data-og-2']);
});

test('a member that is deleted comes back by its name, as another pod with the same claim', async () => {
  const { namespace, names, claims } = await scene(2);
  const [first] = await names('og-0', 'og-1');
  await subject.admin.delete(`${core(namespace, 'pods')}/og-0`);
  const [second] = await until(
    'another og-0',
    () => names('og-0', 'og-1'),
    ([pod]) => uidOf(pod) !== uidOf(first),
  );
  assert.ok(
    listAt(second, 'spec', 'volumes').some((volume) => textAt(volume, 'persistentVolumeClaim', 'claimName') === 'data-og-0'),
  );
  assert.deepEqual(await claims(), ['data-og-0', 'data-og-1']);
});

test('a smaller set gives up its highest members and keeps their claims, a larger one gets them back', async () => {
  const { set, names, ready, claims } = await scene(3);
  await names('og-0', 'og-1', 'og-2');
  await ready('og-0', 'og-1', 'og-2');
  assert.equal((await subject.admin.patch(`${set}/scale`, 'merge', { spec: { replicas: 1 } })).code, 200);
  await names('og-0');
  assert.deepEqual(await claims(), ['data-og-0', 'data-og-1', 'data-og-2']);
  await subject.admin.patch(`${set}/scale`, 'merge', { spec: { replicas: 2 } });
  await names('og-0', 'og-1');
});

test('the status tells how many members there are, and how many are ready', async () => {
  const { names, ready, status } = await scene(2);
  await names('og-0', 'og-1');
  await ready('og-1');
  const seen = await status((found) => numberAt(found, 'readyReplicas') === 1);
  assert.deepEqual([seen['replicas'], seen['availableReplicas'], seen['observedGeneration']], [2, 1, 1]);
  assert.equal(seen['currentRevision'], seen['updateRevision']);
});

test('an update goes from the highest member down, and on only when the one before is ready', async () => {
  const { set, names, ready, status } = await scene(3);
  const old = await names('og-0', 'og-1', 'og-2');
  await ready('og-0', 'og-1', 'og-2');
  await status((found) => numberAt(found, 'readyReplicas') === 3);
  const patch = { spec: { template: { metadata: { annotations: { restarted: 'yes' } } } } };
  assert.equal((await subject.admin.patch(set, 'strategic', patch)).code, 200);
  const isNew = (pods: Dict[], name: string) => {
    const find = (list: Dict[]) => list.find((pod) => nameOf(pod) === name);
    return find(pods) !== undefined && uidOf(find(pods)) !== uidOf(find(old));
  };
  for (const [renewed, waiting] of [
    ['og-2', ['og-1', 'og-0']],
    ['og-1', ['og-0']],
    ['og-0', []],
  ] as const) {
    const pods = await until(
      `a new ${renewed}`,
      () => names('og-0', 'og-1', 'og-2'),
      (found) => isNew(found, renewed),
    );
    for (const name of waiting) assert.ok(!isNew(pods, name), `${name} waits for ${renewed}`);
    await ready(renewed);
  }
  const seen = await status(
    (found) => found['currentRevision'] === found['updateRevision'] && numberAt(found, 'readyReplicas') === 3,
  );
  assert.equal(seen['updatedReplicas'], 3);
});

test('a set that is deleted takes its members with it and leaves their claims', async () => {
  const { set, names, claims } = await scene(2);
  await names('og-0', 'og-1');
  await subject.admin.delete(set);
  await names();
  assert.deepEqual(await claims(), ['data-og-0', 'data-og-1']);
});

test('a member that loses its labels is nobody’s, and the set’s again when it has them back', async () => {
  const { namespace, names, ready } = await scene(2);
  const [first] = await names('og-0', 'og-1');
  await ready('og-0', 'og-1');
  const path = `${core(namespace, 'pods')}/og-0`;
  const owners = async () => listAt((await subject.admin.get(path)).body, 'metadata', 'ownerReferences').length;
  const relabel = (value: string | null) =>
    subject.admin.patch(path, 'merge', { metadata: { labels: { 'opengauss.cluster': value } } });
  await relabel(null);
  await until('no owner', owners, (count) => count === 0);
  await relabel('demo');
  await until('an owner', owners, (count) => count === 1);
  const [again] = await names('og-0', 'og-1');
  assert.equal(uidOf(again), uidOf(first));
});
