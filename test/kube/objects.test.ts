/**
 * Creating, reading, listing and selecting objects of every kind that the project uses, and what is refused.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Dict } from './json.ts';
import { at, listAt, textAt } from './json.ts';
import { configMap, core, lease, leases, pod, service } from './samples.ts';
import type { Subject } from './subject.ts';
import { NODE, startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

const TEMPLATE = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'og', image: 'og:1' }] } };

/** One of each kind: its folder and an object. */
const KINDS: { path(namespace: string): string; object: Dict }[] = [
  { path: leases, object: lease() },
  { path: (space) => core(space, 'configmaps'), object: configMap() },
  {
    path: (space) => core(space, 'secrets'),
    object: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { key: 'x' } },
  },
  { path: (space) => core(space, 'pods'), object: pod() },
  { path: (space) => core(space, 'services'), object: service() },
  {
    path: (space) => core(space, 'serviceaccounts'),
    object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'og' } },
  },
  {
    path: (space) => core(space, 'persistentvolumeclaims'),
    object: {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  },
  {
    path: (space) => `/apis/apps/v1/namespaces/${space}/statefulsets`,
    object: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'og' },
      spec: { replicas: 0, serviceName: 'og', selector: { matchLabels: { a: 'b' } }, template: TEMPLATE },
    },
  },
  {
    path: (space) => `/apis/policy/v1/namespaces/${space}/poddisruptionbudgets`,
    object: {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'b' },
      spec: { minAvailable: 1, selector: {} },
    },
  },
  {
    path: (space) => `/apis/rbac.authorization.k8s.io/v1/namespaces/${space}/roles`,
    object: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'r' },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
    },
  },
];

for (const { path, object } of KINDS) {
  const kind = String(object['kind']);
  test(`a ${kind} is created, read, listed and deleted, and its deletion is final`, async () => {
    const folder = path(await subject.namespace());
    const name = textAt(object, 'metadata', 'name') ?? '';
    const made = await subject.admin.post(folder, object);
    assert.equal(made.code, 201, made.text);
    for (const field of ['uid', 'resourceVersion', 'creationTimestamp', 'namespace'])
      assert.ok(textAt(made.body, 'metadata', field), `${field} is set`);
    const read = await subject.admin.get(`${folder}/${name}`);
    assert.equal(textAt(read.body, 'metadata', 'uid'), textAt(made.body, 'metadata', 'uid'));
    const list = await subject.admin.get(folder);
    assert.equal(list.body['kind'], `${kind}List`);
    const item = listAt(list.body, 'items').find((entry) => textAt(entry, 'metadata', 'name') === name);
    assert.ok(item !== undefined && at(item, 'kind') === undefined, 'items of a list do not repeat the kind');
    assert.equal((await subject.admin.post(folder, object)).body['reason'], 'AlreadyExists');
    assert.equal((await subject.admin.delete(`${folder}/${name}`)).code, 200);
    // A claim is released by a controller, all others are gone at once.
    const deadline = performance.now() + 10_000;
    let gone = await subject.admin.get(`${folder}/${name}`);
    while (kind === 'PersistentVolumeClaim' && !subject.real && gone.code === 200 && performance.now() < deadline)
      gone = await subject.admin.get(`${folder}/${name}`);
    if (kind !== 'PersistentVolumeClaim' || !subject.real) assert.equal(gone.code, 404);
  });
}

test('the text of a secret is kept as data', async () => {
  const path = core(await subject.namespace(), 'secrets');
  const made = await subject.admin.post(path, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    stringData: { key: 'x' },
  });
  assert.deepEqual(made.body['data'], { key: 'eA==' });
  assert.equal(made.body['type'], 'Opaque');
  assert.equal(made.body['stringData'], undefined);
});

test('a name is made from generateName', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  const made = await subject.admin.post(path, configMap({}, { name: undefined, generateName: 'some-' }));
  assert.match(textAt(made.body, 'metadata', 'name') ?? '', /^some-[a-z0-9]{5}$/);
});

test('a dry run answers as if and stores nothing', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  assert.equal((await subject.admin.post(`${path}?dryRun=All`, configMap())).code, 201);
  assert.equal((await subject.admin.get(`${path}/config`)).code, 404);
  await subject.admin.post(path, configMap());
  assert.equal((await subject.admin.delete(`${path}/config?dryRun=All`)).code, 200);
  const patched = await subject.admin.patch(`${path}/config?dryRun=All`, 'merge', { data: { a: '2' } });
  assert.equal(textAt(patched.body, 'data', 'a'), '2');
  assert.equal(textAt((await subject.admin.get(`${path}/config`)).body, 'data', 'a'), '1');
});

const REFUSED = [
  {
    name: 'a name with capitals',
    object: configMap({}, { name: 'Upper' }),
    code: 422,
    words:
      /^ConfigMap "Upper" is invalid: metadata\.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain must consist of/,
  },
  {
    name: 'no name',
    object: configMap({}, { name: undefined }),
    code: 422,
    words: /^ConfigMap "" is invalid: metadata\.name: Required value: name or generateName is required$/,
  },
  {
    name: 'another namespace',
    object: configMap({}, { namespace: 'other' }),
    code: 400,
    words: /^the namespace of the provided object does not match the namespace sent on the request$/,
  },
  {
    name: 'a label with a blank',
    object: configMap({}, { labels: { a: 'x y' } }),
    code: 422,
    words: /^ConfigMap "config" is invalid: metadata\.labels: Invalid value: "x y": a valid label must be/,
  },
  {
    name: 'a version',
    object: configMap({}, { resourceVersion: '5' }),
    code: 500,
    words: /^resourceVersion should not be set on objects to be created$/,
  },
  {
    name: 'a number where text belongs',
    object: configMap({ a: 2 }),
    code: 400,
    words:
      /^ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap\.data of type string$/,
  },
  {
    name: 'a key with a blank',
    object: configMap({ 'a b': 'x' }),
    code: 422,
    words: /^ConfigMap "config" is invalid: data\[a b\]: Invalid value: "a b": a valid config key must consist of/,
  },
  {
    name: 'another kind',
    object: lease(),
    code: 400,
    words:
      /^Lease in version "v1" cannot be handled as a ConfigMap: converting \(v1\.Lease\) to \(core\.ConfigMap\): unknown conversion$/,
  },
];

for (const { name, object, code, words } of REFUSED) {
  test(`an object with ${name} is refused`, async () => {
    const path = core(await subject.namespace(), 'configmaps');
    const reply = await subject.admin.post(path, object);
    assert.equal(reply.code, code, reply.text);
    assert.match(String(reply.body['message']), words);
  });
}

test('an object in a namespace that does not exist is not found', async () => {
  const reply = await subject.admin.post(core('nowhere-at-all', 'configmaps'), configMap());
  assert.equal(reply.code, 404);
  assert.equal(reply.body['message'], 'namespaces "nowhere-at-all" not found');
});

test('an unknown field is dropped, warned of, or refused, as the client asks', async () => {
  const path = leases(await subject.namespace());
  const odd = (name: string): Dict => lease({ nonsense: 1 }, { name });
  const warned = await subject.admin.post(path, odd('one'));
  assert.equal(warned.code, 201);
  assert.equal(at(warned.body, 'spec', 'nonsense'), undefined);
  assert.match(String(warned.headers['warning']), /299 - "unknown field \\"spec\.nonsense\\""/);
  const ignored = await subject.admin.post(`${path}?fieldValidation=Ignore`, odd('two'));
  assert.equal(ignored.headers['warning'], undefined);
  const strict = await subject.admin.post(`${path}?fieldValidation=Strict`, odd('three'));
  assert.equal(strict.code, 400);
  assert.equal(
    strict.body['message'],
    'Lease in version "v1" cannot be handled as a Lease: strict decoding error: unknown field "spec.nonsense"',
  );
});

test('lists are selected by labels', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  for (const [name, labels] of Object.entries({ one: { a: '1' }, two: { a: '2', b: 'x' }, three: { c: 'y' } }))
    await subject.admin.post(path, configMap({}, { name, labels: { ...labels, mine: 'yes' } }));
  const selected = async (selector: string): Promise<string[]> => {
    const reply = await subject.admin.get(`${path}?labelSelector=${encodeURIComponent(`mine=yes,${selector}`)}`);
    return listAt(reply.body, 'items')
      .map((item) => textAt(item, 'metadata', 'name') ?? '')
      .sort();
  };
  assert.deepEqual(await selected('a=1'), ['one']);
  assert.deepEqual(await selected('a!=1'), ['three', 'two']);
  assert.deepEqual(await selected('a'), ['one', 'two']);
  assert.deepEqual(await selected('!a'), ['three']);
  assert.deepEqual(await selected('a in (1,2),b=x'), ['two']);
  assert.deepEqual(await selected('a notin (1)'), ['three', 'two']);
});

test('pods are selected by node, phase and name', async () => {
  const path = core(await subject.namespace(), 'pods');
  await subject.admin.post(path, pod({ name: 'one' }, { nodeName: NODE }));
  await subject.admin.post(path, pod({ name: 'two' }));
  await subject.admin.patch(`${path}/one/status`, 'merge', { status: { phase: 'Running' } });
  const selected = async (selector: string): Promise<string[]> => {
    const reply = await subject.admin.get(`${path}?fieldSelector=${encodeURIComponent(selector)}`);
    return listAt(reply.body, 'items').map((item) => textAt(item, 'metadata', 'name') ?? '');
  };
  assert.deepEqual(await selected(`spec.nodeName=${NODE}`), ['one']);
  assert.deepEqual(await selected('spec.nodeName='), ['two']);
  assert.deepEqual(await selected('status.phase=Running'), ['one']);
  assert.deepEqual(await selected('metadata.name!=one'), ['two']);
  assert.equal(
    (await subject.admin.get(`${path}?fieldSelector=spec.foo%3D1`)).body['message'],
    'field label not supported: spec.foo',
  );
});

test('a long list comes in pages', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  for (const name of ['a', 'b', 'c']) await subject.admin.post(path, configMap({}, { name }));
  const first = await subject.admin.get(`${path}?limit=2`);
  assert.equal(listAt(first.body, 'items').length, 2);
  const token = textAt(first.body, 'metadata', 'continue') ?? '';
  const second = await subject.admin.get(`${path}?limit=20&continue=${encodeURIComponent(token)}`);
  const names = [...listAt(first.body, 'items'), ...listAt(second.body, 'items')].map((item) => textAt(item, 'metadata', 'name'));
  assert.deepEqual(
    names.filter((name) => (name ?? '').length === 1),
    ['a', 'b', 'c'],
  );
});

test('an immutable map keeps its data', async () => {
  const path = core(await subject.namespace(), 'configmaps');
  await subject.admin.post(path, { ...configMap(), immutable: true });
  const reply = await subject.admin.patch(`${path}/config`, 'merge', { data: { a: '2' } });
  assert.equal(reply.code, 422);
  assert.equal(
    reply.body['message'],
    'ConfigMap "config" is invalid: data: Forbidden: field is immutable when `immutable` is set',
  );
});

test('most of a stateful set stays as it was made', async () => {
  const path = `/apis/apps/v1/namespaces/${await subject.namespace()}/statefulsets`;
  const spec = { replicas: 0, serviceName: 'og', selector: { matchLabels: { a: 'b' } }, template: TEMPLATE };
  await subject.admin.post(path, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'og' }, spec });
  const reply = await subject.admin.patch(`${path}/og`, 'merge', { spec: { serviceName: 'other' } });
  assert.equal(reply.code, 422);
  assert.match(String(reply.body['message']), /updates to statefulset spec for fields other than .* are forbidden$/);
  const scaled = await subject.admin.patch(`${path}/og`, 'merge', { metadata: { labels: { x: 'y' } } });
  assert.equal(at(scaled.body, 'metadata', 'generation'), 1);
});

test('what the server does not serve is not found', async () => {
  const unknown = await subject.admin.get('/api/v1/nonsense');
  assert.equal(unknown.code, 404);
  assert.equal(unknown.body['message'], 'the server could not find the requested resource');
  assert.equal((await subject.admin.get('/apis/none.example/v1/things')).text.trim(), '404 page not found');
});
