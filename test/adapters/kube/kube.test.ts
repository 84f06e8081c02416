/**
 * Goal: every call of KubePort does what it says, by rights that suffice and are all used, and each failure is the right
 * Fault. Method: the real adapter against the embedded API server over real sockets, faults on demand.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodePod } from '../../../agent/adapters/kube/pods.ts';
import { nodeRights, rights } from '../../../agent/adapters/kube/rights.ts';
import type { Request } from '../../../agent/core/model.ts';
import { aWrite, eventually, listen, must, mustFail, relayTo, startCluster } from './cluster.ts';

const aRequest: Request = {
  id: 'r1',
  kind: 'switchover',
  target: 'og-demo-1',
  options: { by: 'test' },
  phase: 'open',
  deadline: '2026-11-21T12:00:00.000Z',
  result: undefined,
  hint: undefined,
  resourceVersion: '',
};

test('a lease is created once, and replaced only over the very version that was read', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  assert.equal(must(await kube.readLease(1000)), undefined);
  const promoting = { member: 'og-demo-0', term: 1, dataId: 'd0' };
  const entries = [{ term: 1, primary: 'og-demo-0', dataId: 'd0', names: ['og-demo-1', 'og-demo-2'], w: 1 }];
  const first = must(
    await kube.writeLease(aWrite(undefined, { entries, promoting, heir: 'og-demo-2', containerId: 'c://1' }), 1000),
  );
  assert.deepEqual(must(await kube.readLease(1000)), first);
  assert.deepEqual([first.entries, first.promoting, first.heir, first.containerId], [entries, promoting, 'og-demo-2', 'c://1']);
  assert.equal(first.garbage, undefined);
  assert.match(first.renewTime, /\.\d{6}Z$/);
  const again = mustFail(await kube.writeLease(aWrite(undefined), 1000));
  assert.deepEqual([again.kind, again.done, again.code], ['exists', 'no', '409']);
  const second = must(await kube.writeLease(aWrite(first.resourceVersion, { term: 2 }), 1000));
  assert.equal(second.term, 2);
  assert.equal(second.promoting, undefined);
  const late = mustFail(await kube.writeLease(aWrite(first.resourceVersion), 1000));
  assert.deepEqual([late.kind, late.done, late.code], ['conflict', 'no', '409']);
});

test('a free lease has no holder and keeps its term', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const first = must(await kube.writeLease(aWrite(undefined, { term: 4 }), 1000));
  const free = must(await kube.writeLease(aWrite(first.resourceVersion, { holder: '', term: 4 }), 1000));
  assert.deepEqual([free.holder, free.term, free.garbage], ['', 4, undefined]);
});

test('a lease that was deleted is not made again by a write over it', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const { uid = '', ...first } = must(await kube.writeLease(aWrite(undefined), 1000));
  assert.notEqual(uid, '');
  cluster.server.store.delete('leases', 'og-demo-leader');
  const late = mustFail(await kube.writeLease({ ...aWrite(first.resourceVersion, { term: 2 }), uid }, 1000));
  assert.equal(late.kind, 'conflict');
  assert.equal(must(await kube.readLease(1000)), undefined);
  assert.notEqual(must(await kube.writeLease(aWrite(undefined), 1000)).uid, uid);
});

test('a record too large for its annotations is refused before it is sent', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const fault = mustFail(await kube.writeLease(aWrite(undefined, { containerId: 'x'.repeat(9000) }), 1000));
  assert.deepEqual([fault.kind, fault.done], ['refused', 'no']);
  assert.equal(cluster.server.requests.total(), 0);
});

test('pods are those of the cluster, by name, with what the container does', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  cluster.addPod(1);
  cluster.addPod(0);
  cluster.server.store.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'other', labels: { 'opengauss.cluster': 'other' } },
    spec: { containers: [{ name: 'og', image: 'og' }] },
  });
  const state = { running: { startedAt: '2026-11-21T07:00:00Z' } };
  const containerStatuses = [
    { name: 'og', ready: true, restartCount: 0, image: 'og', imageID: 'og', containerID: 'c://9', state },
  ];
  cluster.server.store.patchStatus('pods', 'og-demo-1', { podIP: '127.0.0.9', containerStatuses });
  const pods = must(await kube.listPods(1000));
  assert.deepEqual(
    pods.map((pod) => [pod.name, pod.ip, pod.container, pod.terminating, pod.node]),
    [
      ['og-demo-0', undefined, { id: undefined, state: 'unknown' }, false, 'node-0'],
      ['og-demo-1', '127.0.0.9', { id: 'c://9', state: 'running', startedAt: '2026-11-21T07:00:00Z' }, false, 'node-1'],
    ],
  );
});

test('a pod that is being deleted tells how long its containers have, which may be nothing', () => {
  const deletionTimestamp = '2026-11-21T07:00:00Z';
  for (const [metadata, told] of [
    [{}, [false, undefined]],
    [{ deletionTimestamp, deletionGracePeriodSeconds: 0 }, [true, 0]],
    [{ deletionTimestamp, deletionGracePeriodSeconds: 30 }, [true, 30]],
    [{ deletionTimestamp }, [true, undefined]],
  ] as const) {
    const { terminating, graceSeconds } = decodePod({ metadata });
    assert.deepEqual([terminating, graceSeconds], told);
  }
});

test('containers of a pod that the kubelet says have ended are told by id, and lost ones are not', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  cluster.addPod(0);
  const ended = (containerID: string | undefined, reason: string) => ({ terminated: { containerID, reason, exitCode: 137 } });
  for (const [state, lastState, ids] of [
    [ended('c://2', 'Error'), ended('c://1', 'OOMKilled'), ['c://2', 'c://1']],
    [{ waiting: { reason: 'CrashLoopBackOff' } }, ended('c://2', 'Error'), ['c://2']],
    [ended('c://2', 'ContainerStatusUnknown'), {}, undefined],
    [ended(undefined, 'ContainerStatusUnknown'), ended('', 'Error'), undefined],
  ] as const) {
    const status = {
      name: 'og',
      ready: false,
      restartCount: 0,
      image: 'og',
      imageID: 'og',
      containerID: 'c://2',
      state,
      lastState,
    };
    cluster.server.store.patchStatus('pods', 'og-demo-0', { containerStatuses: [status] });
    assert.deepEqual(must(await kube.listPods(1000))[0]?.container.ended, ids);
  }
});

test('a node is read by name: its taint, and whether its kubelet is well; one that is gone is none', async (t) => {
  // The embedded server knows no ClusterRoles; this is somebody who may do everything.
  const cluster = await startCluster(t, { tokens: [{ token: 'first-token', user: 'somebody', groups: ['system:masters'] }] });
  const kube = cluster.adapter();
  const taint = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' };
  const other = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' };
  const node = (name: string, taints: object[], ready?: string) => {
    const conditions = ready === undefined ? [] : [{ type: 'Ready', status: ready }];
    cluster.server.store.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { taints }, status: { conditions } });
  };
  node('node-0', [other, taint], 'Unknown');
  node('node-1', [other], 'False');
  node('node-2', [taint], 'True');
  node('node-3', []);
  const sights = await Promise.all([0, 1, 2, 3, 4].map(async (n) => must(await kube.readNode(`node-${n}`, 1000))));
  assert.deepEqual(sights, [
    { outOfService: true, ready: false },
    { outOfService: false, ready: false },
    { outOfService: true, ready: true },
    { outOfService: false, ready: false },
    undefined,
  ]);
});

test('a node is read with a right of its own, which the Role of a cluster does not give', async (t) => {
  const cluster = await startCluster(t);
  cluster.server.store.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-0' } });
  const fault = mustFail(await cluster.adapter().readNode('node-0', 1000));
  assert.deepEqual([fault.kind, fault.done], ['denied', 'no']);
  const asked = cluster.server.requests.recent().at(-1);
  const [right] = nodeRights;
  assert.deepEqual([[asked?.verb], [asked?.group], [asked?.resource]], [right?.verbs, right?.apiGroups, right?.resources]);
});

test('a pod is labelled only while it is that pod, and that version where one is given', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const pod = cluster.addPod(0);
  const change = { labels: { 'opengauss.role': 'primary' }, annotations: { 'opengauss.agent/term': '7' } };
  const patched = must(await kube.patchPod(pod, change, 1000));
  assert.equal(patched.labels['opengauss.role'], 'primary');
  assert.equal(patched.annotations['opengauss.agent/term'], '7');
  const stranger = mustFail(await kube.patchPod({ ...pod, uid: 'another' }, change, 1000));
  assert.equal(stranger.kind, 'conflict');
  const removal = { labels: { 'opengauss.role': null } };
  const removed = must(await kube.patchPod({ ...pod, resourceVersion: patched.resourceVersion }, removal, 1000));
  assert.equal(removed.labels['opengauss.role'], undefined);
  assert.equal(removed.labels['opengauss.cluster'], 'demo');
  const late = mustFail(await kube.patchPod({ ...pod, resourceVersion: patched.resourceVersion }, change, 1000));
  assert.deepEqual([late.kind, late.done], ['conflict', 'no']);
  const absent = mustFail(await kube.patchPod({ name: 'og-demo-3', uid: 'u' }, change, 1000));
  assert.equal(absent.kind, 'absent');
});

test('the configuration is the text of its key, absent when there is none', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  assert.deepEqual(must(await kube.readConfig(1000)), { text: undefined, resourceVersion: undefined });
  const data = { 'config.yaml': 'paused: true\n' };
  cluster.server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'og-demo-config' }, data });
  assert.equal(must(await kube.readConfig(1000)).text, 'paused: true\n');
});

test('facts are created, replaced by version, and leave the keys of others alone', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const none = must(await kube.readFacts(1000));
  assert.deepEqual(none, { systemId: undefined, history: [], resourceVersion: undefined });
  const line = { term: 1, primary: 'og-demo-0', at: '2026-11-21T07:00:00Z', reason: 'promoted' };
  const first = must(await kube.writeFacts({ ...none, systemId: '7', history: [line] }, 1000));
  assert.deepEqual([first.systemId, first.history], ['7', [line]]);
  assert.equal(mustFail(await kube.writeFacts({ ...none, systemId: '8' }, 1000)).kind, 'exists');
  cluster.server.store.patch('configmaps', 'og-demo-state', { data: { site: 'primary' } });
  assert.equal(mustFail(await kube.writeFacts({ ...first, systemId: '8' }, 1000)).kind, 'conflict');
  const many = Array.from({ length: 60 }, (_, term) => ({ ...line, term }));
  const read = must(await kube.readFacts(1000));
  const second = must(await kube.writeFacts({ ...read, history: many }, 1000));
  assert.deepEqual([second.history.length, second.history.at(-1)?.term], [50, 59]);
  assert.equal(cluster.server.store.get('configmaps', 'og-demo-state')?.data?.['site'], 'primary');
});

test('a request is written, answered and read back', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  assert.equal(must(await kube.readRequest(1000)), undefined);
  const open = must(await kube.writeRequest(aRequest, 1000));
  assert.deepEqual(must(await kube.readRequest(1000)), open);
  const done = must(await kube.writeRequest({ ...open, phase: 'done', result: 'og-demo-1 is primary' }, 1000));
  assert.deepEqual(must(await kube.readRequest(1000)), done);
  assert.equal(mustFail(await kube.writeRequest(open, 1000)).kind, 'conflict');
  assert.equal(mustFail(await kube.writeRequest(aRequest, 1000)).kind, 'exists');
});

test('a request that people wrote needs a kind only; a wrong one is named', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const put = (data: Record<string, string>) =>
    cluster.server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'og-demo-request' }, data });
  const uid = put({ kind: 'switchover' }).metadata.uid;
  const read = must(await kube.readRequest(1000));
  assert.deepEqual([read?.id, read?.phase, read?.target], [uid, 'open', undefined]);
  put({ kind: 'explode' });
  const fault = mustFail(await kube.readRequest(1000));
  assert.equal(fault.kind, 'malformed');
  assert.match(fault.detail, /kind is "explode"/);
});

test('events arrive as Events on the own pod; the same again counts up', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  kube.event({ reason: 'Promoted', type: 'Normal', action: 'Promote', note: 'term 2' });
  kube.event({ reason: 'Fenced', type: 'Warning', action: 'Fence', note: 'x'.repeat(5000) });
  kube.event({ reason: 'Promoted', type: 'Normal', action: 'Promote', note: 'term 2' });
  const events = () => cluster.server.store.list('events');
  await eventually('two events, one of them twice', () =>
    events().some((event) => JSON.stringify(event['series'] ?? '').includes('2')),
  );
  assert.equal(events().length, 2);
});

test('events wait for an API server that cannot be reached', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const fault = cluster.server.faults.add({ match: { resource: 'events' }, effect: { do: 'drop' } });
  kube.event({ reason: 'Fenced', type: 'Warning', action: 'Fence', note: 'cut off' });
  await eventually('a try', () => fault.hits() > 0);
  fault.remove();
  await eventually('the event', () => cluster.server.store.list('events').length === 1);
});

test('a thousand events at once cost the API server a few', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  for (let i = 0; i < 1000; i += 1) kube.event({ reason: 'Promoted', type: 'Normal', action: 'Promote', note: `number ${i}` });
  await kube.close();
  assert.ok(cluster.server.requests.total() <= 30, `${cluster.server.requests.total()} requests`);
});

test('an API server that knows no events.k8s.io/v1 costs the Events and nothing else', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const body = '404 page not found\n';
  const effect = { do: 'error', code: 404, body } as const;
  const fault = cluster.server.faults.add({ match: { path: /^\/apis\/events\.k8s\.io\// }, effect });
  for (let at = 0; at < 50; at += 1) kube.event({ reason: 'Promoted', type: 'Normal', action: 'Promote', note: `${at}` });
  const first = must(await kube.writeLease(aWrite(undefined), 1000));
  must(await kube.writeLease(aWrite(first.resourceVersion), 1000));
  must(await kube.listPods(1000));
  await eventually('a try', () => fault.hits() > 0);
  assert.ok(fault.hits() < 5, 'it is not tried over and over');
  await kube.close();
});

test('a server that hangs costs the deadline, and a write may have happened', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  cluster.server.faults.add({ match: { resource: 'leases' }, effect: { do: 'hang' } });
  const read = mustFail(await kube.readLease(100));
  assert.deepEqual([read.kind, read.done], ['timeout', 'no']);
  const write = mustFail(await kube.writeLease(aWrite(undefined), 100));
  assert.deepEqual([write.kind, write.done], ['timeout', 'maybe']);
});

test('a body that never ends costs the deadline too', async (t) => {
  const cluster = await startCluster(t);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\ncontent-type: application/json\r\n\r\n{"a"'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const kube = cluster.adapter({ url: `http://127.0.0.1:${port}` });
  assert.equal(mustFail(await kube.readLease(150)).kind, 'timeout');
  await kube.close();
});

test('a write that was applied while its answer was lost is unknown, and a read shows it', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const first = must(await kube.writeLease(aWrite(undefined), 1000));
  cluster.server.faults.add({ match: { resource: 'leases', verb: 'update' }, effect: { do: 'lose-answer' }, times: 1 });
  const lost = mustFail(await kube.writeLease(aWrite(first.resourceVersion, { term: 5 }), 1000));
  assert.deepEqual([lost.kind, lost.done], ['unreachable', 'maybe']);
  const again = mustFail(await kube.writeLease(aWrite(first.resourceVersion, { term: 5 }), 1000));
  assert.deepEqual([again.kind, again.done], ['conflict', 'no']);
  assert.equal(must(await kube.readLease(1000))?.term, 5);
});

test('each refusal of the API server is its own fault', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const expected: [number, string, string][] = [
    [401, 'denied', 'no'],
    [403, 'denied', 'no'],
    [429, 'throttled', 'no'],
    [500, 'unreachable', 'maybe'],
    [503, 'unreachable', 'maybe'],
    [504, 'timeout', 'maybe'],
  ];
  for (const [code, kind, done] of expected) {
    cluster.server.faults.add({ match: { verb: 'create' }, effect: { do: 'error', code }, times: 1 });
    const fault = mustFail(await kube.writeLease(aWrite(undefined), 1000));
    assert.deepEqual([fault.kind, fault.done, fault.code], [kind, done, String(code)]);
  }
});

test('a 404 that does not speak of the lease is not taken for its absence', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  cluster.server.faults.add({ match: {}, effect: { do: 'error', code: 404, body: '404 page not found' }, times: 1 });
  assert.equal(mustFail(await kube.readLease(1000)).kind, 'unreachable');
});

test('nobody at the other end is a fault at once, and nothing happened', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter({ url: 'http://127.0.0.1:1' });
  const fault = mustFail(await kube.writeLease(aWrite(undefined), 1000));
  assert.deepEqual([fault.kind, fault.done, fault.code], ['unreachable', 'no', 'ECONNREFUSED']);
});

test('what was given up before it was sent is never sent', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  cluster.server.faults.add({ match: { resource: 'leases', verb: 'get' }, effect: { do: 'delay', ms: 400 } });
  const reads = [kube.readLease(1000), kube.readLease(1000)];
  await eventually('both connections are busy', () => cluster.server.requests.total() >= 0);
  const late = mustFail(await kube.writeLease(aWrite(undefined), 100));
  assert.deepEqual([late.kind, late.done], ['timeout', 'no']);
  await Promise.all(reads);
  must(await kube.readLease(1000));
  assert.equal(cluster.server.store.get('leases', 'og-demo-leader'), undefined);
});

test('lease traffic does not wait for lists that hang, nor for watches', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  listen(t, kube);
  cluster.server.faults.add({ match: { resource: ['pods', 'configmaps'] }, effect: { do: 'hang' } });
  const stuck = Array.from({ length: 10 }, () => kube.listPods(2000));
  must(await kube.writeLease(aWrite(undefined), 1000));
  assert.ok((await Promise.all(stuck)).every((result) => !result.ok));
});

test('calls one after another share the few connections of their pool', async (t) => {
  const cluster = await startCluster(t);
  const relay = await relayTo(t, cluster.url);
  const kube = cluster.adapter({ url: relay.url });
  for (let i = 0; i < 20; i += 1) must(await kube.readLease(1000));
  assert.ok(relay.connections() <= 2, `${relay.connections()} connections`);
});

test('after an outage without a sign the next call has a fresh connection', async (t) => {
  const cluster = await startCluster(t);
  const relay = await relayTo(t, cluster.url);
  const kube = cluster.adapter({ url: relay.url });
  const first = must(await kube.writeLease(aWrite(undefined), 1000));
  relay.silence(true);
  for (let i = 0; i < 5; i += 1) {
    assert.equal(mustFail(await kube.writeLease(aWrite(first.resourceVersion), 100)).kind, 'timeout');
  }
  relay.silence(false);
  must(await kube.writeLease(aWrite(first.resourceVersion), 1000));
});

test('a rotated token is used from the next call on', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  must(await kube.readLease(1000));
  cluster.server.tokens.revoke(cluster.token);
  assert.equal(mustFail(await kube.readLease(1000)).kind, 'denied');
  cluster.server.tokens.add({ token: 'second-token', user: 'system:serviceaccount:default:og-demo' });
  writeFileSync(join(cluster.accountDir, 'token'), 'second-token\n');
  must(await kube.readLease(1000));
  rmSync(join(cluster.accountDir, 'token'));
  assert.equal(mustFail(await kube.readLease(1000)).kind, 'denied');
});

test('each request is measured with its verb, resource and code', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  await kube.readLease(1000);
  must(await kube.writeLease(aWrite(undefined), 1000));
  cluster.server.faults.add({ match: {}, effect: { do: 'hang' } });
  await kube.listPods(50);
  const seen = cluster.samples.map(({ verb, resource, code }) => `${verb} ${resource} ${code}`);
  assert.deepEqual(seen, ['get leases 404', 'create leases 201', 'list pods timeout']);
});

test('a closed adapter answers, with a fault', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  await kube.close();
  assert.equal(mustFail(await kube.readLease(1000)).kind, 'cancelled');
});

test('every right of the table is used by some call, and no call needs another', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const hints = listen(t, kube);
  const pod = cluster.addPod(0);
  const first = must(await kube.writeLease(aWrite(undefined), 1000));
  must(await kube.writeLease(aWrite(first.resourceVersion), 1000));
  must(await kube.readLease(1000));
  must(await kube.listPods(1000));
  must(await kube.patchPod(pod, { labels: { 'opengauss.role': 'standby' } }, 1000));
  must(await kube.writeConfig('', undefined, 1000));
  const config = must(await kube.readConfig(1000));
  must(await kube.writeConfig('paused: true\n', config.resourceVersion, 1000));
  const facts = must(await kube.writeFacts(must(await kube.readFacts(1000)), 1000));
  must(await kube.writeFacts({ ...facts, systemId: '1' }, 1000));
  const request = must(await kube.writeRequest(aRequest, 1000));
  must(await kube.writeRequest({ ...request, phase: 'done' }, 1000));
  must(await kube.readRequest(1000));
  for (let i = 0; i < 2; i += 1) kube.event({ reason: 'Promoted', type: 'Normal', action: 'Promote', note: 'twice' });
  await eventually('hints', () => hints.some((hint) => hint.of === 'request'));
  await eventually('events', () => cluster.samples.some(({ verb, resource }) => verb === 'patch' && resource === 'events'));
  const refused = cluster.samples.filter(({ code }) => code === '401' || code === '403');
  assert.deepEqual(refused, []);
  const used = new Set(
    cluster.server.requests.recent().map((each) => [each.verb, each.group, each.resource, nameOf(each)].join(' ')),
  );
  const granted = rights('demo').flatMap((right) =>
    (right.resourceNames ?? ['']).flatMap((name) =>
      right.verbs.map((verb) => [verb, right.apiGroups[0], right.resources[0], verb === 'watch' ? '' : name].join(' ')),
    ),
  );
  const otherPods = / pods og-demo-[1-8]$/;
  assert.deepEqual(
    granted.filter((right) => !used.has(right) && !otherPods.test(right)),
    [],
  );
});

/** The name a right is for; the server's record does not name what a watch's field selector names. */
function nameOf(request: { verb: string; name: string; resource: string }): string {
  return request.resource === 'events' || request.verb === 'create' ? '' : request.name;
}
