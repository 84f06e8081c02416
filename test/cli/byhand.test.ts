/**
 * Goal: commands about one member write what they mean, refuse what must be refused before anything is written, and end
 * as the members answer. Method: the embedded API server, an agent's HTTP port, and a test that plays the members.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PeerState, Request } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import type { KubePort } from '../../agent/ports/kube.ts';
import { startCluster } from '../adapters/kube/cluster.ts';
import { aLeadingView, aPeer, aPod, aSeen, aStandby, aView, now } from '../core/builders.ts';
import { aDirectory, agent, anAgent, shot } from './support.ts';

const names = ['og-demo-0', 'og-demo-1', 'og-demo-2'];
const pods = known(
  names.map((name) => aPod(name)),
  now,
);

/** Three members; og-demo-1 answers and is the primary unless the view says otherwise. */
async function aCluster(t: TestContext, view: View = aLeadingView({ pods })) {
  const cluster = await startCluster(t);
  const { board, env: http } = await anAgent(t);
  board.show(shot(view));
  for (const name of names) {
    const metadata = { name, namespace: 'default', labels: { 'opengauss.cluster': 'demo' } };
    cluster.server.store.apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'og', image: 'og' }] } });
  }
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
  return { ...cluster, env, board, kube: cluster.adapter() };
}

function peers(part: Partial<PeerState> = {}): View['peers'] {
  return { 'og-demo-0': aPeer('og-demo-0', part), 'og-demo-2': aPeer('og-demo-2', part) };
}

/** Answers each request that comes, as the members do, until the test ends. */
function answering(t: TestContext, kube: KubePort, answer: Partial<Request>): Request[] {
  const seen: Request[] = [];
  let over = false;
  t.after(() => {
    over = true;
  });
  void (async () => {
    while (!over) {
      const read = await kube.readRequest(1000);
      const open = read.ok && read.value?.phase === 'open' ? read.value : undefined;
      if (open !== undefined) {
        seen.push(open);
        await kube.writeRequest({ ...open, ...answer }, 1000);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return seen;
}

async function requestOf(kube: KubePort): Promise<Request | undefined> {
  const read = await kube.readRequest(1000);
  return read.ok ? read.value : undefined;
}

test('restart asks for the named member, or for this one, and --all for each with the primary last', async (t) => {
  const { env, kube } = await aCluster(t);
  const seen = answering(t, kube, { phase: 'done', result: 'back' });
  assert.deepEqual(await agent(env, ['restart', 'og-demo-2']), { code: 0, out: 'done: back\n', err: '' });
  assert.equal((await agent(env, ['restart'])).code, 0);
  assert.equal((await agent(env, ['restart', '--all', '--force'])).code, 0);
  assert.deepEqual(
    seen.map((request) => `${request.kind} ${request.target} ${request.options['force'] ?? ''}`.trim()),
    ['restart og-demo-2', 'restart og-demo-1', 'restart og-demo-0 true', 'restart og-demo-2 true', 'restart og-demo-1 true'],
  );
});

test('restart --all is refused while a member is not well, and ends at the first that fails', async (t) => {
  const sick = await aCluster(t, aLeadingView({ pods, peers: peers({ state: 'Need repair' }) }));
  const refused = await agent(sick.env, ['restart', '--all']);
  assert.equal(refused.code, 5);
  assert.match(refused.err, /not all members are well: og-demo-0 is Standby, Need repair\nhint: /);
  const { env, kube } = await aCluster(t);
  const seen = answering(t, kube, { phase: 'timed-out', result: 'not back' });
  assert.equal((await agent(env, ['restart', '--all'])).code, 1);
  assert.equal(seen.length, 1);
});

test('reinit is refused for the primary and without one before anything is written; else it is asked for', async (t) => {
  const { env, kube } = await aCluster(t);
  const primary = await agent(env, ['reinit', 'og-demo-1']);
  assert.equal(primary.code, 5);
  assert.match(primary.err, /^error: og-demo-1 is the primary: .*\nhint: Use agent switchover first\./);
  assert.equal(await requestOf(kube), undefined);
  const seen = answering(t, kube, { phase: 'refused', result: 'acknowledged commits may be on og-demo-2 alone', hint: 'Wait.' });
  const refused = await agent(env, ['reinit', 'og-demo-2']);
  assert.deepEqual(
    [refused.code, refused.err],
    [5, 'error: refused: acknowledged commits may be on og-demo-2 alone\nhint: Wait.\n'],
  );
  assert.deepEqual([seen[0]?.kind, seen[0]?.target], ['reinit', 'og-demo-2']);
  const leaderless = await aCluster(t, aView({ pods, peers: peers() }));
  assert.match((await agent(leaderless.env, ['reinit', 'og-demo-2'])).err, /there is no primary to copy from/);
});

test('failover needs a target and no primary, and passes on what is accepted', async (t) => {
  const led = await aCluster(t);
  assert.equal((await agent(led.env, ['failover'])).code, 1);
  const refused = await agent(led.env, ['failover', '--to', 'og-demo-2']);
  assert.deepEqual([refused.code, await requestOf(led.kube)], [5, undefined]);
  assert.match(refused.err, /^error: og-demo-1 is the primary\nhint: Use agent switchover/);
  const { env, kube } = await aCluster(t, aView({ pods, peers: peers(), instance: aStandby() }));
  const seen = answering(t, kube, {
    phase: 'refused',
    result: 'commits may be lost: …',
    hint: 'Accept it with --allow-data-loss.',
  });
  assert.equal((await agent(env, ['failover', '--to', 'og-demo-2'])).code, 5);
  assert.equal((await agent(env, ['failover', '--to', 'og-demo-2', '--allow-data-loss', '--dead', 'og-demo-0'])).code, 5);
  assert.deepEqual(
    seen.map((request) => request.options),
    [{}, { allowDataLoss: 'true', dead: 'og-demo-0' }],
  );
  assert.match(
    (await agent(env, ['failover', '--to', 'og-demo-2', '--dead', 'og-demo-7'])).err,
    /og-demo-7 is not a member of demo/,
  );
});

test('a failover that its target does not take up is closed, and says so', async (t) => {
  const { env, kube } = await aCluster(t, aView({ pods, peers: peers() }));
  const ran = await agent(env, ['failover', '--to', 'og-demo-2', '--timeout', '1']);
  assert.match(ran.err, /^error: timed out: og-demo-2 did not take it up in time\nhint: /);
  assert.equal((await requestOf(kube))?.phase, 'timed-out');
});

test('fence annotates the pod and ends when the server is down; unfence when it is up again', async (t) => {
  const { env, kube, board } = await aCluster(t);
  const fenced = { instance: 'stopped', role: 'Unknown', state: 'Unknown', eligible: false, reason: 'fenced by hand' } as const;
  const timer = setInterval(async () => {
    const listed = await kube.listPods(1000);
    const on = listed.ok && listed.value[2]?.annotations['opengauss.agent/fenced'] === 'true';
    board.show(shot(aLeadingView({ pods, peers: { ...peers(), 'og-demo-2': aPeer('og-demo-2', on ? fenced : {}, now) } })));
  }, 50);
  t.after(() => clearInterval(timer));
  assert.deepEqual(await agent(env, ['fence', 'og-demo-2']), {
    code: 0,
    out: 'done: og-demo-2 is fenced; its server is down\n',
    err: '',
  });
  assert.deepEqual(await agent(env, ['unfence', 'og-demo-2']), {
    code: 0,
    out: 'done: og-demo-2 is no longer fenced: Standby, Normal\n',
    err: '',
  });
});

test('unfence of a member ends when its server is up, where there is no primary to follow', async (t) => {
  const alone = { ...peers({ state: 'Need repair', detail: 'Connecting...' }) };
  const { env } = await aCluster(t, aView({ pods, peers: alone }));
  assert.deepEqual(await agent(env, ['unfence', 'og-demo-2', '--timeout', '5']), {
    code: 0,
    out: 'done: og-demo-2 is no longer fenced: Standby, Need repair\n',
    err: '',
  });
});

test('fencing a primary that nobody can take over from is refused unless it is forced, and during a pause', async (t) => {
  const { env, kube } = await aCluster(t, aLeadingView({ pods, peers: peers({ eligible: false }) }));
  const refused = await agent(env, ['fence', 'og-demo-1']);
  assert.equal(refused.code, 5);
  assert.match(refused.err, /nobody can take over from it\nhint: .*--force/);
  const listed = await kube.listPods(1000);
  assert.equal(listed.ok ? listed.value[1]?.annotations['opengauss.agent/fenced'] : '', undefined);
  assert.equal((await agent(env, ['fence', 'og-demo-1', '--force', '--timeout', '1'])).code, 1);
  assert.equal((await agent(env, ['unfence', 'og-demo-1', '--timeout', '1'])).code, 0);
  const silent = await agent({ ...env, OG_HTTP_PORT: '1' }, ['fence', 'og-demo-2']);
  assert.equal(silent.code, 5);
  assert.match(silent.err, /does not answer, and og-demo-2 may be a primary.*\nhint: .*--force/);
  const after = await kube.listPods(1000);
  assert.equal(after.ok ? after.value[2]?.annotations['opengauss.agent/fenced'] : '', undefined);
  const paused = await aCluster(t, aLeadingView({ pods, paused: true }));
  assert.match(
    (await agent(paused.env, ['unfence', 'og-demo-2'])).err,
    /^error: the cluster is paused: nothing is started\nhint: /,
  );
  assert.match(
    (await agent(paused.env, ['fence', 'og-demo-2'])).err,
    /^error: the cluster is paused: nothing is stopped\nhint: /,
  );
});

test('fencing the only synchronous standby in mode strict is refused unless it is forced', async (t) => {
  const entries = [{ term: 7, primary: 'og-demo-1', dataId: 'data-1', names: ['og-demo-2'], w: 1 }];
  const promoting = { member: 'og-demo-1', term: 7, dataId: 'data-1' };
  const lease = (syncMode: 'strict' | 'quorum') =>
    known(aSeen({ holder: 'og-demo-1/uid-1/inc-1', entries, promoting, syncMode }), now);
  const { env, board } = await aCluster(t, aLeadingView({ pods, lease: lease('strict') }));
  const refused = await agent(env, ['fence', 'og-demo-2', '--timeout', '1']);
  assert.equal(refused.code, 5);
  assert.match(refused.err, /only synchronous standby in mode strict.*\nhint: .*--force/);
  assert.equal((await agent(env, ['fence', 'og-demo-0', '--timeout', '1'])).code, 1, 'written down, and nobody answers');
  board.show(shot(aLeadingView({ pods, lease: lease('quorum') })));
  assert.equal((await agent(env, ['fence', 'og-demo-2', '--timeout', '1'])).code, 1);
});

test('a switchover for later is written down, stands in the way of others, and can be taken back', async (t) => {
  const { env, kube } = await aCluster(t);
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const planned = await agent(env, ['switchover', '--to', 'og-demo-2', '--at', at]);
  assert.deepEqual(planned, { code: 0, out: `done: a switchover to og-demo-2 is planned for ${at}\n`, err: '' });
  const request = await requestOf(kube);
  assert.deepEqual([request?.phase, request?.options], ['open', { at }]);
  assert.equal(Date.parse(request?.deadline ?? '') - Date.parse(at), 60_000);
  const second = await agent(env, ['restart', 'og-demo-2']);
  assert.deepEqual([second.code, second.err.includes('--cancel')], [5, true]);
  assert.equal((await agent(env, ['switchover', '--cancel'])).code, 0);
  assert.equal((await requestOf(kube))?.phase, 'refused');
  assert.equal((await agent(env, ['switchover', '--cancel'])).code, 5);
  const closed = await requestOf(kube);
  const other = { id: 'b', kind: 'restart', target: 'og-demo-2', phase: 'open', deadline: at } as const;
  await kube.writeRequest(
    { ...other, options: {}, result: undefined, hint: undefined, resourceVersion: closed?.resourceVersion ?? '' },
    1000,
  );
  const kept = await agent(env, ['switchover', '--cancel']);
  assert.deepEqual([kept.code, (await requestOf(kube))?.phase], [5, 'open']);
  assert.match(kept.err, /^error: what is open is no switchover but a restart\nhint: /);
  for (const text of ['soon', '2020-01-01T00:00:00Z']) assert.equal((await agent(env, ['switchover', '--at', text])).code, 1);
});

test('config edit changes keys and keeps the rest, and writes nothing that is not valid', async (t) => {
  const { env, kube, server } = await aCluster(t);
  const metadata = { name: 'og-demo-config', namespace: 'default' };
  const text = 'sync:\n  mode: quorum # ours\nhangSeconds: 20\n';
  server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': text } });
  const ran = await agent(env, ['config', 'edit', 'sync.mode=strict', 'sync.acks=1', 'hangSeconds=']);
  assert.equal(ran.code, 0, ran.err);
  const textNow = async () => {
    const read = await kube.readConfig(1000);
    return read.ok ? read.value.text : undefined;
  };
  const edited = 'sync:\n  mode: strict # ours\n  acks: 1\n';
  assert.equal(await textNow(), edited);
  const bad = await agent(env, ['config', 'edit', 'sync.mode=perhaps', 'nothing=1']);
  assert.equal(bad.code, 78);
  assert.match(
    bad.err,
    /sync\.mode[\s\S]*nothing[\s\S]*error: og-demo-config is not valid: 2 problems\nhint: Nothing was written\./,
  );
  assert.equal(await textNow(), edited);
  assert.match((await agent(env, ['config', 'edit'])).err, /this is no terminal: .*\nhint: /);
  const same = await agent(env, ['config', 'edit', 'sync.acks=1']);
  assert.deepEqual([same.code, same.out], [0, 'done: nothing changed, og-demo-config says so already\n']);
  server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': 'sync: [' } });
  assert.equal((await agent(env, ['config', 'edit', 'sync.acks=1'])).code, 78, 'what cannot be parsed is not done already');
});

test('doctor lists what is wrong with its cure, and ends with 1 where something failed', async (t) => {
  const { env, kube, server } = await aCluster(t, aView({ pods, peers: peers({ agentVersion: '9' }) }));
  const metadata = { name: 'og-demo-config', namespace: 'default' };
  server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'config.yaml': 'failover: perhaps\n' } });
  const at = new Date(Date.now() + 60_000).toISOString();
  await kube.writeRequest(
    {
      id: 'a',
      kind: 'switchover',
      target: undefined,
      options: {},
      phase: 'open',
      deadline: at,
      result: undefined,
      hint: undefined,
      resourceVersion: '',
    },
    1000,
  );
  const ran = await agent(env, ['doctor']);
  assert.equal(ran.code, 1);
  for (const line of [
    /^failed {4}primary +there is none$/m,
    /^warning {3}versions +agents of 0 and 9 work together$/m,
    /^failed {4}configuration +og-demo-config is not valid and not in force$/m,
    /^warning {3}request +a switchover is open /m,
    /^warning {3}guard +nobody guards the server/m,
  ])
    assert.match(ran.out, line);
  // As under kubectl exec: nothing in the environment says who PID 1 is, but it listens.
  const runDir = aDirectory(t);
  execFileSync('mkfifo', [join(runDir, 'fence')]);
  const fenced = { ...env, OG_RUN_DIR: runDir };
  assert.match((await agent(fenced, ['doctor'])).out, /^warning {3}guard /m, 'nobody holds the other end');
  const end = openSync(join(runDir, 'fence'), constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => closeSync(end));
  assert.match((await agent(fenced, ['doctor'])).out, /^ok {8}guard +the entrypoint guards the server$/m);
});

test('commands of later releases say that they are not there, and the help does not promise them', async () => {
  for (const word of ['backup', 'sidecar', 'site']) {
    const ran = await agent({}, [word, 'now']);
    assert.equal(ran.code, 1);
    assert.match(ran.err, new RegExp(`^error: agent ${word} is not in this release\nhint: `));
    assert.ok(!(await agent({}, ['help'])).out.includes(`  ${word}`));
  }
});
