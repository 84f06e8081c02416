/**
 * kubectl itself: the commands that the documentation tells users to type, against whichever server subject.ts gives.
 * Where there is no kubectl, or no openssl for the certificate, these tests are skipped by name.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Dict } from './json.ts';
import { at, dictAt, textAt } from './json.ts';
import { kubeconfig } from './kubeconfig.ts';
import { MISSING, kubectlOptions as options, runKubectl } from './kubectl.ts';
import { core, event, lease, leases, pod, podStatus, service } from './samples.ts';
import type { Subject } from './subject.ts';
import { NODE, startSubject } from './subject.ts';

let directory: string;
let subject: Subject;
let namespace: string;

const kubectl = (...words: string[]) => runKubectl(directory, words, 30_000);

async function fileOf(name: string, ...objects: object[]): Promise<string> {
  const file = join(directory, name);
  const [first] = objects;
  const whole = objects.length === 1 ? first : { apiVersion: 'v1', kind: 'List', items: objects };
  await writeFile(file, JSON.stringify(whole));
  return file;
}

async function stored(plural: string, name: string): Promise<Dict> {
  return (await subject.admin.get(`${core(namespace, plural)}/${name}`)).body;
}

async function make(path: string, object: Dict): Promise<Dict> {
  const reply = await subject.admin.post(path, object);
  assert.equal(reply.code, 201, reply.text);
  return reply.body;
}

/** An Event about the pod, as the agent writes it. */
function promoted(uid: string): Dict {
  return event(namespace, { note: 'og-0 is primary', regarding: { kind: 'Pod', namespace, name: 'og-0', uid } });
}

before(async () => {
  if (MISSING.length > 0) return;
  directory = await mkdtemp(join(tmpdir(), 'kubectl-'));
  subject = await startSubject({ secure: directory });
  namespace = await subject.namespace();
  await writeFile(join(directory, 'kubeconfig'), kubeconfig({ ...subject.way, namespace }));
  const pods = core(namespace, 'pods');
  await make(core(namespace, 'services'), service());
  const made = await make(pods, pod({ labels: { 'opengauss.role': 'primary' } }, { nodeName: NODE }));
  await subject.admin.patch(`${pods}/og-0/status`, 'merge', podStatus('10.1.2.3', true));
  await make(leases(namespace), lease({ holderIdentity: 'og-0/u/n' }));
  await make(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`, promoted(textAt(made, 'metadata', 'uid') ?? ''));
});
after(async () => {
  if (MISSING.length > 0) return;
  await subject.close();
  await rm(directory, { recursive: true, force: true });
});

test('get shows pods with their roles, the lease, the slices and the events', options, async () => {
  const pods = await kubectl('get', 'pods', '-L', 'opengauss.role', '-o', 'wide');
  assert.match(pods.out, /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES +OPENGAUSS\.ROLE$/m);
  assert.match(pods.out, /^og-0 +0\/1 +Running +0 +\d+s +10\.1\.2\.3 +kube-test-node +<none> +<none> +primary$/m);
  await kubectl('wait', '--for=jsonpath={.endpoints[0].addresses[0]}=10.1.2.3', 'endpointslice', '--all', '--timeout=10s');
  const rest = await kubectl('get', 'leases,endpointslices,events', '-o', 'wide');
  assert.match(rest.out, /leader +og-0\/u\/n +\d+s/);
  assert.match(rest.out, /og-[a-z0-9]{5} +IPv4 +5432 +10\.1\.2\.3/);
  assert.match(rest.out, /Normal +Promoted +pod\/og-0 .*og-0 is primary/);
});

test('get writes yaml, names and single fields', options, async () => {
  assert.match((await kubectl('get', 'lease', 'leader', '-o', 'yaml')).out, /holderIdentity: og-0\/u\/n/);
  assert.equal((await kubectl('get', 'pods', '-o', 'name')).out, 'pod/og-0\n');
  assert.equal((await kubectl('get', 'lease', 'leader', '-o', 'jsonpath={.spec.leaseTransitions}')).out, '1');
});

test('describe shows the pod with its events', options, async () => {
  const { out } = await kubectl('describe', 'pod', 'og-0');
  assert.match(out, /^Labels: +opengauss\.role=primary$/m);
  assert.match(out, /Normal +Promoted .* og-0 is primary/);
});

test('label, annotate and patch change a pod', options, async () => {
  assert.equal((await kubectl('label', 'pod', 'og-0', 'x=y')).out, 'pod/og-0 labeled\n');
  assert.equal((await kubectl('annotate', 'pod', 'og-0', 'opengauss.agent/paused=true')).out, 'pod/og-0 annotated\n');
  assert.equal(
    (await kubectl('patch', 'pod', 'og-0', '--type=merge', '-p', '{"metadata":{"labels":{"x":null}}}')).out,
    'pod/og-0 patched\n',
  );
  const { labels, annotations } = dictAt(await stored('pods', 'og-0'), 'metadata');
  assert.deepEqual([labels, annotations], [{ 'opengauss.role': 'primary' }, { 'opengauss.agent/paused': 'true' }]);
});

test('apply creates, finds nothing to do, and changes', options, async () => {
  const config = (data: object): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'og-config' }, data });
  const file = await fileOf('one.json', config({ a: '1', b: '2' }));
  assert.match((await kubectl('apply', '-f', file)).out, /og-config created/);
  assert.match((await kubectl('apply', '-f', file)).out, /og-config unchanged/);
  await fileOf('one.json', config({ a: '1' }));
  assert.match((await kubectl('apply', '-f', file)).out, /og-config configured/);
  assert.deepEqual((await stored('configmaps', 'og-config'))['data'], { a: '1' });
  assert.match((await kubectl('apply', '--server-side', '-f', file)).out, /og-config serverside-applied/);
  assert.match((await kubectl('delete', '-f', file)).out, /og-config" deleted/);
});

test('apply is refused a field that the kind does not have', options, async () => {
  const file = await fileOf('odd.json', lease({ nonsense: 1 }, { name: 'odd' }));
  const { code, out } = await kubectl('apply', '-f', file);
  assert.equal(code, 1);
  assert.match(out, /unknown field "spec\.nonsense"/);
});

test('wait returns when the condition holds and gives up when it does not', options, async () => {
  assert.equal((await kubectl('wait', '--for=condition=Ready', 'pod/og-0', '--timeout=5s')).code, 0);
  assert.equal((await kubectl('wait', '--for=condition=Other', 'pod/og-0', '--timeout=1s')).code, 1);
});

test('secrets, roles and tokens are created by hand, and auth can-i answers for them', options, async () => {
  const run = async (text: string): Promise<string> => (await kubectl(...text.split(' '))).out;
  assert.match(await run('create secret generic og-auth --from-literal=peer-key=x'), /og-auth created/);
  assert.equal(at(await stored('secrets', 'og-auth'), 'data', 'peer-key'), 'eA==');
  await run('create serviceaccount og');
  await run('create role og --verb=get,update --resource=leases.coordination.k8s.io --resource-name=leader');
  await run(`create rolebinding og --role=og --serviceaccount=${namespace}:og`);
  assert.match(await run('create token og'), /^\S{20,}$/);
  assert.match(await run('auth can-i delete pods'), /^yes/);
  assert.match(await run('auth whoami'), /Username +admin/);
});

test('delete waits until the kubelet has stopped the pod', options, async () => {
  const pods = core(namespace, 'pods');
  await make(pods, pod({ name: 'og-9' }, { nodeName: NODE }));
  const watch = await subject.admin.watch(`${pods}?watch=1&fieldSelector=metadata.name%3Dog-9`);
  const stopped = watch
    .until(({ object }) => at(object, 'metadata', 'deletionTimestamp') !== undefined)
    .then(() => subject.admin.delete(`${pods}/og-9`, { gracePeriodSeconds: 0 }));
  const { code, out } = await kubectl('delete', 'pod', 'og-9');
  await stopped;
  watch.close();
  assert.equal(code, 0);
  assert.match(out, /pod "og-9" deleted/);
  assert.equal((await subject.admin.get(`${pods}/og-9`)).code, 404);
});
