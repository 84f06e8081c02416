/**
 * A real control plane: etcd, kube-apiserver, kube-controller-manager and on demand the scheduler, on one address of
 * this machine, everything in one directory. Other control planes may run beside it on other addresses. It runs no pod
 * and owns no node.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kubeconfig } from '../kubeconfig.ts';
import { type Client, createClient } from '../client.ts';
import type { ProcessId } from '../../lab/processes.ts';
import type { Programs } from './build.ts';
import { type Authority, createAuthority } from './certificates.ts';
import { createDaemon, type Daemon, logTail } from './daemon.ts';

export interface ControlOptions {
  dir: string;
  /** The address everything listens at. */
  host: string;
  programs: Programs;
  scheduler: boolean;
  /** The Services' network, without its last number and the dot. */
  serviceNetwork: string;
  /** What the API server calls itself among the endpoints of `kubernetes`; undefined where pods cannot reach it anyway. */
  advertise: string | undefined;
  namespace: string;
  /** Where the administrator's kubeconfig goes; beside everything else when it is not said. */
  kubeconfig?: string;
  /** Which controllers run, in the words of kube-controller-manager; all that are on by default when it is not said. */
  controllers?: string;
  /** Whose requests are written to log/audit.log. */
  auditedUser?: string;
  onChange(): void;
  say(line: string): void;
}

export interface ControlPlane {
  url: string;
  dir: string;
  /** The file with the administrator's way in. */
  kubeconfig: string;
  adminToken: string;
  authority: Authority;
  admin: Client;
  daemons: { etcd: Daemon; api: Daemon; controllers: Daemon; scheduler: Daemon | undefined };
  processes(): ProcessId[];
  /** Resolves when the API server answers that it is ready. */
  whenReady(deadlineMs?: number): Promise<void>;
  /** Etcd forgets every version but the last. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

export const apiPort = 6443;
const etcdPort = 2379;
const peerPort = 2380;
const controllersPort = 10257;
const schedulerPort = 10259;
const readyMs = 90_000;

/** Starts everything and returns when the controllers work. */
export async function startControlPlane(options: ControlOptions): Promise<ControlPlane> {
  const { dir, host } = options;
  for (const name of ['log', 'etcd']) mkdirSync(join(dir, name), { recursive: true, mode: 0o700 });
  const url = `https://${host}:${apiPort}`;
  const authority = createAuthority(join(dir, 'pki'));
  const adminToken = randomBytes(24).toString('base64url');
  writeFileSync(join(dir, 'tokens.csv'), `${adminToken},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const path = options.kubeconfig ?? join(dir, 'kubeconfig');
  writeFileSync(path, kubeconfig({ url, token: adminToken, namespace: options.namespace, ca: authority.pem }), { mode: 0o600 });
  const daemons = {
    etcd: newDaemon(options, 'etcd', etcdWords(options)),
    api: newDaemon(options, 'kube-apiserver', apiWords(options, authority)),
    controllers: newDaemon(options, 'kube-controller-manager', controllerWords(options, authority, url)),
    scheduler: options.scheduler ? newDaemon(options, 'kube-scheduler', schedulerWords(options, authority, url)) : undefined,
  };
  const admin = createClient(url, adminToken, authority.pem);
  const all = [daemons.scheduler, daemons.controllers, daemons.api, daemons.etcd].filter((one) => one !== undefined);

  async function stop() {
    admin.close();
    // Nothing of it is kept: there is no reason to let them finish.
    await Promise.all(all.map((daemon) => daemon.kill()));
  }
  const plane: ControlPlane = {
    url,
    dir,
    kubeconfig: path,
    adminToken,
    authority,
    admin,
    daemons,
    processes: () => all.flatMap((daemon) => daemon.id() ?? []),
    whenReady: (deadlineMs = readyMs) => whenReady(admin, daemons.api, deadlineMs),
    compact: () => compact(host),
    stop,
  };
  try {
    daemons.etcd.start();
    daemons.api.start();
    await plane.whenReady();
    options.say('API server ready');
    daemons.controllers.start();
    daemons.scheduler?.start();
    await whenControlled(admin, daemons.controllers);
    options.say('controllers work');
    return plane;
  } catch (error) {
    await stop();
    throw error;
  }
}

function newDaemon(options: ControlOptions, name: string, words: string[]): Daemon {
  const program = options.programs[name];
  if (program === undefined) throw new Error(`no program ${name}`);
  const log = join(options.dir, 'log', `${name}.log`);
  return createDaemon({ name, command: [program, ...words], log, cwd: options.dir, onChange: options.onChange });
}

function etcdWords({ dir, host }: ControlOptions): string[] {
  const client = `http://${host}:${etcdPort}`;
  const peer = `http://${host}:${peerPort}`;
  // What is written lives as long as the cluster under test: nothing here has to survive the machine.
  const data = ['--name=lab', `--data-dir=${join(dir, 'etcd')}`, '--unsafe-no-fsync', '--log-level=warn'];
  const clients = [`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`];
  return [
    ...data,
    ...clients,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=lab=${peer}`,
  ];
}

function apiWords({ dir, host, serviceNetwork, advertise, auditedUser }: ControlOptions, authority: Authority): string[] {
  const names = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
  ];
  const own = authority.pair('api', '/CN=kube-apiserver', [host, `${serviceNetwork}.1`, ...names]);
  const toKubelets = authority.pair('api-to-kubelets', '/O=system:masters/CN=api-to-kubelets');
  return [
    `--bind-address=${host}`,
    `--secure-port=${apiPort}`,
    // A loopback address is refused here, and without pods nobody reads it.
    ...(advertise === undefined
      ? ['--advertise-address=192.0.2.1', '--endpoint-reconciler-type=none']
      : [`--advertise-address=${advertise}`]),
    `--etcd-servers=http://${host}:${etcdPort}`,
    `--service-cluster-ip-range=${serviceNetwork}.0/24`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--token-auth-file=${join(dir, 'tokens.csv')}`,
    `--client-ca-file=${authority.file}`,
    `--tls-cert-file=${own.certificate}`,
    `--tls-private-key-file=${own.key}`,
    // Node names are known to nobody's DNS.
    '--kubelet-preferred-address-types=InternalIP',
    `--kubelet-client-certificate=${toKubelets.certificate}`,
    `--kubelet-client-key=${toKubelets.key}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${authority.tokenKey}`,
    `--service-account-signing-key-file=${authority.tokenKey}`,
    '--profiling=false',
    ...auditWords(dir, auditedUser),
  ];
}

function auditWords(dir: string, user: string | undefined): string[] {
  if (user === undefined) return [];
  const policy = join(dir, 'audit.yaml');
  const rules = [{ level: 'Metadata', users: [user], omitStages: ['RequestReceived'] }, { level: 'None' }];
  writeFileSync(policy, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${join(dir, 'log', 'audit.log')}`, '--audit-log-maxsize=0'];
}

function controllerWords({ host, controllers }: ControlOptions, authority: Authority, url: string): string[] {
  const way = authority.kubeconfig('controllers', '/CN=system:kube-controller-manager', url);
  return [
    `--kubeconfig=${way}`,
    `--authentication-kubeconfig=${way}`,
    `--authorization-kubeconfig=${way}`,
    `--bind-address=${host}`,
    `--secure-port=${controllersPort}`,
    '--leader-elect=false',
    ...(controllers === undefined ? [] : [`--controllers=${controllers}`]),
    '--use-service-account-credentials',
    `--service-account-private-key-file=${authority.tokenKey}`,
    `--root-ca-file=${authority.file}`,
    `--cluster-signing-cert-file=${authority.own.certificate}`,
    `--cluster-signing-key-file=${authority.own.key}`,
  ];
}

function schedulerWords({ host }: ControlOptions, authority: Authority, url: string): string[] {
  const way = authority.kubeconfig('scheduler', '/CN=system:kube-scheduler', url);
  return [
    `--kubeconfig=${way}`,
    `--authentication-kubeconfig=${way}`,
    `--authorization-kubeconfig=${way}`,
    `--bind-address=${host}`,
    `--secure-port=${schedulerPort}`,
    '--leader-elect=false',
  ];
}

async function whenReady(admin: Client, daemon: Daemon, deadlineMs: number): Promise<void> {
  const end = performance.now() + deadlineMs;
  while ((await admin.get('/readyz').catch(() => undefined))?.code !== 200) {
    if (daemon.id() === undefined) throw new Error(`${daemon.name} has ended:\n${logTail(daemon.log)}`);
    if (performance.now() > end) throw new Error(`${daemon.name} is not ready in time:\n${logTail(daemon.log)}`);
    await sleep(50);
  }
}

/** The default service account is the controllers' work. */
async function whenControlled(admin: Client, daemon: Daemon): Promise<void> {
  const end = performance.now() + readyMs;
  const path = '/api/v1/namespaces/default/serviceaccounts/default';
  while ((await admin.get(path).catch(() => undefined))?.code !== 200) {
    if (daemon.id() === undefined) throw new Error(`${daemon.name} has ended:\n${logTail(daemon.log)}`);
    if (performance.now() > end) throw new Error(`${daemon.name} does nothing:\n${logTail(daemon.log)}`);
    await sleep(50);
  }
}

/** Etcd's own way in is JSON over HTTP. */
async function compact(host: string): Promise<void> {
  const etcd = createClient(`http://${host}:${etcdPort}`, undefined);
  try {
    const range = await etcd.post('/v3/kv/range', { key: Buffer.from('none').toString('base64') });
    const revision = (range.body['header'] as { revision?: string } | undefined)?.revision;
    const reply = await etcd.post('/v3/kv/compaction', { revision, physical: true });
    if (reply.code !== 200) throw new Error(`etcd did not compact: ${reply.text}`);
  } finally {
    etcd.close();
  }
}
