/**
 * Goal: a real API server takes the manifests as they are, with strict field validation and in a namespace that lets in
 * nothing below the restricted profile; and says so when somebody breaks them. Part of `npm run test:conformance`, as
 * the embedded server knows no admission.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { kubeconfig } from '../kube/kubeconfig.ts';
import { type Subject, startSubject } from '../kube/subject.ts';
import { objectsIn, parts } from './base.ts';

const root = fileURLToPath(new URL('../../manifests/', import.meta.url));
const overlays = ['single', 'one-plus-one', 'one-plus-two'];
const namespace = 'opengauss';

let subject: Subject;
let directory: string;

function kubectl(words: string[], input?: string): Promise<{ code: number; out: string }> {
  const env = { ...process.env, KUBECONFIG: join(directory, 'kubeconfig'), KUBECACHEDIR: join(directory, 'cache') };
  return new Promise((resolve) => {
    const child = execFile(process.env['KUBE_TEST_KUBECTL'] ?? 'kubectl', words, { env, timeout: 60_000 }, (error, out, errors) =>
      resolve({ code: error === null ? 0 : 1, out: `${out}${errors}` }),
    );
    child.stdin?.end(input ?? '');
  });
}

const strictly = ['--validate=strict', '--dry-run=server'];
const rendered = async (overlay: string) => (await kubectl(['kustomize', `${root}overlays/${overlay}`])).out;

/** The pod that the StatefulSet's controller would make. */
async function podOf(overlay: string): Promise<Record<string, unknown> & { spec: Record<string, unknown> }> {
  const template = parts(objectsIn(await rendered(overlay))).set.spec?.template;
  const claim = { name: 'data', persistentVolumeClaim: { claimName: 'data-og-demo-9' } };
  const spec = { ...template?.spec, volumes: [...(template?.spec?.volumes ?? []), claim] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...template?.metadata, name: 'og-demo-9', namespace }, spec };
}

before(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'manifests-')));
  subject = await startSubject();
  writeFileSync(join(directory, 'kubeconfig'), kubeconfig(subject.way), { mode: 0o600 });
  const { code, out } = await kubectl(['apply', '-f', `${root}namespace.yaml`]);
  assert.equal(code, 0, out);
});
after(async () => {
  await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  await subject.close();
  rmSync(directory, { recursive: true, force: true });
});

for (const overlay of overlays) {
  test(`the overlay ${overlay} is taken whole, without a warning`, async () => {
    const { code, out } = await kubectl(['apply', ...strictly, '-k', `${root}overlays/${overlay}`]);
    assert.equal(code, 0, out);
    assert.doesNotMatch(out, /warning/i);
    assert.match(out, /statefulset\.apps\/og-demo created \(server dry run\)/);
  });
}

/** What the Prometheus operator brings; its own checks of the fields are not ours to have. */
const CRDS = [
  ['podmonitors', 'PodMonitor'],
  ['prometheusrules', 'PrometheusRule'],
].map(([plural, kind]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.monitoring.coreos.com` },
  spec: {
    group: 'monitoring.coreos.com',
    scope: 'Namespaced',
    names: { plural, kind, singular: kind?.toLowerCase() },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}));

test('all components together are taken strictly, and the pod with them is let in', async () => {
  const own = join(directory, 'components');
  mkdirSync(own);
  const space = 'with-components';
  const at = (path: string) => relative(own, join(root, path));
  const components = readdirSync(`${root}components`).map((name) => at(`components/${name}`));
  const kind = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
  const kustomization = { ...kind, namespace: space, resources: [at('overlays/single')], components };
  writeFileSync(join(own, 'kustomization.yaml'), JSON.stringify(kustomization));
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted', 'pod-security.kubernetes.io/warn': 'restricted' };
  const items = [...CRDS, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: space, labels } }];
  const made = await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  assert.equal(made.code, 0, made.out);
  await kubectl(['wait', '--for=condition=Established', ...CRDS.map(({ metadata }) => `crd/${metadata.name}`)]);
  const { code, out } = await kubectl(['apply', '--validate=strict', '-k', own]);
  assert.equal(code, 0, out);
  assert.doesNotMatch(out, /warning/i);
  // Made by the StatefulSet's controller, through the admission that users' pods go through.
  const pod = await kubectl(['-n', space, 'wait', '--for=create', 'pod/og-demo-0', '--timeout=30s']);
  assert.equal(pod.code, 0, pod.out);
  await kubectl(['delete', 'namespace', space, '--wait=false']);
});

test('the pod passes the restricted profile, and one that may become root does not', async () => {
  await kubectl(['apply', '-k', `${root}overlays/one-plus-two`]);
  for (const member of [0, 1, 2]) {
    const made = await kubectl(['-n', namespace, 'wait', '--for=create', `pod/og-demo-${member}`, '--timeout=30s']);
    assert.equal(made.code, 0, made.out);
  }
  const pod = await podOf('one-plus-two');
  const taken = await kubectl(['create', ...strictly, '-f', '-'], JSON.stringify(pod));
  assert.equal(taken.code, 0, taken.out);
  const root0 = { ...pod, spec: { ...pod.spec, securityContext: { runAsUser: 0 } } };
  const refused = await kubectl(['create', ...strictly, '-f', '-'], JSON.stringify(root0));
  assert.match(refused.out, /violates PodSecurity "restricted:latest".*runAsNonRoot/s);
});

test('applied again nothing changes, and no member is renewed', async () => {
  const generation = async () =>
    (await kubectl(['-n', namespace, 'get', 'statefulset,poddisruptionbudget', '-o', 'jsonpath={.items[*].metadata.generation}']))
      .out;
  await kubectl(['apply', '-k', `${root}overlays/one-plus-two`]);
  const before = await generation();
  const { out } = await kubectl(['apply', '-k', `${root}overlays/one-plus-two`]);
  const lines = out.trim().split('\n');
  assert.ok(lines.length >= 9, out);
  // The claims' template and the budget's selector are replaced as a whole: kubectl sends them again and nothing comes of it.
  const resent = /^(statefulset\.apps|poddisruptionbudget\.policy)\/og-demo configured$/;
  for (const line of lines) assert.ok(/unchanged$/.test(line) || resent.test(line), line);
  assert.equal(await generation(), before);
});

test('a field that nobody knows is refused by name', async () => {
  const text = (await rendered('single')).replace('podManagementPolicy:', 'podManagmentPolicy:');
  const { code, out } = await kubectl(['apply', ...strictly, '-f', '-'], text);
  assert.equal(code, 1);
  assert.match(out, /unknown field "spec\.podManagmentPolicy"/);
});

const IMMUTABLE = [
  { name: 'the size of the claims', from: 'storage: 20Gi', to: 'storage: 30Gi' },
  { name: 'the name of the pods’ Service', from: 'serviceName: og-demo-pods', to: 'serviceName: other' },
  { name: 'the order of starting', from: 'podManagementPolicy: Parallel', to: 'podManagementPolicy: OrderedReady' },
];

for (const { name, from, to } of IMMUTABLE) {
  test(`who changes ${name} of a cluster that exists is told that it cannot be changed`, async () => {
    await kubectl(['apply', '-k', `${root}overlays/one-plus-two`]);
    const text = (await rendered('one-plus-two')).replace(from, to);
    const { code, out } = await kubectl(['apply', ...strictly, '-f', '-'], text);
    assert.equal(code, 1);
    assert.match(out, /updates to statefulset spec for fields other than .* are forbidden/);
  });
}
