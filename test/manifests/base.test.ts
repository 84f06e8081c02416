/**
 * Goal: the manifests and the code say the same: rights, ports, paths, settings, labels; and the pod passes the
 * restricted profile. Method: the YAML is read, checked along the API's own models, and compared with the tables in the
 * code; where kubectl is at hand, with what it renders.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { rights } from '../../agent/adapters/kube/rights.ts';
import { routes } from '../../agent/adapters/http/routes.ts';
import { parseConfig } from '../../agent/settings/dynamic.ts';
import { readSettings, table } from '../../agent/settings/table.ts';
import { startCluster } from '../adapters/kube/cluster.ts';
import { baseDir, find, objectsIn, parts, readBase } from './base.ts';
import { strictProblems } from './strict.ts';

const objects = readBase();
const { set, og, services } = parts(objects);
const pod = set.spec?.template.spec;
const podLabels = set.spec?.template.metadata?.labels ?? {};

/** The agent's settings in a pod where nothing but the manifest's own environment is set. */
const settings = (() => {
  const fieldValues: Record<string, string> = {
    'metadata.name': 'og-demo-0',
    'metadata.namespace': 'default',
    'status.podIP': '10.0.0.1',
    'metadata.uid': 'uid-0',
    "metadata.labels['opengauss.cluster']": podLabels['opengauss.cluster'] ?? '',
  };
  const env = Object.fromEntries(
    (og.env ?? []).map((one) => [one.name, one.value ?? fieldValues[one.valueFrom?.fieldRef?.fieldPath ?? '']]),
  );
  const read = readSettings({ ...env, KUBERNETES_SERVICE_HOST: '10.0.0.2', OG_INCARNATION: 'one', OG_ENTRYPOINT_PID: '1' });
  if (!read.ok) throw new Error(read.problems.map(({ field, problem }) => `${field} ${problem}`).join('; '));
  return read.settings;
})();

test('who names no container gets the database, whichever containers components put before it', () => {
  assert.equal(set.spec?.template.metadata?.annotations?.['kubectl.kubernetes.io/default-container'], og.name);
});

test('every field exists and every value has its type', () => {
  assert.deepEqual(objects.flatMap(strictProblems), []);
});

test('the strict check itself finds a wrong field, a wrong type and a wrong kind', () => {
  const wrong = { apiVersion: 'apps/v1', kind: 'StatefulSet', spec: { replicas: '3', terminationGracePeriodSecond: 1 } };
  assert.equal(strictProblems(wrong).length, 2);
  assert.equal(strictProblems({ apiVersion: 'v1', kind: 'Podd' }).length, 1);
});

test('kubectl renders the same objects', (t) => {
  const rendered = spawnSync('kubectl', ['kustomize', baseDir], { encoding: 'utf8' });
  if (rendered.error !== undefined) return t.skip('kubectl is not installed');
  assert.equal(rendered.status, 0, rendered.stderr);
  const key = (object: { kind: string; metadata: { name: string } }) => `${object.kind}/${object.metadata.name}`;
  const byKey = (list: typeof objects) => list.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  assert.deepEqual(byKey(objectsIn(rendered.stdout)), byKey(objects));
});

test('an API server takes every object', async (t) => {
  const cluster = await startCluster(t);
  for (const object of objects) {
    if (object.kind === 'ServiceAccount') continue;
    cluster.server.store.apply(structuredClone(object));
  }
});

test('the Role holds exactly the rights that the code uses, and the pods have it', () => {
  assert.deepEqual(find<{ rules: unknown }>(objects, 'Role', 'og-demo').rules, rights('demo'));
  const binding = find<{ roleRef: unknown; subjects: unknown }>(objects, 'RoleBinding', 'og-demo');
  assert.deepEqual(binding.roleRef, { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'og-demo' });
  assert.deepEqual(binding.subjects, [{ kind: 'ServiceAccount', name: pod?.serviceAccountName }]);
  assert.equal(pod?.automountServiceAccountToken, true);
  const kinds = new Set(objects.map((object) => object.kind));
  assert.ok(!kinds.has('ClusterRole') && !kinds.has('Secret'));
});

test('each port is where the settings have it', () => {
  const ports: Record<string, number> = Object.fromEntries((og.ports ?? []).map((port) => [port.name ?? '', port.containerPort]));
  assert.deepEqual(
    { ...ports },
    {
      opengauss: settings.port,
      ha: settings.haPort,
      heartbeat: settings.port + 5,
      ready: settings.readyPort,
      http: settings.httpPort,
      peer: settings.peerPort,
    },
  );
  for (const service of services) {
    for (const port of service.spec?.ports ?? []) assert.equal(port.port, ports[String(port.targetPort)]);
  }
});

test('every environment variable is a setting, and the mounts lie where the settings look', () => {
  const known = new Set(Object.values(table).map((row) => row.env as string));
  for (const { name } of og.env ?? []) assert.ok(known.has(name), name);
  const mounts = Object.fromEntries((og.volumeMounts ?? []).map((mount) => [mount.name, mount.mountPath]));
  const { dataDir: data, runDir: run, socketDir: socket, authDir: auth } = settings;
  assert.deepEqual(mounts, { data, run, socket, tmp: '/tmp', auth });
  const volumes = new Map((pod?.volumes ?? []).map((volume) => [volume.name, volume]));
  assert.equal(volumes.get('run')?.emptyDir?.medium, 'Memory');
  assert.equal(volumes.get('auth')?.secret?.secretName, 'og-demo-auth');
  assert.equal(set.spec?.volumeClaimTemplates?.[0]?.metadata?.name, 'data');
});

test('the probes ask for routes that exist, on the right ports', () => {
  const paths = new Set(routes.map((route) => route.path));
  for (const probe of [og.startupProbe, og.livenessProbe]) {
    assert.ok(paths.has(probe?.httpGet?.path ?? ''), probe?.httpGet?.path);
    assert.equal(probe?.httpGet?.port, 'http');
  }
  assert.equal(og.readinessProbe?.tcpSocket?.port, 'ready');
});

test('Services, budget and spreading select the pods', () => {
  const roles = { 'opengauss.role': 'primary', 'opengauss.readable': 'true' };
  const labels: Record<string, string> = { ...podLabels, ...roles };
  const selectors = [
    ...services.map((service) => service.spec?.selector ?? {}),
    set.spec?.selector.matchLabels ?? {},
    find<{ spec: { selector: { matchLabels: Record<string, string> } } }>(objects, 'PodDisruptionBudget', 'og-demo').spec.selector
      .matchLabels,
    ...(pod?.topologySpreadConstraints ?? []).map((constraint) => constraint.labelSelector?.matchLabels ?? {}),
    ...(pod?.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      (term) => term.podAffinityTerm.labelSelector?.matchLabels ?? {},
    ),
  ];
  assert.equal(selectors.length, 7);
  for (const selector of selectors) {
    assert.ok(Object.keys(selector).length > 0);
    for (const [key, value] of Object.entries(selector)) assert.equal(labels[key], value, key);
  }
  const write = find<(typeof services)[0]>(objects, 'Service', 'og-demo-svc');
  assert.deepEqual(write.spec?.selector, { 'opengauss.cluster': 'demo', 'opengauss.role': 'primary' });
  const read = find<(typeof services)[0]>(objects, 'Service', 'og-demo-svc-read');
  assert.deepEqual(read.spec?.selector, { 'opengauss.cluster': 'demo', 'opengauss.readable': 'true' });
  const peers = find<(typeof services)[0]>(objects, 'Service', 'og-demo-pods');
  assert.equal(peers.spec?.publishNotReadyAddresses, true);
  assert.equal(set.spec?.serviceName, 'og-demo-pods');
  for (const key of ['opengauss.role', 'opengauss.readable']) assert.equal(podLabels[key], undefined, 'agents set it');
});

test('every object carries the labels of the cluster', () => {
  for (const { kind, metadata } of objects) assert.deepEqual(metadata.labels, podLabels, `${kind} ${metadata.name}`);
});

test('the pod passes the restricted profile', () => {
  assert.equal(pod?.securityContext?.runAsNonRoot, true);
  assert.equal(pod?.securityContext?.runAsUser, 70);
  assert.equal(pod?.securityContext?.seccompProfile?.type, 'RuntimeDefault');
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC'] as const) assert.equal(pod?.[key], undefined);
  for (const container of pod?.containers ?? []) {
    assert.equal(container.securityContext?.allowPrivilegeEscalation, false);
    assert.equal(container.securityContext?.readOnlyRootFilesystem, true);
    assert.deepEqual(container.securityContext?.capabilities, { drop: ['ALL'] });
    assert.equal(container.securityContext?.privileged, undefined);
  }
  for (const volume of pod?.volumes ?? []) assert.equal(volume.hostPath, undefined);
});

test('PID 1 is the fence: the PID namespace is not shared, and there is time to hand over', () => {
  assert.equal(pod?.shareProcessNamespace, false);
  assert.ok((pod?.terminationGracePeriodSeconds ?? 0) >= 60);
  assert.equal(set.spec?.podManagementPolicy, 'Parallel');
});

test('the configuration is valid', () => {
  const { data } = find<{ data: Record<string, string> }>(objects, 'ConfigMap', 'og-demo-config');
  const read = parseConfig(data['config.yaml']);
  assert.deepEqual(read.ok ? [] : read.problems, []);
});
