/**
 * `agent switchover` and `agent config show` against the embedded API server; the test plays the primary that takes
 * the request up.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Request } from '../../agent/core/model.ts';
import type { KubePort } from '../../agent/ports/kube.ts';
import { eventually, startCluster } from '../adapters/kube/cluster.ts';
import { agent } from './support.ts';

async function aCluster(t: TestContext) {
  const cluster = await startCluster(t);
  const env = {
    POD_NAME: 'og-demo-0',
    POD_NAMESPACE: 'default',
    POD_IP: '127.0.0.1',
    POD_UID: 'uid-0',
    OG_CLUSTER: 'demo',
    OG_KUBE_URL: cluster.url,
    OG_SERVICE_ACCOUNT_DIR: cluster.accountDir,
  };
  return { ...cluster, env, kube: cluster.adapter() };
}

/** Answers the open request once, as the primary does. */
async function answerOnce(kube: KubePort, answers: Partial<Request>[]): Promise<Request> {
  const end = performance.now() + 10_000;
  while (performance.now() < end) {
    const read = await kube.readRequest(1000);
    if (read.ok && read.value?.phase === 'open') {
      const first = read.value;
      for (const answer of answers) {
        const now = await kube.readRequest(1000);
        if (now.ok && now.value !== undefined) await kube.writeRequest({ ...now.value, ...answer }, 1000);
      }
      return first;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('no request came');
}

test('a switchover that is done: 0, with what was done', async (t) => {
  const { env, kube } = await aCluster(t);
  const [ran, request] = await Promise.all([
    agent(env, ['switchover', '--to', 'og-demo-1']),
    answerOnce(kube, [
      { phase: 'running', result: 'handing over to og-demo-1' },
      { phase: 'done', result: 'og-demo-1 is the primary, term 8' },
    ]),
  ]);
  assert.deepEqual(ran, { code: 0, out: 'done: og-demo-1 is the primary, term 8\n', err: '' });
  assert.deepEqual([request.kind, request.target, request.phase], ['switchover', 'og-demo-1', 'open']);
  assert.ok(Date.parse(request.deadline ?? '') > Date.now());
});

test('without --to the request names nobody', async (t) => {
  const { env, kube } = await aCluster(t);
  const [ran, request] = await Promise.all([agent(env, ['switchover']), answerOnce(kube, [{ phase: 'done', result: 'x' }])]);
  assert.deepEqual([ran.code, request.target], [0, undefined]);
});

for (const [phase, code, word] of [
  ['refused', 5, 'refused'],
  ['rolled-back', 1, 'rolled back'],
  ['failed', 1, 'failed'],
] as const) {
  test(`a switchover that is ${word}: ${code}, with reason and hint`, async (t) => {
    const { env, kube } = await aCluster(t);
    const [ran] = await Promise.all([
      agent(env, ['switchover']),
      answerOnce(kube, [{ phase, result: 'it lags', hint: 'Wait.' }]),
    ]);
    assert.deepEqual(ran, { code, out: '', err: `error: ${word}: it lags\nhint: Wait.\n` });
  });
}

test('a request that nobody takes up times out, and is closed so that nobody does later', async (t) => {
  const { env, kube } = await aCluster(t);
  const ran = await agent(env, ['switchover', '--timeout', '1']);
  assert.equal(ran.code, 1);
  assert.match(ran.err, /^error: timed out: no primary took it up in time\nhint: /);
  const left = await kube.readRequest(1000);
  assert.equal(left.ok ? left.value?.phase : undefined, 'timed-out');
});

test('while one request is open another is refused; one whose time is long over is replaced', async (t) => {
  const { env, kube } = await aCluster(t);
  const open: Request = {
    id: 'a',
    kind: 'switchover',
    target: undefined,
    options: {},
    phase: 'open',
    deadline: new Date(Date.now() + 60_000).toISOString(),
    result: undefined,
    hint: undefined,
    resourceVersion: '',
  };
  const written = await kube.writeRequest(open, 1000);
  assert.ok(written.ok);
  const ran = await agent(env, ['switchover']);
  assert.equal(ran.code, 5);
  assert.match(ran.err, /^error: a switchover is open already\nhint: /);
  await kube.writeRequest({ ...written.value, deadline: '2020-01-01T00:00:00Z' }, 1000);
  const [second] = await Promise.all([
    agent(env, ['switchover', '--timeout', '5']),
    (async () => {
      const end = performance.now() + 10_000;
      for (;;) {
        const read = await kube.readRequest(1000);
        if (read.ok && read.value !== undefined && read.value.id !== 'a')
          return void (await kube.writeRequest({ ...read.value, phase: 'done', result: 'x' }, 1000));
        if (performance.now() > end) throw new Error('no request came');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })(),
  ]);
  assert.equal(second.code, 0);
});

test('of two requests that are made in the same moment the second is refused, and the first stands', async (t) => {
  const { env, kube, server } = await aCluster(t);
  const first = { kind: 'restart', target: 'og-demo-2', phase: 'done', result: 'before', id: 'a' };
  for (const before of [undefined, first]) {
    const metadata = { name: 'og-demo-request', namespace: 'default' };
    const apply = (data: Record<string, string>) => server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
    if (before !== undefined) apply(before);
    const held = server.faults.add({
      match: { verb: ['patch', 'create'], resource: 'configmaps' },
      effect: { do: 'delay', ms: 300 },
      times: 1,
    });
    const running = agent(env, ['switchover', '--to', 'og-demo-1']);
    await eventually('the second one is under way', () => held.hits() > 0);
    apply({ kind: 'switchover', target: 'og-demo-2', phase: 'open', id: 'b' });
    assert.deepEqual(await running, {
      code: 5,
      out: '',
      err: 'error: another request came first\nhint: Wait until it has ended.\n',
    });
    const read = await kube.readRequest(1000);
    assert.deepEqual(read.ok ? [read.value?.id, read.value?.target, read.value?.phase] : [], ['b', 'og-demo-2', 'open']);
  }
});

test('a member of another cluster, a bad timeout and an API server that is away are refused in words', async (t) => {
  const { env } = await aCluster(t);
  assert.match((await agent(env, ['switchover', '--to', 'og-other-1'])).err, /og-other-1 is not a member of demo\nhint: /);
  assert.match((await agent(env, ['switchover', '--timeout', 'soon'])).err, /--timeout is not a number/);
  const away = await agent({ ...env, OG_KUBE_URL: 'http://127.0.0.1:1' }, ['switchover']);
  assert.equal(away.code, 1);
  assert.match(away.err, /^error: the request could not be written: /);
});

test('config show prints the whole configuration, and a bad one is refused with its fields', async (t) => {
  const { env, server } = await aCluster(t);
  const shown = await agent(env, ['config', 'show']);
  assert.equal(shown.code, 0);
  assert.match(shown.out, /^lease:\n {2}durationSeconds: 8\n[\s\S]*readLagLimit: 16MiB\n/);
  const metadata = { name: 'og-demo-config', namespace: 'default' };
  server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': 'failover: manual\n' } });
  const json = JSON.parse((await agent(env, ['config', 'show', '-o', 'json'])).out) as {
    failover: string;
    sync: { acks: unknown };
  };
  assert.deepEqual([json.failover, json.sync.acks], ['manual', null]);
  server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': 'failover: perhaps\n' } });
  const bad = await agent(env, ['config', 'show']);
  assert.equal(bad.code, 78);
  assert.match(bad.err, /failover +"perhaps"[\s\S]*error: og-demo-config is not valid: one problem/);
});
