/**
 * kubectl as docs/OPERATIONS.md tells people to use it, on the manifests as they are shipped: applied, scaled, restarted, drained,
 * removed. The test plays the kubelet, and the template names its node. Without kubectl or openssl these tests are skipped by name.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import type { Dict } from './json.ts';
import { listAt, textAt } from './json.ts';
import { kubeconfig } from './kubeconfig.ts';
import { MISSING, kubectlOptions as options, runKubectl } from './kubectl.ts';
import { core } from './samples.ts';
import type { Subject } from './subject.ts';
import { NODE, startSubject } from './subject.ts';

let directory: string;
let subject: Subject;
let namespace: string;
let overlay: string;
let kubelet: NodeJS.Timeout | undefined;

const kubectl = (...words: string[]) => runKubectl(directory, words, 60_000);

async function done(...words: string[]): Promise<string> {
  const { code, out } = await kubectl(...words);
  assert.equal(code, 0, `kubectl ${words.join(' ')}: ${out}`);
  return out;
}

async function pods(): Promise<Dict[]> {
  return listAt((await subject.admin.get(core(namespace, 'pods'))).body, 'items') as Dict[];
}

const names = async () => (await pods()).map((pod) => textAt(pod, 'metadata', 'name')).sort();

/** Says of every pod that it is ready, and lets go of those that are deleted. */
async function play(): Promise<void> {
  for (const pod of await pods()) {
    const path = `${core(namespace, 'pods')}/${textAt(pod, 'metadata', 'name')}`;
    if (textAt(pod, 'metadata', 'deletionTimestamp') !== undefined) {
      await subject.admin.delete(path, { gracePeriodSeconds: 0 });
      continue;
    }
    if (textAt(pod, 'status', 'phase') === 'Running') continue;
    const status = { phase: 'Running', podIP: '10.1.2.3', conditions: [{ type: 'Ready', status: 'True' }] };
    await subject.admin.patch(`${path}/status`, 'merge', { status });
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `not in time: ${what}: ${(await names()).join()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const set = { kind: 'StatefulSet', name: 'og-demo' };

function writeOverlay(path: string, fields: Dict): void {
  mkdirSync(path);
  const kind = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
  writeFileSync(join(path, 'kustomization.yaml'), JSON.stringify({ ...kind, ...fields }));
}

before(async () => {
  if (MISSING.length > 0) return;
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'operations-')));
  subject = await startSubject({ secure: directory });
  namespace = await subject.namespace();
  writeFileSync(join(directory, 'kubeconfig'), kubeconfig({ ...subject.way, namespace }));
  overlay = join(directory, 'overlay');
  const resources = [relative(overlay, join(import.meta.dirname, '../../manifests/overlays/one-plus-two'))];
  const placed = `[{"op":"add","path":"/spec/template/spec/nodeName","value":"${NODE}"}]`;
  writeOverlay(overlay, { namespace, resources, patches: [{ target: set, patch: placed }] });
  kubelet = setInterval(() => void play().catch(() => undefined), 300);
});
after(async () => {
  clearInterval(kubelet);
  if (MISSING.length > 0) return;
  await subject.close();
  rmSync(directory, { recursive: true, force: true });
});

test('apply -k makes every object of the overlay, strictly checked, and finds nothing to do afterwards', options, async () => {
  const dry = await done('apply', '--validate=strict', '--dry-run=server', '-k', overlay);
  assert.match(dry, /statefulset\.apps\/og-demo created \(server dry run\)/);
  assert.match(await done('get', 'statefulset'), /No resources found/);
  const made = await done('apply', '--validate=strict', '-k', overlay);
  for (const kind of ['serviceaccount', 'role', 'rolebinding', 'configmap', 'service', 'poddisruptionbudget', 'statefulset'])
    assert.match(made, new RegExp(`^${kind}[./].* created$`, 'm'));
  await until('three members', async () => (await names()).join() === 'og-demo-0,og-demo-1,og-demo-2');
  const again = await done('apply', '-k', overlay);
  assert.doesNotMatch(again, /created/);
  assert.match(again, /^role\.rbac\.authorization\.k8s\.io\/og-demo unchanged$/m);
});

test('an edit of the overlay that cannot be applied is told with the fields that can', options, async () => {
  const patch = '{"spec":{"podManagementPolicy":"OrderedReady"}}';
  const { code, out } = await kubectl('patch', 'statefulset', 'og-demo', '--type=merge', '-p', patch);
  assert.equal(code, 1);
  assert.match(out, /updates to statefulset spec for fields other than 'replicas', .* are forbidden/);
});

test('a change of the claims goes by deleting the set without its pods, and applying it anew', options, async () => {
  const before = (await pods()).map((pod) => textAt(pod, 'metadata', 'uid')).sort();
  await done('delete', 'statefulset', 'og-demo', '--cascade=orphan');
  assert.equal((await names()).length, 3);
  const size = '[{"op":"replace","path":"/spec/volumeClaimTemplates/0/spec/resources/requests/storage","value":"30Gi"}]';
  const larger = join(directory, 'larger');
  writeOverlay(larger, { resources: ['../overlay'], patches: [{ target: set, patch: size }] });
  await done('apply', '-k', larger);
  await until('the pods are its own again', async () =>
    (await pods()).every((pod) => textAt(listAt(pod, 'metadata', 'ownerReferences')[0], 'name') === 'og-demo'),
  );
  assert.deepEqual((await pods()).map((pod) => textAt(pod, 'metadata', 'uid')).sort(), before);
  await done('delete', 'statefulset', 'og-demo', '--cascade=orphan');
  await done('apply', '-k', overlay);
});

test('scale gives and takes members, and wait sees them', options, async () => {
  await done('scale', 'statefulset', 'og-demo', '--replicas=5');
  await until('five members', async () => (await names()).length === 5);
  await done('wait', '--for=jsonpath={.status.readyReplicas}=5', 'statefulset/og-demo', '--timeout=30s');
  await done('scale', 'statefulset', 'og-demo', '--replicas=3');
  await until('three members', async () => (await names()).length === 3);
  const claims = await done('get', 'pvc', '-l', 'app.kubernetes.io/instance=demo', '-o', 'name');
  assert.equal(claims.trim().split('\n').length, 5);
});

test('rollout restart renews every member, and rollout status waits for it', options, async () => {
  const before = new Set((await pods()).map((pod) => textAt(pod, 'metadata', 'uid')));
  await done('rollout', 'restart', 'statefulset', 'og-demo');
  await done('rollout', 'status', 'statefulset', 'og-demo', '--timeout=50s');
  for (const pod of await pods()) assert.ok(!before.has(textAt(pod, 'metadata', 'uid')));
});

test('a node is cordoned and drained, and the budget lets its members go one by one', options, async () => {
  const before = new Set((await pods()).map((pod) => textAt(pod, 'metadata', 'uid')));
  const out = await done('drain', NODE, `--pod-selector=opengauss.cluster=demo`, '--delete-emptydir-data', '--timeout=50s');
  assert.match(out, /evicting pod .*og-demo-0/);
  assert.match(out, /drained/);
  assert.match(await done('get', 'node', NODE), /SchedulingDisabled/);
  await done('uncordon', NODE);
  await until('three others', async () => {
    const now = await pods();
    return now.length === 3 && now.every((pod) => !before.has(textAt(pod, 'metadata', 'uid')));
  });
});

test('events of one pod are found by its name, in both ways of asking', options, async () => {
  const [pod] = await pods();
  const name = textAt(pod, 'metadata', 'name') ?? '';
  const regarding = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid: textAt(pod, 'metadata', 'uid') };
  const now = new Date().toISOString().replace('Z', '000Z');
  const event = { eventTime: now, reportingController: 'opengauss-agent', reportingInstance: name, action: 'Promote' };
  await subject.admin.post(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`, {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: `${name}.1` },
    ...event,
    reason: 'Promoted',
    type: 'Normal',
    note: 'it is primary',
    regarding,
  });
  assert.match(await done('get', 'events', '--field-selector', `involvedObject.name=${name}`), /Promoted .*it is primary/);
  assert.match(await done('events', '--for', `pod/${name}`), /Promoted .*it is primary/);
});

test('pods and claims are deleted by their labels, and delete -k leaves the claims', options, async () => {
  const before = new Set((await pods()).map((pod) => textAt(pod, 'metadata', 'uid')));
  // Without --wait=false kubectl may take a successor of the same name for the pod that it deleted (kubernetes/kubernetes#135562).
  await done('delete', 'pod', '-l', 'opengauss.cluster=demo', '--wait=false');
  await until('three others', async () => {
    const now = await pods();
    return now.length === 3 && now.every((pod) => !before.has(textAt(pod, 'metadata', 'uid')));
  });
  await done('delete', '-k', overlay);
  await until('no pod', async () => (await names()).length === 0);
  const claims = ['get', 'pvc', '-l', 'app.kubernetes.io/instance=demo', '-o', 'name'];
  assert.equal((await done(...claims)).trim().split('\n').length, 5);
  await done('delete', 'pvc', '-l', 'app.kubernetes.io/instance=demo', '--wait=false');
});
