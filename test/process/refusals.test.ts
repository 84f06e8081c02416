/**
 * Goal: bad input is refused by the container as it is shipped, before anything runs: one error that names the field,
 * one hint with the cure, the exit code, and the data exactly as it was.
 * Method: the real entrypoint with the real agent, against an embedded API server; each case spoils one thing.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { rights } from '../../agent/adapters/kube/rights.ts';
import { startCluster } from '../adapters/kube/cluster.ts';
import { entrypointDir } from './container.ts';

const home = join(import.meta.dirname, '..', 'standin');
const agentMain = join(import.meta.dirname, '..', '..', 'agent', 'main.ts');
const isRoot = process.getuid?.() === 0;

interface Place {
  dir: string;
  data: string;
  auth: string;
  env: Record<string, string>;
}

/** A container's mounts with a database in them, and its environment. */
function aPlace(t: TestContext, kube: { url: string; accountDir: string }): Place {
  const dir = mkdtempSync(join(tmpdir(), 'og-re-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const data = join(dir, 'data');
  const auth = join(dir, 'auth');
  for (const path of [join(data, 'pgdata'), auth, join(dir, 'socket'), join(dir, 'run')])
    mkdirSync(path, { recursive: true, mode: 0o700 });
  writeFileSync(join(data, 'pgdata', 'PG_VERSION'), '9.2\n');
  writeFileSync(join(data, 'pgdata', 'rows'), 'precious');
  writeFileSync(join(auth, 'superuser-password'), 'Wq8_vK3t-Lp1\n');
  writeFileSync(join(auth, 'replication-password'), 'Zx5_nB7r-Hd2\n');
  writeFileSync(join(auth, 'peer-key'), '4f1c9a0be2d73586a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718\n');
  const env = {
    PATH: process.env['PATH'] ?? '',
    POD_NAME: 'og-demo-0',
    POD_NAMESPACE: 'default',
    POD_IP: '127.0.0.1',
    POD_UID: 'uid-0',
    OG_CLUSTER: 'demo',
    OG_DATA_DIR: data,
    OG_AUTH_DIR: auth,
    OG_RUN_DIR: join(dir, 'run'),
    OG_SOCKET_DIR: join(dir, 'socket'),
    GAUSSHOME: home,
    OG_KUBE_URL: kube.url,
    OG_SERVICE_ACCOUNT_DIR: kube.accountDir,
    OG_AGENT_COMMAND: `${process.execPath} ${agentMain}`,
  };
  return { dir, data, auth, env };
}

/** Names, sizes, owners, modes and times of everything in there: equal when nothing was touched. */
function contents(dir: string): string {
  const names = ['.', ...readdirSync(dir, { recursive: true, encoding: 'utf8' })].sort();
  const lines = names.map((name) => {
    const { size, mtimeMs, ino, uid, mode } = statSync(join(dir, name));
    return `${name} ${size} ${mtimeMs} ${ino} ${uid} ${mode}`;
  });
  return lines.join('\n');
}

async function run(env: Record<string, string>): Promise<{ code: number; output: string; errors: string[]; hints: string[] }> {
  const child = spawn('bash', [join(entrypointDir, 'entrypoint.sh')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? 137)));
  const lines = (word: string) => [...output.matchAll(new RegExp(`^${word}: (.*)$`, 'gm'))].map((match) => match[1] ?? '');
  return { code, output, errors: lines('error'), hints: lines('hint') };
}

/** What is wrong, how it is told, and how it is cured. */
interface Case {
  title: string;
  skip?: boolean;
  spoil?(place: Place): void;
  env?: Record<string, string>;
  /** Rights that the service account does not have. */
  without?: string;
  code: number;
  says: RegExp;
  cure: RegExp;
}

const cases: Case[] = [
  {
    title: 'no Secret',
    spoil: ({ auth }) => renameSync(auth, `${auth}.away`),
    code: 1,
    says: /^secret superuser-password: .*cannot be read: ENOENT, and 2 more checks failed$/,
    cure: /^Create the Secret og-demo-auth with superuser-password, replication-password and peer-key/,
  },
  {
    title: 'a Secret without one of its keys',
    spoil: ({ auth }) => rmSync(join(auth, 'peer-key')),
    code: 1,
    says: /^secret peer-key: .*peer-key cannot be read: ENOENT$/,
    cure: /^Create the Secret og-demo-auth/,
  },
  {
    title: 'a data directory that others may read',
    spoil: ({ data }) => chmodSync(join(data, 'pgdata'), 0o755),
    code: 1,
    says: /^data directory: .*pgdata has mode 0755; openGauss takes 0700 only$/,
    cure: /^chmod 0700 .*pgdata/,
  },
  {
    title: 'a data directory of another user',
    skip: !isRoot,
    spoil: ({ data }) => chownSync(join(data, 'pgdata'), 4711, 4711),
    code: 1,
    says: /^data directory: .*pgdata belongs to uid 4711, not to 0$/,
    cure: /chown -R 0 .*pgdata/,
  },
  {
    title: 'a missing right',
    without: 'leases',
    code: 1,
    says: /^rights: .*may not .*leases\/og-demo-leader/,
    cure: /role|manifests/i,
  },
  {
    title: 'a tenth member',
    env: { POD_NAME: 'og-demo-9' },
    code: 78,
    says: /^POD_NAME /,
    cure: /at most 9 members: scale the StatefulSet og-demo down/,
  },
  {
    title: 'ports that contradict each other',
    env: { OG_HA_PORT: '6000' },
    code: 78,
    says: /^OG_HA_PORT /,
    cure: /5433/,
  },
  {
    title: 'a name that is no setting',
    env: { OG_COLOUR: 'red' },
    code: 78,
    says: /^OG_COLOUR /,
    cure: /\S/,
  },
];

describe('the container refuses', { concurrency: 2 }, () => {
  for (const { title, skip = false, spoil, env = {}, without, code, says, cure } of cases) {
    test(`${title}, by one error with its cure, and touches nothing`, { skip, timeout: 90_000 }, async (t) => {
      const rules = rights('demo').filter(({ resources }) => without === undefined || !resources.includes(without));
      const place = aPlace(t, await startCluster(t, { rbac: binding(rules) }));
      spoil?.(place);
      const before = contents(place.data);
      const ended = await run({ ...place.env, ...env });
      assert.equal(ended.code, code, ended.output);
      assert.equal(ended.errors.length, 1, ended.output);
      assert.equal(ended.hints.length, 1, ended.output);
      assert.match(ended.errors[0] ?? '', says);
      assert.match(ended.hints[0] ?? '', cure);
      assert.equal(contents(place.data), before);
    });
  }
});

function binding(rules: ReturnType<typeof rights>) {
  const metadata = { name: 'og-demo', namespace: 'default' };
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'og-demo' };
  const subjects = [{ kind: 'ServiceAccount', name: 'og-demo', namespace: 'default' }];
  return [
    { apiVersion, kind: 'Role', metadata, rules },
    { apiVersion, kind: 'RoleBinding', metadata, roleRef, subjects },
  ];
}
