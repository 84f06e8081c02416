/**
 * What kubectl asks before it does anything, and the tables it shows.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { at, listAt, textAt } from './json.ts';
import { core, lease, leases, pod, podStatus, service, slices } from './samples.ts';
import type { Subject } from './subject.ts';
import { NODE, startSubject } from './subject.ts';

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

test('the server says that it lives, is ready and is of version 1.36', async () => {
  for (const path of ['/livez', '/readyz', '/healthz']) assert.equal((await subject.admin.get(path)).text, 'ok');
  const version = await subject.admin.get('/version');
  assert.match(textAt(version.body, 'gitVersion') ?? '', /^v1\.36\./);
});

const SERVED = [
  ['', 'configmaps', 'ConfigMap', 'cm'],
  ['', 'pods', 'Pod', 'po'],
  ['', 'services', 'Service', 'svc'],
  ['apps', 'statefulsets', 'StatefulSet', 'sts'],
  ['coordination.k8s.io', 'leases', 'Lease', undefined],
  ['discovery.k8s.io', 'endpointslices', 'EndpointSlice', undefined],
  ['events.k8s.io', 'events', 'Event', 'ev'],
  ['policy', 'poddisruptionbudgets', 'PodDisruptionBudget', 'pdb'],
  ['rbac.authorization.k8s.io', 'roles', 'Role', undefined],
] as const;

for (const [group, plural, kind, short] of SERVED) {
  test(`${plural} are found by both kinds of discovery`, async () => {
    const plain = await subject.admin.get(group === '' ? '/api/v1' : `/apis/${group}/v1`);
    const row = listAt(plain.body, 'resources').find((item) => textAt(item, 'name') === plural);
    assert.equal(textAt(row, 'kind'), kind);
    assert.equal(textAt(row, 'shortNames', 0), short);
    const whole = await subject.admin.get(group === '' ? '/api' : '/apis', AGGREGATED);
    assert.equal(whole.headers['content-type'], 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
    const found = listAt(whole.body, 'items').find((item) => (textAt(item, 'metadata', 'name') ?? '') === group);
    const resource = listAt(found, 'versions', 0, 'resources').find((item) => textAt(item, 'resource') === plural);
    assert.equal(textAt(resource, 'responseKind', 'kind'), kind);
    assert.deepEqual(listAt(resource, 'verbs'), listAt(row, 'verbs'));
  });
}

interface Shown {
  columns: string[];
  rows: unknown[][];
}

async function table(path: string): Promise<Shown> {
  const reply = await subject.admin.get(path, TABLE);
  assert.equal(reply.body['kind'], 'Table');
  return {
    columns: listAt(reply.body, 'columnDefinitions').map((column) => textAt(column, 'name') ?? ''),
    rows: listAt(reply.body, 'rows').map((row) => listAt(row, 'cells')),
  };
}

test('a table of pods shows readiness, state, address and node', async () => {
  const path = core(await subject.namespace(), 'pods');
  await subject.admin.post(path, pod({}, { nodeName: NODE }));
  const container = {
    name: 'og',
    image: 'og:1',
    imageID: '',
    ready: true,
    restartCount: 2,
    state: { running: { startedAt: '2026-11-21T09:00:00Z' } },
  };
  const status = { status: { ...(podStatus('10.1.2.3', true)['status'] as object), containerStatuses: [container] } };
  await subject.admin.patch(`${path}/og-0/status`, 'merge', status);
  const { columns, rows } = await table(path);
  assert.deepEqual(columns, ['Name', 'Ready', 'Status', 'Restarts', 'Age', 'IP', 'Node', 'Nominated Node', 'Readiness Gates']);
  const [row] = rows;
  assert.deepEqual(row?.toSpliced(4, 1), ['og-0', '1/1', 'Running', '2', '10.1.2.3', NODE, '<none>', '<none>']);
  assert.match(String(row?.[4]), /^\d+s$/);
  await subject.admin.delete(`${path}/og-0`);
  assert.equal((await table(path)).rows[0]?.[2], 'Terminating');
  await subject.admin.delete(`${path}/og-0`, { gracePeriodSeconds: 0 });
});

test('the rows of a table carry the metadata, so that labels can be shown', async () => {
  const path = core(await subject.namespace(), 'pods');
  await subject.admin.post(path, pod({ labels: { 'opengauss.role': 'primary' } }));
  const reply = await subject.admin.get(path, TABLE);
  const [row] = listAt(reply.body, 'rows');
  assert.equal(textAt(row, 'object', 'kind'), 'PartialObjectMetadata');
  assert.equal(at(row, 'object', 'metadata', 'labels', 'opengauss.role'), 'primary');
});

test('a table of leases shows the holder', async () => {
  const path = leases(await subject.namespace());
  await subject.admin.post(path, lease({ holderIdentity: 'og-0/uid/nonce' }));
  const { columns, rows } = await table(path);
  assert.deepEqual(columns, ['Name', 'Holder', 'Age']);
  assert.deepEqual(rows[0]?.slice(0, 2), ['leader', 'og-0/uid/nonce']);
});

test('tables of services and of their slices show ports and selector', async () => {
  const namespace = await subject.namespace();
  const watch = await subject.admin.watch(`${slices(namespace)}?watch=1`);
  await subject.admin.post(core(namespace, 'services'), service());
  await watch.next();
  watch.close();
  const shown = await table(core(namespace, 'services'));
  assert.deepEqual(shown.columns, ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', 'Selector']);
  const [name, type, , external, ports, , selector] = shown.rows[0] ?? [];
  assert.deepEqual([name, type, external, ports, selector], ['og', 'ClusterIP', '<none>', '5432/TCP', 'opengauss.role=primary']);
  const slice = await table(slices(namespace));
  assert.deepEqual(slice.columns, ['Name', 'AddressType', 'Ports', 'Endpoints', 'Age']);
  assert.deepEqual(slice.rows[0]?.slice(1, 4), ['IPv4', '<unset>', '<unset>']);
});

test('a watch of a table says its columns once', async () => {
  const path = leases(await subject.namespace());
  await subject.admin.post(path, lease());
  const watch = await subject.admin.watch(`${path}?watch=1`, TABLE);
  const first = await watch.next();
  assert.equal(listAt(first.object, 'columnDefinitions').length, 3);
  await subject.admin.patch(`${path}/leader`, 'merge', { spec: { holderIdentity: 'b' } });
  const second = await watch.next();
  assert.equal(listAt(second.object, 'columnDefinitions').length, 0);
  assert.equal(at(second.object, 'rows', 0, 'cells', 1), 'b');
  watch.close();
});

test('only the metadata of objects is sent to whoever asks for no more', async () => {
  const path = leases(await subject.namespace());
  await subject.admin.post(path, lease());
  const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json';
  const reply = await subject.admin.get(path, accept);
  assert.equal(reply.body['kind'], 'PartialObjectMetadataList');
  assert.equal(at(reply.body, 'items', 0, 'spec'), undefined);
  assert.equal(at(reply.body, 'items', 0, 'metadata', 'name'), 'leader');
});
