/**
 * What a request says about itself and its object: how long it may take, which object it is meant for, whether its fields are
 * known.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { listAt, textAt } from './json.ts';
import { configMap, core, event, lease, leases, pod } from './samples.ts';
import type { Subject } from './subject.ts';
import { NODE, startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

test('a request that has time enough is answered, one whose timeout makes no sense is refused', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  assert.equal((await subject.admin.get(`${path}?timeout=5s`)).code, 200);
  const reply = await subject.admin.get(`${path}?timeout=soon`);
  assert.equal(reply.code, 400);
  assert.equal(reply.body['reason'], 'BadRequest');
  assert.equal(reply.body['message'], 'invalid timeout specified in the request URL - time: invalid duration "soon"');
});

test('a patch that names the uid of another pod changes nothing', async () => {
  const path = core(await subject.namespace(), 'pods');
  const made = await subject.admin.post(path, pod({}, { nodeName: NODE }));
  const uid = textAt(made.body, 'metadata', 'uid') ?? '';
  const labels = { 'opengauss.role': 'primary' };
  const refused = await subject.admin.patch(`${path}/og-0`, 'merge', { metadata: { uid: 'another', labels } });
  assert.equal(refused.code, 422);
  assert.match(String(refused.body['message']), /metadata\.uid: Invalid value: "another": field is immutable/);
  assert.equal((await subject.admin.patch(`${path}/og-0`, 'merge', { metadata: { uid, labels } })).code, 200);
});

test('a patch that names uid and version is done for that version alone', async () => {
  const path = core(await subject.namespace(), 'pods');
  const made = await subject.admin.post(path, pod({}, { nodeName: NODE }));
  const [uid, resourceVersion] = [textAt(made.body, 'metadata', 'uid'), textAt(made.body, 'metadata', 'resourceVersion')];
  const metadata = { uid, resourceVersion };
  const first = await subject.admin.patch(`${path}/og-0`, 'merge', { metadata: { ...metadata, labels: { a: '1' } } });
  assert.equal(first.code, 200);
  const second = await subject.admin.patch(`${path}/og-0`, 'merge', { metadata: { ...metadata, labels: { a: '2' } } });
  assert.deepEqual([second.code, second.body['reason']], [409, 'Conflict']);
  assert.equal(textAt((await subject.admin.get(`${path}/og-0`)).body, 'metadata', 'labels', 'a'), '1');
});

test('a replacement that names another uid says which is there', async () => {
  const path = leases(await subject.namespace());
  const made = await subject.admin.post(path, lease());
  const { name, uid, resourceVersion } = made.body['metadata'] as Record<string, string>;
  const reply = await subject.admin.put(`${path}/${name}`, {
    ...lease(),
    metadata: { name, uid: 'another', resourceVersion },
  });
  assert.equal(reply.code, 409);
  assert.match(
    String(reply.body['message']),
    new RegExp(`Precondition failed: UID in precondition: another, UID in object meta: ${uid}`),
  );
});

test('an unknown field in a replacement or a patch is refused to those who ask for strictness', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  await subject.admin.post(path, configMap());
  const replaced = await subject.admin.put(`${path}/config?fieldValidation=Strict`, { ...configMap(), nonsense: 1 });
  assert.deepEqual([replaced.code, replaced.body['reason']], [400, 'BadRequest']);
  assert.match(String(replaced.body['message']), /strict decoding error: unknown field "nonsense"/);
  const patched = await subject.admin.patch(`${path}/config?fieldValidation=Strict`, 'merge', { metadata: { nonsense: 1 } });
  assert.deepEqual([patched.code, patched.body['reason']], [422, 'Invalid']);
  assert.match(String(patched.body['message']), /strict decoding error: unknown field "metadata\.nonsense"/);
  const warned = await subject.admin.patch(`${path}/config`, 'merge', { metadata: { nonsense: 1 } });
  assert.equal(warned.code, 200);
  assert.match(String(warned.headers['warning']), /unknown field \\"metadata\.nonsense\\"/);
});

test('a dry run of a replacement, an eviction and an apply stores nothing', async () => {
  const namespace = await subject.namespace();
  const maps = core(namespace, 'configmaps');
  await subject.admin.post(maps, configMap());
  assert.equal((await subject.admin.put(`${maps}/config?dryRun=All`, configMap({ a: '9' }))).code, 200);
  const applied = { ...configMap({ b: '2' }), apiVersion: 'v1', kind: 'ConfigMap' };
  assert.equal((await subject.admin.patch(`${maps}/config?dryRun=All&fieldManager=x&force=true`, 'apply', applied)).code, 200);
  assert.deepEqual((await subject.admin.get(`${maps}/config`)).body['data'], { a: '1' });
  const pods = core(namespace, 'pods');
  await subject.admin.post(pods, pod({}, { nodeName: NODE }));
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'og-0' } };
  assert.equal((await subject.admin.post(`${pods}/og-0/eviction?dryRun=All`, eviction)).code, 201);
  assert.equal(textAt((await subject.admin.get(`${pods}/og-0`)).body, 'metadata', 'deletionTimestamp'), undefined);
});

test('an Event that is reported again and again is one object with a growing series', async () => {
  const namespace = await subject.namespace();
  const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
  assert.equal((await subject.admin.post(path, event(namespace))).code, 201);
  for (const count of [2, 3]) {
    const series = { count, lastObservedTime: `2026-11-21T09:0${count}:00.000000Z` };
    assert.equal((await subject.admin.patch(`${path}/og-0.1`, 'merge', { series })).code, 200);
  }
  const { body } = await subject.admin.get(path);
  assert.equal(listAt(body, 'items').length, 1);
  const [seen] = listAt(body, 'items') as { series?: unknown }[];
  assert.deepEqual(seen?.series, { count: 3, lastObservedTime: '2026-11-21T09:03:00.000000Z' });
  for (const [series, field] of [
    [{ count: 1, lastObservedTime: '2026-11-21T09:09:00.000000Z' }, /series\.count: Invalid value: "": should be at least 2/],
    [{ count: 9, lastObservedTime: null }, /series\.lastObservedTime: Required value/],
  ] as const) {
    const refused = await subject.admin.patch(`${path}/og-0.1`, 'merge', { series });
    assert.equal(refused.code, 422);
    assert.match(String(refused.body['message']), field);
  }
});
