/**
 * The preflight on a real directory tree and against the embedded API server: what is right passes, and each mistake
 * is refused with its name and a cure while the data stays as it was.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rights } from '../../agent/adapters/kube/rights.ts';
import { startCluster } from '../adapters/kube/cluster.ts';
import { aDirectory, agent, type Ran } from './support.ts';

interface Place {
  dir: string;
  env: Record<string, string>;
}

const programs = ['gaussdb', 'gs_ctl', 'gs_guc', 'gs_initdb', 'gs_basebackup', 'gsql'];

/** A container as the manifests make it, with nothing wrong. */
async function aPlace(t: TestContext, kube: { url: string; accountDir: string }): Promise<Place> {
  const dir = aDirectory(t);
  for (const name of ['data/pgdata', 'auth', 'run', 'socket', 'home/bin'])
    mkdirSync(join(dir, name), { recursive: true, mode: 0o700 });
  execFileSync('mkfifo', [join(dir, 'run/fence')]);
  for (const program of programs) writeFileSync(join(dir, 'home/bin', program), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(dir, 'auth/superuser-password'), 'Wq8_vK3t-Lp1\n');
  writeFileSync(join(dir, 'auth/replication-password'), 'Zx5_nB7r-Hd2\n');
  writeFileSync(join(dir, 'auth/peer-key'), '4f1c9a0be2d73586a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718\n');
  const env = {
    POD_NAME: 'og-demo-0',
    POD_NAMESPACE: 'default',
    POD_IP: '127.0.0.1',
    POD_UID: 'uid-0',
    OG_CLUSTER: 'demo',
    OG_DATA_DIR: join(dir, 'data'),
    OG_AUTH_DIR: join(dir, 'auth'),
    OG_RUN_DIR: join(dir, 'run'),
    OG_SOCKET_DIR: join(dir, 'socket'),
    GAUSSHOME: join(dir, 'home'),
    OG_KUBE_URL: kube.url,
    OG_SERVICE_ACCOUNT_DIR: kube.accountDir,
  };
  return { dir, env };
}

function lineOf(ran: Ran, check: string): string {
  return ran.out.split('\n').find((line) => line.includes(`   ${check} `)) ?? `no line about ${check} in:\n${ran.out}`;
}

test('a container in which all is right passes, line by line', async (t) => {
  const place = await aPlace(t, await startCluster(t));
  const ran = await agent(place.env, ['preflight']);
  assert.deepEqual([ran.code, ran.err], [0, ''], ran.out);
  assert.ok(
    ran.out.split('\n').every((line) => line === '' || line.startsWith('ok ')),
    ran.out,
  );
  assert.match(ran.out, /ok +rights +all \d+ that are needed/);
  assert.deepEqual(readdirSync(join(place.dir, 'data')), ['pgdata']);
});

const mistakes: { title: string; spoil(dir: string): void; check: string; says: RegExp }[] = [
  {
    title: 'no Secret',
    spoil: (dir) => rmSync(join(dir, 'auth'), { recursive: true }),
    check: 'secret peer-key',
    says: /Create the Secret og-demo-auth/,
  },
  {
    title: 'a Secret without one of its keys',
    spoil: (dir) => rmSync(join(dir, 'auth/replication-password')),
    check: 'secret replication-password',
    says: /cannot be read: ENOENT/,
  },
  {
    title: 'an empty password',
    spoil: (dir) => writeFileSync(join(dir, 'auth/superuser-password'), '\n'),
    check: 'secret superuser-password',
    says: /is empty/,
  },
  {
    title: 'a password that everybody tries',
    spoil: (dir) => writeFileSync(join(dir, 'auth/superuser-password'), 'openGauss@123'),
    check: 'secret superuser-password',
    says: /tries first/,
  },
  {
    title: 'a password that openGauss refuses',
    spoil: (dir) => writeFileSync(join(dir, 'auth/replication-password'), 'abcdefgh12'),
    check: 'secret replication-password',
    says: /2 kinds/,
  },
  {
    title: 'a short peer key',
    spoil: (dir) => writeFileSync(join(dir, 'auth/peer-key'), 'abc'),
    check: 'secret peer-key',
    says: /has 3 bytes; at least 32.*[\s\S]*openssl rand -hex 32/,
  },
  {
    title: 'a peer key that repeats itself',
    spoil: (dir) => writeFileSync(join(dir, 'auth/peer-key'), 'ab'.repeat(32)),
    check: 'secret peer-key',
    says: /repeats/,
  },
  {
    title: 'no data mount',
    spoil: (dir) => rmSync(join(dir, 'data'), { recursive: true }),
    check: 'data directory',
    says: /cannot be used: ENOENT/,
  },
  {
    title: 'a data directory that others may read',
    spoil: (dir) => chmodSync(join(dir, 'data/pgdata'), 0o755),
    check: 'data directory',
    says: /mode 0755; openGauss takes 0700 only[\s\S]*chmod 0700/,
  },
  {
    title: 'a file where the data directory belongs',
    spoil: (dir) => {
      rmSync(join(dir, 'data/pgdata'), { recursive: true });
      writeFileSync(join(dir, 'data/pgdata'), 'precious');
    },
    check: 'data directory',
    says: /not a directory/,
  },
  {
    title: 'an installation without a program',
    spoil: (dir) => rmSync(join(dir, 'home/bin/gs_basebackup')),
    check: 'openGauss',
    says: /lacks gs_basebackup[\s\S]*GAUSSHOME/,
  },
  {
    title: 'no socket directory',
    spoil: (dir) => rmSync(join(dir, 'socket'), { recursive: true }),
    check: 'socket directory',
    says: /OG_SOCKET_DIR/,
  },
  {
    title: 'a file where the FIFO belongs',
    spoil: (dir) => {
      rmSync(join(dir, 'run/fence'));
      writeFileSync(join(dir, 'run/fence'), '');
    },
    check: 'fence',
    says: /not a FIFO/,
  },
];
for (const { title, spoil, check, says } of mistakes) {
  test(`refused with 1, its name and a cure: ${title}`, async (t) => {
    const place = await aPlace(t, await startCluster(t));
    spoil(place.dir);
    const ran = await agent(place.env, ['preflight']);
    assert.equal(ran.code, 1, ran.out);
    assert.match(lineOf(ran, check), /^failed /);
    assert.match(ran.out, says);
    assert.match(ran.err, /^error: .+\nhint: .+\n$/);
  });
}

test('a data directory of another user is refused and left alone', {
  skip: process.getuid?.() === 0 ? false : 'only root can give files away',
}, async (t) => {
  const place = await aPlace(t, await startCluster(t));
  const pgdata = join(place.dir, 'data/pgdata');
  writeFileSync(join(pgdata, 'PG_VERSION'), '9.2\n');
  execFileSync('chown', ['-R', '4711', pgdata]);
  const ran = await agent(place.env, ['preflight']);
  assert.equal(ran.code, 1);
  assert.match(lineOf(ran, 'data directory'), /belongs to uid 4711, not to 0/);
  assert.equal(statSync(pgdata).uid, 4711);
});

test('everything wrong is told in one run', async (t) => {
  const place = await aPlace(t, await startCluster(t));
  for (const { title, spoil } of mistakes) if (/no Secret|no data mount|without a program/.test(title)) spoil(place.dir);
  const ran = await agent(place.env, ['preflight']);
  assert.equal(ran.out.split('\n').filter((line) => line.startsWith('failed')).length, 5);
  assert.match(ran.err, /and 4 more checks failed/);
});

test('without PID 1 there is a warning, and it still passes', async (t) => {
  const place = await aPlace(t, await startCluster(t));
  rmSync(join(place.dir, 'run/fence'));
  const ran = await agent(place.env, ['preflight']);
  assert.equal(ran.code, 0);
  assert.match(lineOf(ran, 'fence'), /^warning .*PID 1 does not guard/);
});

test('an API server that does not answer is waited out: a warning, no failure', async (t) => {
  const kube = await startCluster(t);
  const place = await aPlace(t, { url: 'http://127.0.0.1:1', accountDir: kube.accountDir });
  const ran = await agent(place.env, ['preflight']);
  assert.equal(ran.code, 0);
  assert.match(lineOf(ran, 'API server'), /^warning .*127\.0\.0\.1:1 does not answer: ECONNREFUSED/);
});

test('a token that is not accepted, and a missing service account, are refused', async (t) => {
  const kube = await startCluster(t);
  const place = await aPlace(t, kube);
  writeFileSync(join(kube.accountDir, 'token'), 'stale');
  assert.match(lineOf(await agent(place.env, ['preflight']), 'API server'), /^failed .*does not accept the token/);
  const none = await agent({ ...place.env, OG_SERVICE_ACCOUNT_DIR: '/nowhere' }, ['preflight']);
  assert.equal(none.code, 1);
  assert.match(lineOf(none, 'API server'), /^failed .*\/nowhere cannot be read/);
});

for (const { version, verdict, says } of [
  { version: { major: '1', minor: '36', gitVersion: 'v1.36.3' }, verdict: 'ok', says: /v1\.36\.3$/ },
  { version: { major: '1', minor: '27+', gitVersion: 'v1.27.16-eks-1' }, verdict: 'ok', says: /v1\.27\.16-eks-1$/ },
  {
    version: { major: '1', minor: '24', gitVersion: 'v1.24.17' },
    verdict: 'warning',
    says: /v1\.24\.17 lacks unhealthyPodEvictionPolicy of the budget \(1\.27\), persistentVolumeClaimRetentionPolicy .*\(1\.27\)$/,
  },
  {
    version: { major: '1', minor: '18' },
    verdict: 'warning',
    says: /v1\.18 lacks .*policy\/v1 .*events\.k8s\.io\/v1 \(1\.19\)$/,
  },
  { version: { major: '1', minor: '13' }, verdict: 'failed', says: /v1\.13 has no coordination\.k8s\.io\/v1 Lease$/ },
  { version: {}, verdict: 'warning', says: /does not say its version$/ },
]) {
  test(`an API server that calls itself ${JSON.stringify(version)} is told of as ${verdict}`, async (t) => {
    const kube = await startCluster(t);
    const place = await aPlace(t, kube);
    kube.server.faults.add({ match: { path: /^\/version$/ }, effect: { do: 'error', code: 200, body: version } });
    const ran = await agent(place.env, ['preflight']);
    assert.equal(ran.code, verdict === 'failed' ? 1 : 0, ran.out);
    const line = lineOf(ran, 'Kubernetes');
    assert.ok(line.startsWith(verdict), line);
    assert.match(line, says);
  });
}

test('rights that are missing are named, all of them', async (t) => {
  const metadata = { name: 'og-demo', namespace: 'default' };
  const rules = rights('demo').filter(
    (rule) => !rule.resources.includes('pods') && !rule.resourceNames?.includes('og-demo-leader'),
  );
  const rbac = [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'og-demo' },
      subjects: [{ kind: 'ServiceAccount', name: 'og-demo', namespace: 'default' }],
    },
  ];
  const place = await aPlace(t, await startCluster(t, { rbac }));
  const ran = await agent(place.env, ['preflight']);
  assert.equal(ran.code, 1);
  assert.match(
    lineOf(ran, 'rights'),
    /may not get leases\/og-demo-leader, update leases\/og-demo-leader, watch leases\/og-demo-leader, list pods, watch pods, patch pods\/og-demo-0$/,
  );
});

test('the right to read Nodes is looked for where OG_READ_NODES asks for it, and its lack is a warning', async (t) => {
  const kube = await startCluster(t);
  const place = await aPlace(t, kube);
  const without = await agent(place.env, ['preflight']);
  assert.doesNotMatch(without.out, /node rights/);
  const env = { ...place.env, OG_READ_NODES: 'true' };
  const denied = await agent(env, ['preflight']);
  assert.equal(denied.code, 0, denied.out);
  assert.match(lineOf(denied, 'node rights'), /^warning .*the service account may not get nodes/);
  const review = { match: { path: /selfsubjectaccessreviews/ } };
  kube.server.faults.add({ ...review, effect: { do: 'error', code: 201, body: { status: { allowed: true } } } });
  assert.match(lineOf(await agent(env, ['preflight']), 'node rights'), /^ok /);
});
