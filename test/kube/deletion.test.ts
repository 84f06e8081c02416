/**
 * Deletion: time to stop, finalizers, preconditions, eviction under a disruption budget.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Reply } from './client.ts';
import { at, listAt, numberAt, textAt } from './json.ts';
import { configMap, core, pod, podStatus } from './samples.ts';
import type { Subject } from './subject.ts';
import { NODE, startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

async function runningPod(metadata = {}): Promise<{ path: string; namespace: string }> {
  const namespace = await subject.namespace();
  const path = core(namespace, 'pods');
  const made = await subject.admin.post(path, pod(metadata, { nodeName: NODE, terminationGracePeriodSeconds: 60 }));
  assert.equal(made.code, 201, made.text);
  await subject.admin.patch(`${path}/og-0/status`, 'merge', podStatus('10.1.2.3', true));
  return { path: `${path}/og-0`, namespace };
}

async function until(read: () => Promise<Reply>, holds: (reply: Reply) => boolean): Promise<Reply> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const reply = await read();
    if (holds(reply) || performance.now() > deadline) return reply;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a pod that is deleted stays until its kubelet says that it has stopped', async () => {
  const { path } = await runningPod();
  const marked = await subject.admin.delete(path);
  assert.equal(marked.body['kind'], 'Pod');
  assert.equal(numberAt(marked.body, 'metadata', 'deletionGracePeriodSeconds'), 60);
  assert.ok(textAt(marked.body, 'metadata', 'deletionTimestamp'));
  assert.equal((await subject.admin.get(path)).code, 200);
  const finished = await subject.admin.delete(path, { gracePeriodSeconds: 0 });
  assert.equal(finished.code, 200);
  assert.equal((await subject.admin.get(path)).code, 404);
});

test('a deletion under way is made shorter, never longer', async () => {
  const { path } = await runningPod();
  await subject.admin.delete(path);
  const shorter = await subject.admin.delete(path, { gracePeriodSeconds: 5 });
  assert.equal(numberAt(shorter.body, 'metadata', 'deletionGracePeriodSeconds'), 5);
  const longer = await subject.admin.delete(path, { gracePeriodSeconds: 90 });
  assert.equal(numberAt(longer.body, 'metadata', 'deletionGracePeriodSeconds'), 5);
  await subject.admin.delete(path, { gracePeriodSeconds: 0 });
});

test('a pod that no node runs is gone at once', async () => {
  const path = core(await subject.namespace(), 'pods');
  await subject.admin.post(path, pod());
  await subject.admin.delete(`${path}/og-0`);
  assert.equal((await subject.admin.get(`${path}/og-0`)).code, 404);
});

test('watchers see a pod marked before they see it deleted, even when it is deleted by force', async () => {
  const { path, namespace } = await runningPod();
  const version = textAt((await subject.admin.get(path)).body, 'metadata', 'resourceVersion');
  const watch = await subject.admin.watch(`${core(namespace, 'pods')}?watch=1&resourceVersion=${version}`);
  await subject.admin.delete(path, { gracePeriodSeconds: 0 });
  const events = await watch.until((event) => event.type === 'DELETED');
  assert.deepEqual(
    events.map(({ type }) => type),
    ['MODIFIED', 'DELETED'],
  );
  for (const event of events) assert.ok(textAt(event.object, 'metadata', 'deletionTimestamp'));
  watch.close();
});

test('an object with a finalizer stays until the finalizer is taken away', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  await subject.admin.post(path, configMap({}, { finalizers: ['example.io/hold'] }));
  const marked = await subject.admin.delete(`${path}/config`);
  assert.ok(textAt(marked.body, 'metadata', 'deletionTimestamp'));
  const more = await subject.admin.patch(`${path}/config`, 'merge', {
    metadata: { finalizers: ['example.io/hold', 'example.io/more'] },
  });
  assert.equal(more.code, 422);
  assert.match(
    String(more.body['message']),
    /no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"example\.io\/more"\}/,
  );
  assert.equal((await subject.admin.patch(`${path}/config`, 'merge', { metadata: { finalizers: null } })).code, 200);
  assert.equal((await subject.admin.get(`${path}/config`)).code, 404);
});

test('a deletion for another uid is a conflict', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  const made = await subject.admin.post(path, configMap());
  const uid = textAt(made.body, 'metadata', 'uid');
  const reply = await subject.admin.delete(`${path}/config`, { preconditions: { uid: 'other' } });
  assert.equal(reply.code, 409);
  const words = `the UID in the precondition (other) does not match the UID in record (${uid}). The object might have been deleted and then recreated`;
  assert.equal(reply.body['message'], `Operation cannot be fulfilled on ConfigMap "config": ${words}`);
  const right = await subject.admin.delete(`${path}/config`, { preconditions: { uid } });
  assert.deepEqual(right.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 'config', kind: 'configmaps', uid },
  });
});

test('an eviction waits for the disruption budget and then deletes gracefully', async () => {
  const { path, namespace } = await runningPod({ labels: { a: 'b' } });
  const budgets = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
  const spec = { minAvailable: 1, selector: { matchLabels: { a: 'b' } } };
  await subject.admin.post(budgets, { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'budget' }, spec });
  await until(
    () => subject.admin.get(`${budgets}/budget`),
    (reply) => numberAt(reply.body, 'status', 'currentHealthy') === 1,
  );
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'og-0' } };
  const refused = await subject.admin.post(`${path}/eviction`, eviction);
  assert.equal(refused.code, 429);
  assert.equal(refused.body['reason'], 'TooManyRequests');
  assert.equal(refused.body['message'], "Cannot evict pod as it would violate the pod's disruption budget.");
  assert.equal(
    textAt(listAt(refused.body, 'details', 'causes')[0], 'message'),
    'The disruption budget budget needs 1 healthy pods and has 1 currently',
  );
  await subject.admin.patch(`${budgets}/budget`, 'merge', { spec: { minAvailable: 0 } });
  await until(
    () => subject.admin.get(`${budgets}/budget`),
    (reply) => numberAt(reply.body, 'status', 'disruptionsAllowed') === 1,
  );
  const granted = await subject.admin.post(`${path}/eviction`, eviction);
  assert.equal(granted.code, 201, granted.text);
  const leaving = await subject.admin.get(path);
  assert.ok(textAt(leaving.body, 'metadata', 'deletionTimestamp'));
  assert.ok(listAt(leaving.body, 'status', 'conditions').some((item) => textAt(item, 'reason') === 'EvictionByEvictionAPI'));
  await subject.admin.delete(path, { gracePeriodSeconds: 0 });
});

for (const { policy, code } of [
  { policy: 'IfHealthyBudget', code: 429 },
  { policy: 'AlwaysAllow', code: 201 },
]) {
  test(`a pod that is not ready is evicted under the policy ${policy} with ${code}, while too few are healthy`, async () => {
    const { path, namespace } = await runningPod({ labels: { a: 'b' } });
    await subject.admin.patch(`${path}/status`, 'merge', podStatus('10.1.2.3', false));
    const budgets = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
    const spec = { minAvailable: 1, unhealthyPodEvictionPolicy: policy, selector: { matchLabels: { a: 'b' } } };
    await subject.admin.post(budgets, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'budget' },
      spec,
    });
    await until(
      () => subject.admin.get(`${budgets}/budget`),
      ({ body }) =>
        numberAt(body, 'status', 'observedGeneration') === 1 &&
        numberAt(body, 'status', 'expectedPods') === 1 &&
        numberAt(body, 'status', 'currentHealthy') === 0,
    );
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'og-0' } };
    const reply = await subject.admin.post(`${path}/eviction`, eviction);
    assert.equal(reply.code, code, reply.text);
    await subject.admin.delete(path, { gracePeriodSeconds: 0 });
  });
}

test('all objects of a selection are deleted at once', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  for (const name of ['one', 'two']) await subject.admin.post(path, configMap({}, { name, labels: { a: 'b' } }));
  await subject.admin.post(path, configMap({}, { name: 'three' }));
  assert.equal((await subject.admin.delete(`${path}?labelSelector=a%3Db`)).code, 200);
  const left = await subject.admin.get(path);
  assert.ok(listAt(left.body, 'items').every((item) => at(item, 'metadata', 'labels', 'a') === undefined));
  assert.ok(listAt(left.body, 'items').some((item) => textAt(item, 'metadata', 'name') === 'three'));
});
