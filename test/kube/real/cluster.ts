/**
 * A whole Kubernetes on one machine: control plane, names, and nodes with real kubelets, each with one local volume.
 * What runs is recorded, so that the next start can sweep after a crash. It knows nothing of openGauss.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dict } from '../json.ts';
import { buildParts, type Programs } from './build.ts';
import { type ControlPlane, startControlPlane } from './control.ts';
import { createDaemon, type Daemon } from './daemon.ts';
import { buildImages } from './image.ts';
import { checkMachine } from './machine.ts';
import { createNode, type Node, type Outcome } from './node.ts';
import { claimScratch, type Scratch } from './scratch.ts';
import { createWires, type Wires } from './wires.ts';

export interface Cluster {
  dir: string;
  plane: ControlPlane;
  nodes: Node[];
  wires: Wires;
  programs: Programs;
  kubectl(words: string[], input?: string, timeoutMs?: number): Promise<Outcome>;
  /** Puts what helps to understand a failure into a folder and answers its path. */
  gather(title: string): Promise<string>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  nodes: number;
  /** Whose requests are written to log/audit.log of the control plane. */
  auditedUser?: string;
  /** The size of each node's volume; without it volumes have none. */
  volumeMiB?: number;
  /** Of kube-proxy, as `100ms`; its own default without it. */
  minSyncPeriod?: string;
  say(line: string): void;
}

/** The name of the storage class whose volumes are the nodes' directories. */
export const storageClass = 'local';
const nodesMs = 180_000;

interface Made {
  plane?: ControlPlane;
  dns?: Daemon;
  router?: Node;
  nodes: Node[];
}

/** Builds what is not built, starts everything and returns when all nodes are ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { nodes, auditedUser, say } = options;
  checkMachine();
  const programs = await buildParts('nodes', { say });
  const images = await buildImages(programs, say);
  const scratch = await claimScratch();
  const wires = createWires(nodes);
  const made: Made = { nodes: [] };
  const groups = Array.from({ length: nodes + 1 }, (_, index) => `ogk${wires.id}-node${index}`);
  const record = () => scratch.record(processesOf(made), { ...wires.traces, cgroups: groups });
  record();
  async function stop() {
    await Promise.all([...made.nodes, ...(made.router ? [made.router] : [])].map((node) => node.remove()));
    await made.dns?.stop(0);
    await made.plane?.stop();
    wires.remove();
    scratch.remove();
  }
  try {
    const plane = await startControlPlane({
      dir: scratch.dir,
      host: wires.host,
      programs,
      scheduler: true,
      serviceNetwork: wires.serviceNetwork,
      advertise: wires.host,
      namespace: 'default',
      ...(auditedUser === undefined ? {} : { auditedUser }),
      onChange: record,
      say,
    });
    made.plane = plane;
    await createFixtures(plane, wires, scratch, nodes);
    made.dns = startDns(scratch, wires, programs, plane, record);
    for (let index = 0; index <= nodes; index += 1) {
      const node = newNode(index, { scratch, wires, programs, plane, archives: images.archives, options, record });
      if (index === 0) made.router = node;
      else made.nodes.push(node);
      node.powerOn();
    }
    await whenNodesReady(plane, nodes);
    say(`${nodes} nodes ready`);
    const kubectl = createKubectl(programs, plane);
    const gather = (title: string) => gatherInto(scratch, made.nodes, kubectl, title);
    return { dir: scratch.dir, plane, nodes: made.nodes, wires, programs, kubectl, gather, stop };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}

function processesOf({ plane, dns, router, nodes }: Made) {
  const own = [...nodes, ...(router ? [router] : [])].flatMap((node) => node.processes());
  return [...own, ...(plane?.processes() ?? []), ...(dns?.id() ? [dns.id()].flatMap((id) => id ?? []) : [])];
}

interface NodeParts {
  scratch: Scratch;
  wires: Wires;
  programs: Programs;
  plane: ControlPlane;
  archives: string[];
  options: Pick<ClusterOptions, 'volumeMiB' | 'minSyncPeriod'>;
  record(): void;
}

function newNode(index: number, { scratch, wires, programs, plane, archives, options, record }: NodeParts): Node {
  const { volumeMiB, minSyncPeriod } = options;
  const name = index === 0 ? 'router' : `node${index}`;
  const place = wires.node(index);
  const dir = join(scratch.dir, name);
  mkdirSync(dir, { recursive: true });
  const subject = `/O=system:nodes/CN=system:node:${name}`;
  const own = plane.authority.pair(name, subject, [place.ip, name]);
  return createNode({
    router: index === 0,
    onChange: record,
    setting: {
      name,
      place,
      dir,
      certificate: own.certificate,
      key: own.key,
      authority: plane.authority.file,
      cgroup: `ogk${wires.id}-node${index}`,
      dns: `${wires.serviceNetwork}.10`,
      kubelet: programs['kubelet'] ?? '',
      kubeProxy: programs['kube-proxy'] ?? '',
      kubeletConfig: plane.authority.kubeconfig(name, subject, plane.url),
      proxyConfig: plane.authority.kubeconfig('proxy', '/CN=system:kube-proxy', plane.url),
      archives,
      ...(volumeMiB === undefined ? {} : { volumeMiB }),
      ...(minSyncPeriod === undefined ? {} : { minSyncPeriod }),
    },
  });
}

/** What every cluster has from whoever set it up: names, rights of kube-proxy, a class of storage and volumes. */
async function createFixtures(plane: ControlPlane, wires: Wires, scratch: Scratch, nodes: number) {
  const make = async (path: string, object: Dict) => {
    const reply = await plane.admin.post(path, object);
    if (reply.code !== 201) throw new Error(`creating ${path}: ${reply.text}`);
  };
  const ports = ['UDP', 'TCP'].map((protocol) => ({ name: `dns-${protocol.toLowerCase()}`, protocol, port: 53 }));
  await make('/api/v1/namespaces/kube-system/services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns' },
    spec: { clusterIP: `${wires.serviceNetwork}.10`, ports },
  });
  await make('/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kube-dns', labels: { 'kubernetes.io/service-name': 'kube-dns' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [wires.host], conditions: { ready: true } }],
    ports,
  });
  await make('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'kube-proxy' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-proxier' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'system:kube-proxy' }],
  });
  await make('/apis/storage.k8s.io/v1/storageclasses', {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: storageClass, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  for (let index = 1; index <= nodes; index += 1) {
    const name = `node${index}`;
    const onNode = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [name] }] };
    await make('/api/v1/persistentvolumes', {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `volume-${name}` },
      spec: {
        capacity: { storage: '20Gi' },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: storageClass,
        local: { path: join(scratch.dir, name, 'volume') },
        nodeAffinity: { required: { nodeSelectorTerms: [onNode] } },
      },
    });
  }
}

function startDns(scratch: Scratch, wires: Wires, programs: Programs, plane: ControlPlane, onChange: () => void): Daemon {
  const file = join(scratch.dir, 'Corefile');
  const names = `kubernetes cluster.local in-addr.arpa {\n    kubeconfig ${plane.kubeconfig} lab\n    ttl 5\n  }`;
  writeFileSync(file, `.:53 {\n  bind ${wires.host}\n  errors\n  ${names}\n}\n`);
  const log = join(scratch.dir, 'log', 'coredns.log');
  const daemon = createDaemon({
    name: 'coredns',
    command: [programs['coredns'] ?? '', '-conf', file],
    log,
    cwd: scratch.dir,
    onChange,
  });
  daemon.start();
  return daemon;
}

async function whenNodesReady(plane: ControlPlane, wanted: number) {
  const end = performance.now() + nodesMs;
  for (;;) {
    const list = await plane.admin.get('/api/v1/nodes');
    const nodes = (list.body['items'] ?? []) as { status?: { conditions?: { type: string; status: string }[] } }[];
    const isReady = (node: (typeof nodes)[number]) =>
      node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
    if (nodes.filter(isReady).length === wanted) return;
    if (performance.now() > end) throw new Error(`only ${nodes.filter(isReady).length} of ${wanted} nodes are ready`);
    await sleep(200);
  }
}

function createKubectl(programs: Programs, plane: ControlPlane): Cluster['kubectl'] {
  return (words, input, timeoutMs = 120_000) =>
    new Promise((resolve) => {
      const env = { ...process.env, KUBECONFIG: plane.kubeconfig, KUBECACHEDIR: join(plane.dir, 'kubectl') };
      const options = { env, timeout: timeoutMs, maxBuffer: 64 << 20 };
      const child = execFile(programs['kubectl'] ?? 'kubectl', words, options, (error, out, errors) =>
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out: `${out}${errors}` }),
      );
      child.stdin?.end(input ?? '');
    });
}

/** Logs and objects outlive the cluster, in the directory above its own. */
async function gatherInto(scratch: Scratch, nodes: Node[], kubectl: Cluster['kubectl'], title: string): Promise<string> {
  const folder = join(scratch.dir, '..', 'failures', `${Date.now()}-${title.replaceAll(/\W+/g, '-').slice(0, 60)}`);
  mkdirSync(folder, { recursive: true });
  const keep = (from: string, to: string) => {
    try {
      cpSync(from, join(folder, to), { recursive: true });
    } catch {
      // Some of it may not exist yet, or change meanwhile.
    }
  };
  keep(join(scratch.dir, 'log'), 'control-plane');
  for (const node of nodes) keep(join(node.dir, 'log'), node.name);
  for (const [file, words] of [
    ['objects.yaml', ['get', 'all,leases,endpointslices,configmaps,pvc,pv,nodes', '-A', '-o', 'yaml']],
    ['events.txt', ['get', 'events', '-A', '--sort-by=.lastTimestamp']],
    ['pods.txt', ['describe', 'pods', '-A']],
  ] as const) {
    const { out } = await kubectl([...words], undefined, 20_000);
    writeFileSync(join(folder, file), out);
  }
  return folder;
}
