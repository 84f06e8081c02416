/**
 * The four kinds of patch, as far as agents, kubectl and the lab use them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { at, listAt, textAt } from './json.ts';
import { configMap, core, pod } from './samples.ts';
import type { Subject } from './subject.ts';
import { startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

async function somePod(): Promise<string> {
  const path = core(await subject.namespace(), 'pods');
  assert.equal((await subject.admin.post(path, pod({ labels: { a: '1', b: '2' } }))).code, 201);
  return `${path}/og-0`;
}

test('a merge patch sets labels and removes those that it gives as null', async () => {
  const path = await somePod();
  const reply = await subject.admin.patch(path, 'merge', { metadata: { labels: { a: null, 'opengauss.role': 'primary' } } });
  assert.deepEqual(at(reply.body, 'metadata', 'labels'), { b: '2', 'opengauss.role': 'primary' });
});

test('a JSON patch whose tests hold is applied', async () => {
  const path = await somePod();
  const before = await subject.admin.get(path);
  const reply = await subject.admin.patch(path, 'json', [
    { op: 'test', path: '/metadata/uid', value: textAt(before.body, 'metadata', 'uid') },
    { op: 'add', path: '/metadata/labels/opengauss.agent~1x', value: 'y' },
    { op: 'remove', path: '/metadata/labels/a' },
    { op: 'replace', path: '/metadata/labels/b', value: '3' },
  ]);
  assert.equal(reply.code, 200);
  assert.deepEqual(at(reply.body, 'metadata', 'labels'), { b: '3', 'opengauss.agent/x': 'y' });
});

const REFUSED_PATCHES = [
  { name: 'whose test fails', patch: [{ op: 'test', path: '/metadata/labels/a', value: 'other' }] },
  { name: 'that removes what is not there', patch: [{ op: 'remove', path: '/metadata/labels/none' }] },
  { name: 'that adds below what is not there', patch: [{ op: 'add', path: '/metadata/none/a', value: '1' }] },
];

for (const { name, patch } of REFUSED_PATCHES) {
  test(`a JSON patch ${name} changes nothing and is invalid`, async () => {
    const path = await somePod();
    const before = await subject.admin.get(path);
    const reply = await subject.admin.patch(path, 'json', [{ op: 'add', path: '/metadata/labels/c', value: '3' }, ...patch]);
    assert.equal(reply.code, 422);
    assert.equal(reply.body['reason'], 'Invalid');
    assert.equal(reply.body['message'], 'the server rejected our request due to an error in our request');
    const now = await subject.admin.get(path);
    assert.equal(textAt(now.body, 'metadata', 'resourceVersion'), textAt(before.body, 'metadata', 'resourceVersion'));
  });
}

test('a strategic patch of a pod status merges conditions by type, the new ones first', async () => {
  const path = await somePod();
  const ready = { type: 'Ready', status: 'False' };
  await subject.admin.patch(`${path}/status`, 'strategic', { status: { conditions: [ready] } });
  const reply = await subject.admin.patch(`${path}/status`, 'strategic', {
    status: {
      conditions: [
        { type: 'Initialized', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
    },
  });
  const conditions = listAt(reply.body, 'status', 'conditions').map(
    (item) => `${textAt(item, 'type')}=${textAt(item, 'status')}`,
  );
  assert.deepEqual(conditions.sort(), ['Initialized=True', 'Ready=True']);
});

test('a merge patch of a pod status replaces all conditions', async () => {
  const path = await somePod();
  await subject.admin.patch(`${path}/status`, 'merge', { status: { conditions: [{ type: 'Ready', status: 'False' }] } });
  const reply = await subject.admin.patch(`${path}/status`, 'merge', {
    status: { conditions: [{ type: 'Initialized', status: 'True' }] },
  });
  assert.deepEqual(
    listAt(reply.body, 'status', 'conditions').map((item) => textAt(item, 'type')),
    ['Initialized'],
  );
});

test('a strategic patch removes one container port and one label with directives', async () => {
  const path = core(await subject.namespace(), 'services');
  const ports = [
    { name: 'db', port: 5432, protocol: 'TCP' },
    { name: 'ha', port: 5433, protocol: 'TCP' },
  ];
  await subject.admin.post(path, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's', labels: { a: '1', b: '2' } },
    spec: { ports },
  });
  const patch = { metadata: { labels: { $patch: 'replace', c: '3' } }, spec: { ports: [{ $patch: 'delete', port: 5433 }] } };
  const reply = await subject.admin.patch(`${path}/s`, 'strategic', patch);
  assert.equal(reply.code, 200);
  assert.deepEqual(at(reply.body, 'metadata', 'labels'), { c: '3' });
  assert.deepEqual(
    listAt(reply.body, 'spec', 'ports').map((port) => textAt(port, 'name')),
    ['db'],
  );
});

test('a patch through the status changes no spec, a patch of the pod changes no status', async () => {
  const path = await somePod();
  const through = await subject.admin.patch(`${path}/status`, 'merge', { spec: { nodeName: 'n' }, status: { phase: 'Running' } });
  assert.equal(at(through.body, 'spec', 'nodeName'), undefined);
  assert.equal(textAt(through.body, 'status', 'phase'), 'Running');
  const around = await subject.admin.patch(path, 'merge', { status: { phase: 'Failed' } });
  assert.equal(textAt(around.body, 'status', 'phase'), 'Running');
});

test('a pod keeps its spec', async () => {
  const path = await somePod();
  const reply = await subject.admin.patch(path, 'merge', { spec: { hostname: 'other' } });
  assert.equal(reply.code, 422);
  assert.match(
    String(reply.body['message']),
    /^Pod "og-0" is invalid: spec: Forbidden: pod updates may not change fields other than /,
  );
});

test('a patch of what does not exist is not found', async () => {
  const path = core(await subject.namespace(), 'pods');
  assert.equal((await subject.admin.patch(`${path}/none`, 'merge', { metadata: {} })).code, 404);
});

test('a patch in an unknown form is refused', async () => {
  const path = await somePod();
  const reply = await subject.admin.send('PATCH', path, { body: '{}', type: 'text/plain' });
  assert.equal(reply.code, 415);
  assert.equal(reply.body['reason'], 'UnsupportedMediaType');
});

async function applied(
  namespace: string,
  manager: string,
  data: Record<string, string>,
  force = false,
): Promise<ReturnType<typeof subject.admin.send>> {
  const path = `${core(namespace, 'configmaps')}/config?fieldManager=${manager}${force ? '&force=true' : ''}`;
  return subject.admin.patch(path, 'apply', configMap(data));
}

test('server-side apply creates, and removes what its manager applies no more', async () => {
  const namespace = await subject.namespace();
  assert.equal((await applied(namespace, 'one', { a: '1', b: '2' })).code, 201);
  const reply = await applied(namespace, 'one', { a: '1' });
  assert.equal(reply.code, 200);
  assert.deepEqual(reply.body['data'], { a: '1' });
});

test('server-side apply over the field of another manager is a conflict unless forced', async () => {
  const namespace = await subject.namespace();
  await applied(namespace, 'one', { a: '1' });
  const refused = await applied(namespace, 'two', { a: '2' });
  assert.equal(refused.code, 409);
  assert.equal(refused.body['message'], 'Apply failed with 1 conflict: conflict with "one": .data.a');
  assert.deepEqual(refused.body['details'], {
    causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' }],
  });
  const forced = await applied(namespace, 'two', { a: '2' }, true);
  assert.deepEqual(forced.body['data'], { a: '2' });
});

test('server-side apply meets fields that were written by a plain create', async () => {
  const namespace = await subject.namespace();
  await subject.admin.post(`${core(namespace, 'configmaps')}?fieldManager=by-hand`, configMap({ a: '1', b: '1' }));
  const refused = await applied(namespace, 'one', { a: '2' });
  assert.equal(refused.body['message'], 'Apply failed with 1 conflict: conflict with "by-hand" using v1: .data.a');
  const shared = await applied(namespace, 'one', { a: '1' });
  assert.deepEqual(shared.body['data'], { a: '1', b: '1' });
});
