/**
 * `agent pause` and `agent resume` against the embedded API server and an agent's HTTP port; the test plays the agents,
 * whose status follows what was written.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { handOf } from '../../agent/core/hand.ts';
import { known } from '../../agent/core/result.ts';
import { parseConfig } from '../../agent/settings/dynamic.ts';
import { eventually, startCluster } from '../adapters/kube/cluster.ts';
import { aLeadingView, aPeer, aPod, now } from '../core/builders.ts';
import { agent, anAgent, shot } from './support.ts';

const metadata = { name: 'og-demo-config', namespace: 'default' };

/** A cluster whose agent shows what is written; `deaf` members keep saying what they said. */
async function aCluster(t: TestContext, deaf: string[] = []) {
  const cluster = await startCluster(t);
  const { board, env: http } = await anAgent(t);
  const kube = cluster.adapter();
  const env = {
    POD_NAME: 'og-demo-1',
    POD_NAMESPACE: 'default',
    POD_IP: '127.0.0.1',
    POD_UID: 'uid-1',
    OG_CLUSTER: 'demo',
    OG_KUBE_URL: cluster.url,
    OG_SERVICE_ACCOUNT_DIR: cluster.accountDir,
    ...http,
  };
  for (const name of ['og-demo-0', 'og-demo-1']) cluster.server.store.apply(podOf(name));
  const show = async (): Promise<void> => {
    const [read, pods] = await Promise.all([kube.readConfig(1000), kube.listPods(1000)]);
    const config = parseConfig(read.ok ? read.value.text : undefined);
    const handed = (name: string) =>
      handOf(
        config.ok ? config.config : aLeadingView().config,
        (pods.ok ? pods.value.find((pod) => pod.name === name)?.annotations : undefined) ?? {},
        new Date().toISOString(),
      );
    const own = handed('og-demo-1');
    const other = handed('og-demo-0');
    const paused = !deaf.includes('og-demo-0') && (other.cluster || other.member);
    const peers = { 'og-demo-0': aPeer('og-demo-0', { paused }, now) };
    board.show(
      shot(
        aLeadingView({
          hand: own,
          paused: own.cluster || own.member,
          peers,
          pods: known([aPod('og-demo-0'), aPod('og-demo-1')], now),
        }),
      ),
    );
  };
  await show();
  const timer = setInterval(() => void show(), 50);
  t.after(() => clearInterval(timer));
  return { ...cluster, env, kube };
}

function podOf(name: string): { apiVersion: string; kind: string; metadata: object; spec: object } {
  const labels = { 'opengauss.cluster': 'demo' };
  const spec = { containers: [{ name: 'og', image: 'og' }] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', labels }, spec };
}

test('pause writes the configuration, keeps what else is in it, and ends when all members follow', async (t) => {
  const { env, kube, server } = await aCluster(t);
  const text = '# ours\nfailover: auto # for now\n';
  server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': text } });
  const ran = await agent(env, ['pause']);
  assert.deepEqual(ran, { code: 0, out: 'done: the cluster is paused\n', err: '' });
  const paused = await kube.readConfig(1000);
  assert.equal(paused.ok ? paused.value.text : '', `${text}paused: true\n`);
  assert.deepEqual(await agent(env, ['resume']), { code: 0, out: 'done: the cluster is no longer paused\n', err: '' });
  const resumed = await kube.readConfig(1000);
  assert.equal(resumed.ok ? resumed.value.text : '', `${text}paused: false\n`);
});

test('a pause with --for says when it ends, and writes it down', async (t) => {
  const { env, kube } = await aCluster(t);
  const ran = await agent(env, ['pause', '--for', '2h']);
  assert.equal(ran.code, 0);
  assert.match(ran.out, /^done: the cluster is paused until \d{4}-\d\d-\d\dT[\d:.]+Z\n$/);
  const read = await kube.readConfig(1000);
  const config = parseConfig(read.ok ? read.value.text : undefined);
  const end = Date.parse((config.ok ? config.config.pausedUntil : undefined) ?? '');
  assert.ok(Math.abs(end - Date.now() - 7_200_000) < 60_000);
});

test('one member is paused and resumed by an annotation of its pod', async (t) => {
  const { env, kube } = await aCluster(t);
  assert.deepEqual(await agent(env, ['pause', 'og-demo-0']), { code: 0, out: 'done: og-demo-0 is paused\n', err: '' });
  const pods = await kube.listPods(1000);
  const found = pods.ok ? pods.value.map((pod) => pod.annotations['opengauss.agent/paused']) : [];
  assert.deepEqual(found, ['true', undefined]);
  assert.equal((await agent(env, ['resume', 'og-demo-0'])).code, 0);
});

test('one member is paused for a time, and its annotation says until when', async (t) => {
  const { env, kube } = await aCluster(t);
  const ran = await agent(env, ['pause', 'og-demo-0', '--for', '10m']);
  assert.deepEqual([ran.code, ran.err], [0, '']);
  const pods = await kube.listPods(1000);
  const [text, other] = pods.ok ? pods.value.map((pod) => pod.annotations['opengauss.agent/paused']) : [];
  assert.equal(ran.out, `done: og-demo-0 is paused until ${text}\n`);
  assert.ok(Math.abs(Date.parse(text ?? '') - Date.now() - 600_000) < 60_000, text);
  assert.equal(other, undefined);
  const read = await kube.readConfig(1000);
  assert.equal(read.ok ? read.value.text : 'unread', undefined, 'the others go on');
});

test('an edit that somebody else makes in the same moment is not overwritten: the command is refused and says so', async (t) => {
  const { env, kube, server } = await aCluster(t);
  const theirs = 'failover: manual\n';
  const apply = (text: string) =>
    server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': text } });
  for (const before of ['failover: auto\n', undefined]) {
    if (before === undefined) server.store.delete('configmaps', metadata.name);
    else apply(before);
    const held = server.faults.add({
      match: { verb: ['patch', 'create'], resource: 'configmaps' },
      effect: { do: 'delay', ms: 300 },
      times: 1,
    });
    const running = agent(env, ['pause']);
    await eventually('the edit is under way', () => held.hits() > 0);
    apply(theirs);
    assert.deepEqual(await running, {
      code: 5,
      out: '',
      err: 'error: og-demo-config was edited by somebody else meanwhile\nhint: Nothing was written; try again.\n',
    });
    const read = await kube.readConfig(1000);
    assert.equal(read.ok ? read.value.text : '', theirs);
  }
});

test('a member that does not exist, a bad time and a broken configuration are refused in words', async (t) => {
  const { env, server } = await aCluster(t);
  const nobody = await agent(env, ['pause', 'og-demo-7']);
  assert.equal(nobody.code, 5);
  assert.match(nobody.err, /^error: og-demo-7 is not a member of demo\nhint: The members are og-demo-0, og-demo-1\./);
  assert.match((await agent(env, ['pause', '--for', 'ever'])).err, /--for is not a time/);
  server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': 'failover: perhaps\n' } });
  const broken = await agent(env, ['pause']);
  assert.equal(broken.code, 78);
  assert.match(broken.err, /failover +"perhaps"[\s\S]*og-demo-config is not valid: one problem\nhint: Nothing was written\./);
});

test('a member that does not follow is named while one waits', async (t) => {
  const { env } = await aCluster(t, ['og-demo-0']);
  const stop = new AbortController();
  const running = agent(env, ['pause'], { signal: stop.signal });
  setTimeout(() => stop.abort(), 1000);
  const ran = await running;
  assert.equal(ran.code, 1);
  assert.match(ran.err, /^error: no longer followed: waiting for og-demo-0\nhint: /);
});
