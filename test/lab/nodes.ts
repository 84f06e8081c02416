/**
 * `--kube nodes`: the lab on a real Kubernetes of as many nodes as members. The manifests and the image are the users'
 * own; commands, faults and lab.json are those of the other labs, carried out on nodes and containers.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createAccount, type Deployment, deploy, type Pod, succeed } from '../e2e/nodes/deploy.ts';
import { type Cluster, startCluster } from '../kube/real/cluster.ts';
import { serveControl } from './control.ts';
import type { FaultOrder, Reply } from './faults.ts';
import type { Description, LabEvent } from './lab.ts';
import type { LabOptions } from './options.ts';
import { nodePower, podFaults, processesOf } from './nodefaults.ts';
import { identify } from './processes.ts';
import { type LabRecord, labFile, type MemberRecord, runFile, sweepStale, writeWhole } from './record.ts';

/** A running lab of that kind, as much of it as its command line needs. */
export interface NodesLab {
  record(): LabRecord;
  stop(): Promise<void>;
}

const refreshMs = 1000;
const httpPort = 8008;

/** Starts everything and returns when the members are healthy. */
export async function startNodesLab(options: LabOptions, onEvent: (event: LabEvent) => void): Promise<NodesLab> {
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true });
  const stale = await sweepStale(dir);
  if (stale.running !== undefined) throw new Error(`a lab already runs in ${dir} (pid ${stale.running})`);
  const say = (line: string) => onEvent({ kind: 'step', line });
  const cluster = await startCluster({ nodes: options.members, say });
  const sockets = mkdtempSync(join(tmpdir(), 'oglab-'));
  try {
    const database = await deploy(cluster, options.members);
    if (options.config !== '') await configure(database, options.config);
    say(`${options.members} members started, waiting until they are healthy`);
    await database.whenHealthy(options.members);
    await createAccount(database);
    return await serve({ options, dir, cluster, database, sockets, onEvent });
  } catch (error) {
    say(`logs are in ${await cluster.gather('lab')}`);
    await cluster.stop();
    rmSync(sockets, { recursive: true, force: true });
    throw error;
  }
}

async function configure(database: Deployment, config: string) {
  const patch = JSON.stringify({ data: { 'config.yaml': config } });
  await succeed(database.kubectl('patch', 'configmap', 'og-demo-config', '--type=merge', '-p', patch));
}

interface Parts {
  options: LabOptions;
  dir: string;
  cluster: Cluster;
  database: Deployment;
  sockets: string;
  onEvent(event: LabEvent): void;
}

async function serve(parts: Parts): Promise<NodesLab> {
  const { dir, cluster, database, sockets, onEvent } = parts;
  const control = join(sockets, 'ctl');
  const state = { record: await recordOf(parts), ended: false };
  const server = await serveControl(control, async (order) => {
    const asked = order as FaultOrder;
    if (asked.command === 'describe') return describe(parts, asked.member);
    const reply = await inject(parts, asked);
    onEvent({ kind: reply.exit === 0 ? 'fault' : 'warning', line: reply.line });
    return reply;
  });
  const lab = identify(process.pid);
  if (lab === undefined) throw new Error('this process is not in /proc');
  writeWhole(runFile(dir), { lab, control, processes: [], paths: [sockets], traces: { namespaces: [], links: [] } });
  writeWhole(labFile(dir), state.record);
  onEvent({ kind: 'ready', line: `primary ${(await database.primary()) ?? 'unknown'}` });
  const timer = setInterval(() => void refresh().catch(() => undefined), refreshMs);
  async function refresh() {
    const next = await recordOf(parts);
    if (state.ended || JSON.stringify(next) === JSON.stringify(state.record)) return;
    state.record = next;
    writeWhole(labFile(dir), next);
  }
  return {
    record: () => state.record,
    async stop() {
      state.ended = true;
      clearInterval(timer);
      server.close();
      await cluster.stop();
      for (const path of [sockets, labFile(dir), runFile(dir)]) rmSync(path, { recursive: true, force: true });
      onEvent({ kind: 'stopped', line: 'everything is stopped and removed' });
    },
  };
}

async function recordOf({ cluster, database }: Parts): Promise<LabRecord> {
  const members = (await database.pods()).map((pod): MemberRecord => {
    const node = cluster.nodes.find(({ name }) => name === pod.node);
    const { pid1, agent, server } = processesOf(node);
    return {
      pod: pod.name,
      ip: pod.ip,
      port: 5432,
      haPort: 5433,
      httpPort,
      // The server's socket is inside the container.
      socketDir: '',
      dataDir: node?.volume ?? '',
      pid1: pid1?.pid ?? null,
      agentPid: agent?.pid ?? null,
      serverPid: server?.pid ?? null,
    };
  });
  const { host, port, user, password, database: name } = database.write;
  return {
    kubeconfig: cluster.plane.kubeconfig,
    namespace: database.namespace,
    cluster: 'demo',
    kube: 'nodes',
    members,
    services: { write: { host, port }, read: { host: database.read.host, port } },
    client: { user, password, database: name },
  };
}

const refused = (line: string, hint: string): Reply => ({ exit: 5, line, hint });

async function find({ database, cluster }: Parts, name: string | undefined) {
  const pods = await database.pods();
  const pod = pods.find((one) => one.name === name);
  const node = cluster.nodes.find((one) => one.name === pod?.node);
  if (pod !== undefined && node !== undefined) return { pod, node, peers: pods.filter((one) => one.name !== name) };
  return refused(`no member is called ${name ?? '(nothing)'}`, `The members are ${pods.map((one: Pod) => one.name).join(', ')}.`);
}

/** `exec` is `kubectl exec` here, with the terminal's own words and the exit code passed through. */
async function describe(parts: Parts, name: string | undefined): Promise<Description> {
  const found = await find(parts, name);
  if ('exit' in found) return found;
  const way = ['--kubeconfig', parts.cluster.plane.kubeconfig, '-n', parts.database.namespace];
  return {
    exit: 0,
    line: '',
    prefix: [parts.cluster.programs['kubectl'] ?? 'kubectl', ...way, 'exec', found.pod.name, '-c', 'og', '--'],
  };
}

async function inject(parts: Parts, order: FaultOrder): Promise<Reply> {
  const { cluster, database } = parts;
  if (order.command === 'heal' && order.member === undefined) {
    for (const node of cluster.nodes) await nodePower(node, true);
    return { exit: 0, line: 'healed all members' };
  }
  const found = await find(parts, order.member);
  if ('exit' in found) return found;
  return await podFaults({ ...found, host: cluster.wires.host, kubectl: database.kubectl }, order);
}
