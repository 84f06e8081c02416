/**
 * `--kube apiserver`: etcd, kube-apiserver and kube-controller-manager stand where the embedded server would. Pods
 * stay processes of the lab, and the lab goes on playing StatefulSet controller and kubelet, with a heartbeat for each
 * node; slices, budgets, garbage and lost nodes are the real controllers' work.
 */
import { closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { buildParts } from '../kube/real/build.ts';
import { createFaults } from '../kube/faults.ts';
import { startControlPlane } from '../kube/real/control.ts';
import type { KubeOptions, KubeServer } from './kube.ts';
import { manifestRights, noteRight, writes } from './kube.ts';
import { setName } from './objects.ts';

/** A kubelet renews its lease every ten seconds; after fifty without one the node counts as lost. */
const heartbeatMs = 10_000;
const tokenSeconds = 86_400;

/** Starts the programs, building them where they are not built yet. */
export async function startApiServer(options: KubeOptions, dir: string, say: (line: string) => void): Promise<KubeServer> {
  const account = `system:serviceaccount:${options.namespace}:${setName(options)}`;
  const programs = await buildParts('api', { say });
  const plane = await startControlPlane({
    dir,
    host: options.secure.host,
    programs,
    scheduler: false,
    serviceNetwork: '10.196.0',
    advertise: undefined,
    namespace: options.namespace,
    kubeconfig: options.kubeconfig,
    // The lab makes the pods itself: each is a process of its own.
    controllers: '*,-statefulset-controller',
    auditedUser: account,
    onChange: () => undefined,
    say,
  });
  const rights = manifestRights(options);
  const counted = createCount(join(dir, 'log', 'audit.log'));
  const nodes = createHeartbeats(plane.admin);
  return {
    url: plane.url,
    ca: plane.authority.pem,
    adminToken: plane.adminToken,
    async memberToken() {
      for (const object of rights) await plane.admin.post(rightsPath(object, options.namespace), object);
      const path = `/api/v1/namespaces/${options.namespace}/serviceaccounts/${setName(options)}/token`;
      const ask = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: tokenSeconds } };
      const reply = await plane.admin.post(path, ask);
      const token = (reply.body['status'] as { token?: string } | undefined)?.token;
      if (token === undefined) throw new Error(`no token for the members: ${reply.text}`);
      return token;
    },
    enforced: true,
    secure: true,
    faults: { ...createFaults(), add: refuseFault },
    requests: () => counted.read().sum,
    latest: () => [],
    rightsUsed: () => counted.read().used,
    processes: plane.processes,
    nodePower: nodes.setPower,
    async stop() {
      nodes.stop();
      await plane.stop();
    },
  };
}

function refuseFault(): never {
  throw new Error('a real API server has no faults on demand: use --kube embedded');
}

function rightsPath(object: { kind?: unknown }, namespace: string): string {
  const plural = `${String(object.kind).toLowerCase()}s`;
  return `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/${plural}`;
}

interface Heartbeats {
  setPower(node: string, on: boolean): void;
  stop(): void;
}

type Admin = Awaited<ReturnType<typeof startControlPlane>>['admin'];

/** Keeps every node that has power alive in the eyes of the node controller. */
function createHeartbeats(admin: Admin): Heartbeats {
  const alive = new Set<string>();
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';

  async function beat(node: string) {
    const now = new Date();
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: now.toISOString() };
    await admin.patch(`/api/v1/nodes/${node}/status`, 'strategic', { status: { conditions: [ready] } });
    const renewTime = now.toISOString().replace('Z', '000Z');
    const spec = { holderIdentity: node, leaseDurationSeconds: 40, renewTime };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: node }, spec };
    const reply = await admin.patch(`${leases}/${node}`, 'merge', { spec });
    if (reply.code === 404) await admin.post(leases, lease);
  }
  const beatAll = () => {
    for (const node of alive) void beat(node).catch(() => undefined);
  };
  const timer = setInterval(beatAll, heartbeatMs);
  return {
    setPower(node, on) {
      if (!on) return void alive.delete(node);
      alive.add(node);
      void beat(node).catch(() => undefined);
    },
    stop: () => clearInterval(timer),
  };
}

interface Count {
  sum: { all: number; writes: number };
  used: Map<string, Set<number>>;
}

/** Requests of the members' account, counted in the server's audit log as it grows. */
function createCount(file: string): { read(): Count } {
  const count: Count = { sum: { all: 0, writes: 0 }, used: new Map() };
  let position = 0;
  let rest = '';
  return {
    read() {
      const chunk = Buffer.alloc(1 << 20);
      const log = openLog(file);
      if (log === undefined) return count;
      try {
        for (let bytes = readSync(log, chunk, 0, chunk.length, position); bytes > 0; ) {
          position += bytes;
          const lines = (rest + chunk.toString('utf8', 0, bytes)).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) take(line, count);
          bytes = readSync(log, chunk, 0, chunk.length, position);
        }
      } finally {
        closeSync(log);
      }
      return { sum: { ...count.sum }, used: count.used };
    },
  };
}

interface Audited {
  verb: string;
  stage: string;
  responseStatus?: { code?: number };
  objectRef?: { apiGroup?: string; resource?: string; subresource?: string };
}

function take(line: string, { sum, used }: Count) {
  const { verb, stage, responseStatus, objectRef } = JSON.parse(line) as Audited;
  // A watch is counted when it begins, everything else when it has ended.
  if (stage !== (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete')) return;
  sum.all += 1;
  if (writes.includes(verb)) sum.writes += 1;
  const { apiGroup: group = '', resource = '', subresource } = objectRef ?? {};
  const whole = subresource === undefined ? resource : `${resource}/${subresource}`;
  noteRight(used, { verb, group, resource: whole, code: responseStatus?.code ?? 0 });
}

function openLog(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch {
    return undefined;
  }
}

/** Where the programs keep their files. */
export function controlDir(dir: string): string {
  const own = join(dir, 'kubernetes');
  mkdirSync(own, { recursive: true, mode: 0o700 });
  return own;
}
