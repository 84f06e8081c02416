/**
 * The database cluster on nodes under test, deployed as a user would: the namespace, the Secret, and an overlay of
 * manifests/ by `kubectl apply -k`, parameters aside. What is asked of it goes through `kubectl` and the Services.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../kube/real/cluster.ts';
import type { Outcome } from '../../kube/real/node.ts';
import type { ClientAddress } from '../../support/client.ts';

export interface Pod {
  name: string;
  uid: string;
  ip: string;
  node: string;
  ready: boolean;
  restarts: number;
  labels: Record<string, string>;
}

export interface Deployment {
  cluster: Cluster;
  namespace: string;
  /** The write and the read Service, for an ordinary account. */
  write: ClientAddress;
  read: ClientAddress;
  kubectl(...words: string[]): Promise<Outcome>;
  /** `kubectl exec MEMBER -c og -- …` */
  exec(member: string, ...words: string[]): Promise<Outcome>;
  pods(): Promise<Pod[]>;
  primary(): Promise<string | undefined>;
  node(pod: string): Promise<Cluster['nodes'][number]>;
  /** Applies the overlay again, with parameters. */
  apply(replicas: number, more?: More): Promise<void>;
  deleteAll(): Promise<Outcome>;
  /** Waits until the members are one primary and standbys that stream, by what `agent status` says; throws at the deadline. */
  whenHealthy(members: number, deadlineMs?: number): Promise<void>;
}

/** What an overlay may have beside the number of members. */
export interface More {
  /** Folders of manifests/components. */
  components: string[];
  images: { name: string; newName: string; newTag: string }[];
  patches: { target: Record<string, string>; patch: string }[];
}

const namespace = 'opengauss';
const root = resolve(import.meta.dirname, '../../..');
const account = { user: 'app', password: `App_${randomBytes(9).toString('hex')}`, database: 'app' };

/** Applies everything; the members come up on their own. */
export async function deploy(cluster: Cluster, replicas: number): Promise<Deployment> {
  const kubectl = (...words: string[]) => cluster.kubectl(['-n', namespace, ...words]);
  await succeed(cluster.kubectl(['apply', '-f', join(root, 'manifests', 'namespace.yaml')]));
  await succeed(kubectl('create', 'secret', 'generic', 'og-demo-auth', ...secretWords()));
  const address = { host: '', port: 5432, ...account };
  const own: Deployment = {
    cluster,
    namespace,
    write: { ...address },
    read: { ...address },
    kubectl,
    exec: (member, ...words) => kubectl('exec', member, '-c', 'og', '--', ...words),
    pods: () => readPods(kubectl),
    async primary() {
      const found = (await readPods(kubectl)).filter((pod) => pod.labels['opengauss.role'] === 'primary');
      return found.length === 1 ? found[0]?.name : undefined;
    },
    async node(pod) {
      const name = (await readPods(kubectl)).find((one) => one.name === pod)?.node;
      const found = cluster.nodes.find((node) => node.name === name);
      if (found === undefined) throw new Error(`${pod} is on no node`);
      return found;
    },
    async apply(count, more) {
      await succeed(cluster.kubectl(['apply', '-k', overlay(cluster, count, more)]));
      own.write.host = await clusterIp(kubectl, 'og-demo-svc');
      own.read.host = await clusterIp(kubectl, 'og-demo-svc-read');
    },
    deleteAll: () => cluster.kubectl(['delete', '-k', overlay(cluster, replicas), '--wait=true']),
    whenHealthy: (members, deadlineMs = 180_000) => whenHealthy(own, members, deadlineMs),
  };
  await own.apply(replicas);
  return own;
}

/** The command's outcome, which must be good. */
export async function succeed(work: Promise<Outcome>): Promise<string> {
  const { code, out } = await work;
  if (code !== 0) throw new Error(`ended with ${code}: ${out}`);
  return out;
}

/** Waits until a changed StatefulSet has replaced every pod. */
export async function rolledOut(database: Deployment): Promise<void> {
  const words = ['-n', database.namespace, 'rollout', 'status', 'statefulset/og-demo', '--timeout=240s'];
  await succeed(database.cluster.kubectl(words, undefined, 250_000));
}

function secretWords(): string[] {
  const password = () => `Lab_${randomBytes(12).toString('hex')}`;
  const keys = {
    'superuser-password': password(),
    'replication-password': password(),
    'peer-key': randomBytes(32).toString('hex'),
  };
  return Object.entries(keys).map(([key, value]) => `--from-literal=${key}=${value}`);
}

/** The overlay that users apply, with another number of members and less room for each. */
function overlay(cluster: Cluster, replicas: number, more?: More): string {
  const dir = join(cluster.dir, `overlay-${replicas}${more === undefined ? '' : '-more'}`);
  mkdirSync(dir, { recursive: true });
  const small = { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '2Gi' } };
  const spec = { template: { spec: { containers: [{ name: 'og', resources: small }] } } };
  const patch = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'og-demo' }, spec };
  writeFileSync(
    join(dir, 'kustomization.yaml'),
    JSON.stringify({
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      namespace,
      resources: [relative(dir, join(root, 'manifests', 'overlays', 'one-plus-two'))],
      components: (more?.components ?? []).map((name) => relative(dir, join(root, 'manifests', 'components', name))),
      images: more?.images ?? [],
      replicas: [{ name: 'og-demo', count: replicas }],
      patches: [{ target: { kind: 'StatefulSet', name: 'og-demo' }, patch: JSON.stringify(patch) }, ...(more?.patches ?? [])],
    }),
  );
  return dir;
}

async function clusterIp(kubectl: Deployment['kubectl'], service: string): Promise<string> {
  return (await succeed(kubectl('get', 'service', service, '-o', 'jsonpath={.spec.clusterIP}'))).trim();
}

interface PodObject {
  metadata: { name: string; uid: string; labels?: Record<string, string> };
  spec: { nodeName?: string };
  status: {
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: { name: string; restartCount: number }[];
  };
}

async function readPods(kubectl: Deployment['kubectl']): Promise<Pod[]> {
  const { code, out } = await kubectl('get', 'pods', '-l', 'opengauss.cluster=demo', '-o', 'json');
  if (code !== 0) return [];
  return (JSON.parse(out) as { items: PodObject[] }).items.map(({ metadata, spec, status }) => ({
    name: metadata.name,
    uid: metadata.uid,
    ip: status.podIP ?? '',
    node: spec.nodeName ?? '',
    ready: status.conditions?.some(({ type, status: word }) => type === 'Ready' && word === 'True') === true,
    restarts: status.containerStatuses?.find(({ name }) => name === 'og')?.restartCount ?? 0,
    labels: metadata.labels ?? {},
  }));
}

interface Status {
  state: string;
  members: { name: string; role: string; state: string }[];
}

async function whenHealthy(own: Deployment, members: number, deadlineMs: number) {
  const end = performance.now() + deadlineMs;
  let last = '';
  for (let turn = 0; performance.now() < end; turn += 1) {
    const asked = `og-demo-${turn % members}`;
    const { out } = await own.exec(asked, 'agent', 'status', '-o', 'json');
    last = out;
    try {
      const status = JSON.parse(out) as Status;
      const ready = (await own.pods()).filter((pod) => pod.ready).length;
      if (status.state === 'Healthy' && status.members.length === members && ready === members) return;
    } catch {
      // The member does not answer yet.
    }
    await sleep(300);
  }
  throw new Error(`not healthy within ${deadlineMs / 1000} s; the last answer was: ${last.slice(0, 2000)}`);
}

/** Makes the account of the clients, on the primary, as somebody at its container would. */
export async function createAccount(own: Deployment) {
  const primary = await own.primary();
  if (primary === undefined) throw new Error('there is no primary to make an account on');
  // The server's programs are on nobody's PATH but the agent's, as its libraries must not be Node's.
  const gsql = 'PATH=$GAUSSHOME/bin:$PATH LD_LIBRARY_PATH=$GAUSSHOME/lib gsql -h /run/opengauss -p 5432 -U omm -d "$1" -c "$2"';
  const sql = (text: string, database = 'postgres') => succeed(own.exec(primary, 'sh', '-c', gsql, 'gsql', database, text));
  await sql(`CREATE USER ${account.user} PASSWORD '${account.password}'`);
  await sql(`CREATE DATABASE ${account.database} OWNER ${account.user}`);
  await sql(`GRANT ALL ON SCHEMA public TO ${account.user}`, account.database);
}
