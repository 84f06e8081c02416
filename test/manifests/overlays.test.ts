/**
 * Goal: the overlays are clusters of one, two and three members that differ in nothing a user has not chosen. Method:
 * kubectl renders them, and what comes out is compared with the base; no server is asked.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { V1NetworkPolicy, V1NetworkPolicyPeer } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { nodeRights } from '../../agent/adapters/kube/rights.ts';
import { readSetting, table } from '../../agent/settings/table.ts';
import { type Manifest, objectsIn, parts, readBase } from './base.ts';
import { strictProblems } from './strict.ts';

const root = fileURLToPath(new URL('../../manifests/', import.meta.url));
const kubectl = process.env['KUBE_TEST_KUBECTL'] ?? 'kubectl';
const missing = spawnSync(kubectl, ['--help'], { stdio: 'ignore' }).error !== undefined;
const options = missing ? { skip: 'missing here: kubectl' } : {};
const members: Record<string, number> = { single: 1, 'one-plus-one': 2, 'one-plus-two': 3 };

function render(overlay: string): Manifest[] {
  const { status, stdout, stderr } = spawnSync(kubectl, ['kustomize', `${root}overlays/${overlay}`], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return objectsIn(stdout);
}

test('there is an overlay for one, two and three members, and no other', () => {
  assert.deepEqual(readdirSync(`${root}overlays`).sort(), Object.keys(members).sort());
});

for (const [overlay, count] of Object.entries(members)) {
  test(`the overlay ${overlay} has ${count} members, every object of the base, and one namespace`, options, () => {
    const objects = render(overlay);
    const named = (list: Manifest[]) => list.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
    assert.deepEqual(named(objects), named(readBase()));
    assert.equal(parts(objects).set.spec?.replicas, count);
    for (const { metadata } of objects) assert.equal((metadata as { namespace?: string }).namespace, 'opengauss');
  });

  test(`the overlay ${overlay} has image, size, storage class and resources where they are found at once`, options, () => {
    const text = readFileSync(`${root}overlays/${overlay}/kustomization.yaml`, 'utf8');
    for (const word of [
      /^images:$/m,
      /resources\/requests\/storage, value/,
      /storageClassName/,
      /requests: \{ cpu/,
      /^namespace:/m,
    ])
      assert.match(text, word);
  });

  test(`the binding of the overlay ${overlay} names its account with the namespace`, options, () => {
    const binding = render(overlay).find(({ kind }) => kind === 'RoleBinding') as unknown as { subjects: object[] };
    assert.deepEqual(binding.subjects, [{ kind: 'ServiceAccount', name: 'og-demo', namespace: 'opengauss' }]);
  });
}

test('members of the overlay for three never share a node', options, () => {
  const affinity = parts(render('one-plus-two')).set.spec?.template.spec?.affinity?.podAntiAffinity;
  const [rule] = affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  assert.equal(rule?.topologyKey, 'kubernetes.io/hostname');
  assert.deepEqual(rule?.labelSelector?.matchLabels, parts(readBase()).set.spec?.selector.matchLabels);
});

test('the namespace lets nothing in below the restricted profile, and is no part of what is deleted with the cluster', () => {
  const [namespace] = objectsIn(readFileSync(`${root}namespace.yaml`, 'utf8'));
  assert.equal(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
  assert.equal(
    readBase().some(({ kind }) => kind === 'Namespace'),
    false,
  );
});

/** The smallest overlay with one component. */
function withComponent(name: string, t: TestContext): Manifest[] {
  const dir = mkdtempSync(join(tmpdir(), 'overlay-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const at = (path: string) => relative(realpathSync(dir), join(root, path));
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [at('overlays/single')],
    components: [at(`components/${name}`)],
  };
  writeFileSync(join(dir, 'kustomization.yaml'), JSON.stringify(kustomization));
  const { status, stdout, stderr } = spawnSync(kubectl, ['kustomize', dir], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return objectsIn(stdout);
}

test('the component for network policies lets every port of a member be reached by members, and two by others', options, (t) => {
  const objects = withComponent('network-policy', t);
  const { og, set } = parts(objects);
  const policy = objects.find(({ kind }) => kind === 'NetworkPolicy') as unknown as Pick<V1NetworkPolicy, 'spec'>;
  // The client's types call `from` otherwise.
  const rules = policy.spec?.ingress as { from?: V1NetworkPolicyPeer[]; ports?: { port: string }[] }[];
  const ports = (from: (peer: V1NetworkPolicyPeer) => boolean) =>
    rules
      .filter((rule) => rule.from?.some(from))
      .flatMap((rule) => rule.ports?.map(({ port }) => port) ?? [])
      .sort();
  const named = og.ports?.map(({ name }) => name).sort();
  // The kubelet asks the tcp port, from the node.
  assert.deepEqual(
    ports((from) => from.podSelector !== undefined),
    named?.filter((name) => name !== 'ready'),
  );
  assert.deepEqual(
    ports((from) => from.namespaceSelector !== undefined),
    ['http', 'opengauss'],
  );
  for (const [label, value] of Object.entries(policy.spec?.podSelector?.matchLabels ?? {}))
    assert.equal(set.spec?.template.metadata?.labels?.[label], value);
});

test('the component for a stock image copies the agent from an init container, within the restricted profile', options, (t) => {
  const { set, og } = parts(withComponent('agent-files', t));
  const [copier] = set.spec?.template.spec?.initContainers ?? [];
  assert.equal(copier?.securityContext?.allowPrivilegeEscalation, false);
  assert.equal(copier?.securityContext?.readOnlyRootFilesystem, true);
  assert.deepEqual(copier?.securityContext?.capabilities?.drop, ['ALL']);
  assert.equal(copier?.volumeMounts?.[0]?.mountPath, '/agent');
  assert.deepEqual(og.command, ['/opt/opengauss-agent/entrypoint/entrypoint.sh']);
  const mount = og.volumeMounts?.find(({ name }) => name === copier?.volumeMounts?.[0]?.name);
  assert.equal(mount?.mountPath, '/opt/opengauss-agent');
  assert.equal(og.env?.find(({ name }) => name === 'OG_AGENT_COMMAND')?.value, '/opt/opengauss-agent/bin/agent');
  // What the base mounts is still there.
  assert.ok(og.volumeMounts?.some(({ name }) => name === 'data'));
});

for (const [component, name] of [
  ['log-shipping', 'filebeat'],
  ['exporter', 'exporter'],
] as const) {
  test(`the component ${component} adds one container within the restricted profile, and changes nothing else`, options, (t) => {
    const objects = withComponent(component, t);
    const { set, og } = parts(objects);
    assert.deepEqual(og, parts(render('single')).og);
    assert.deepEqual(set.spec?.template.spec?.containers.map((container) => container.name).sort(), [name, 'og'].sort());
    const added = set.spec?.template.spec?.containers.find((container) => container.name === name);
    assert.equal(added?.securityContext?.allowPrivilegeEscalation, false);
    assert.equal(added?.securityContext?.readOnlyRootFilesystem, true);
    assert.deepEqual(added?.securityContext?.capabilities?.drop, ['ALL']);
    assert.ok(added?.resources?.limits?.['memory'] !== undefined);
    // Whoever can write the data can break them.
    for (const mount of added?.volumeMounts ?? []) if (mount.name === 'data') assert.equal(mount.readOnly, true);
    for (const object of objects.filter((one) => ['StatefulSet', 'ConfigMap'].includes(one.kind)))
      assert.deepEqual(strictProblems(object), [], object.metadata.name);
  });
}

test('the component for nodes off for good gives the right and the setting that go together, and nothing else', options, (t) => {
  const objects = withComponent('out-of-service', t);
  const role = objects.find(({ kind }) => kind === 'ClusterRole');
  assert.deepEqual(role?.['rules'], nodeRights);
  const binding = objects.find(({ kind }) => kind === 'ClusterRoleBinding');
  assert.deepEqual(binding?.['roleRef'], {
    apiGroup: 'rbac.authorization.k8s.io',
    kind: 'ClusterRole',
    name: role?.metadata.name,
  });
  assert.deepEqual(binding?.['subjects'], [{ kind: 'ServiceAccount', name: 'og-demo', namespace: 'opengauss' }]);
  const plain = render('single');
  const env = (list: Manifest[]) => parts(list).og.env ?? [];
  const added = env(objects).filter(({ name }) => !env(plain).some((one) => one.name === name));
  assert.deepEqual(added, [{ name: table.readsNodes.env, value: 'true' }]);
  assert.equal(readSetting({ [table.readsNodes.env]: 'true' }, 'readsNodes'), true);
  assert.equal(readSetting({}, 'readsNodes'), false, 'least rights by default');
  assert.equal(env(objects).length, env(plain).length + 1);
  for (const object of [role, binding]) assert.deepEqual(object === undefined ? ['missing'] : strictProblems(object), []);
});

test('what ships the logs reads where the agent and the server write them', options, (t) => {
  const objects = withComponent('log-shipping', t);
  const map = objects.find((one) => one.kind === 'ConfigMap' && one.metadata.name.startsWith('og-demo-filebeat'));
  const text = (map as unknown as { data: Record<string, string> }).data['filebeat.yml'] ?? '';
  const { 'filebeat.inputs': inputs } = parse(text) as { 'filebeat.inputs': { paths: string[] }[] };
  const mount = parts(objects).og.volumeMounts?.find(({ name }) => name === 'data')?.mountPath ?? '';
  assert.deepEqual(inputs[0]?.paths, [`${mount}/log/*.log`, `${mount}/pgdata/pg_log/*.log`]);
  const volumes = parts(objects).set.spec?.template.spec?.volumes ?? [];
  assert.equal(volumes.find(({ name }) => name === 'filebeat')?.configMap?.name, map?.metadata.name);
});
