/**
 * The lab's fault commands on real nodes: signals for the processes of a container, rules of the node's
 * packet filter for cuts, the node's own power. Each returns when the fault stands.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cutPod } from '../e2e/nodes/cut.ts';
import type { Pod } from '../e2e/nodes/deploy.ts';
import type { Node, Outcome } from '../kube/real/node.ts';
import type { FaultOrder, Reply } from './faults.ts';
import { allGone, commandLine, family, namespacePids, type ProcessId, send } from './processes.ts';

export interface Processes {
  /** PID 1 of the container `og`. */
  pid1: ProcessId | undefined;
  agent: ProcessId | undefined;
  server: ProcessId | undefined;
}

export interface Target {
  pod: Pod;
  node: Node;
  peers: Pod[];
  /** Where the API server is. */
  host: string;
  kubectl(...words: string[]): Promise<Outcome>;
}

const done = (line: string): Reply => ({ exit: 0, line });
const refused = (line: string, hint: string): Reply => ({ exit: 5, line, hint });
const goneMs = 40_000;
const podGoneMs = 60_000;

/** The member's processes on that node, as this machine numbers them. */
export function processesOf(node: Node | undefined): Processes {
  const [outer] = node?.processes() ?? [];
  if (node === undefined || outer === undefined) return { pid1: undefined, agent: undefined, server: undefined };
  const all = family(outer).map((id) => ({ id, line: commandLine(id.pid), inner: namespacePids(id.pid).at(-1) ?? 0 }));
  const pid1 = all.find(({ line, inner }) => inner === 1 && line.includes('entrypoint.sh'))?.id;
  const own = pid1 === undefined ? [] : family(pid1).map(({ pid }) => pid);
  const inside = all.filter(({ id }) => own.includes(id.pid));
  const serverPid = postmaster(node);
  return {
    pid1,
    agent: inside.find(({ line }) => / run$/.test(line) && line.includes('agent.mjs'))?.id,
    server: inside.find(({ inner, line }) => inner === serverPid && line.includes('gaussdb'))?.id,
  };
}

function postmaster(node: Node): number {
  try {
    return Number(readFileSync(join(node.volume, 'pgdata', 'postmaster.pid'), 'latin1').split('\n')[0]);
  } catch {
    return 0;
  }
}

/** With power, nothing of ours drops packets and nothing is frozen. */
export async function nodePower(node: Node, on: boolean): Promise<void> {
  if (!on) return await node.powerOff();
  await node.freeze(false);
  node.powerOn();
  await node.shell('iptables', '-F', 'LABCUT');
}

/** Carries out one order on one member. */
export async function podFaults(target: Target, order: FaultOrder): Promise<Reply> {
  const { pod, node } = target;
  switch (order.command) {
    case 'kill':
      return kill(target, order.what);
    case 'freeze':
      return freeze(target, order.what);
    case 'thaw':
      await node.freeze(false);
      node.powerOn();
      for (const id of everything(node)) send(id, 'SIGCONT');
      return done(`thawed ${pod.name}`);
    case 'cut':
      return cut(target, order.from);
    case 'heal':
      await nodePower(node, true);
      return done(`healed ${pod.name}`);
    case 'fill':
    case 'grow':
      return refused(
        `the data of ${pod.name} has no volume of its own size`,
        'Volumes of nodes are directories of one disk; --kube embedded and apiserver have volumes that can be filled.',
      );
    default:
      return refused(`unknown command ${order.command}`, 'See --help.');
  }
}

function everything(node: Node): ProcessId[] {
  const { pid1 } = processesOf(node);
  return pid1 === undefined ? [] : family(pid1);
}

function one(node: Node, what: 'server' | 'agent'): ProcessId | undefined {
  return processesOf(node)[what];
}

async function kill({ pod, node, kubectl }: Target, what: string | undefined): Promise<Reply> {
  switch (what) {
    case 'server':
    case 'agent': {
      const id = one(node, what);
      if (id === undefined) return refused(`${pod.name} has no ${what} process now`, 'Wait until it runs; see `agent status`.');
      send(id, 'SIGKILL');
      await allGone([id], goneMs);
      return done(`killed the ${what} of ${pod.name} (pid ${id.pid})`);
    }
    case 'pod':
      return deletePod(pod, kubectl);
    case 'node':
      await node.powerOff();
      return done(`node of ${pod.name} lost power; heal or thaw ${pod.name} starts it again`);
    default:
      return refused(`cannot kill ${what ?? 'nothing'}`, 'Say --what server, agent, pod or node.');
  }
}

/**
 * Ends when that very pod is gone. kubectl's own wait goes by the name and can take the successor, which a StatefulSet makes
 * at once, for the pod that was deleted (kubernetes/kubernetes#135562).
 */
async function deletePod(pod: Pod, kubectl: Target['kubectl']): Promise<Reply> {
  const asked = await kubectl('delete', 'pod', pod.name, '--wait=false');
  if (asked.code !== 0) return { exit: 1, line: asked.out.trim() };
  const end = performance.now() + podGoneMs;
  for (;;) {
    const { code, out } = await kubectl('get', 'pod', pod.name, '--ignore-not-found', '-o', 'jsonpath={.metadata.uid}');
    if (code === 0 && out.trim() !== pod.uid) return done(`deleted pod ${pod.name}`);
    if (performance.now() > end)
      return { exit: 1, line: `pod ${pod.name} is still there after ${podGoneMs / 1000} s: ${out.trim()}` };
    await sleep(200);
  }
}

function freeze({ pod, node }: Target, what: string | undefined): Reply {
  if (what !== 'server' && what !== 'agent' && what !== 'pod')
    return refused(`cannot freeze ${what ?? 'nothing'}`, 'Say --what server, agent or pod.');
  const own = what === 'pod' ? undefined : one(node, what);
  const ids = what === 'pod' ? everything(node) : own === undefined ? [] : [own];
  if (ids.length === 0) return refused(`${pod.name} has no ${what} process now`, 'Wait until it runs; see `agent status`.');
  for (const id of ids) send(id, 'SIGSTOP');
  // A process that was being forked meanwhile appears in the second look.
  if (what === 'pod') for (const id of everything(node)) send(id, 'SIGSTOP');
  return done(`froze the ${what} of ${pod.name}`);
}

async function cut({ pod, node, peers, host }: Target, from: string | undefined): Promise<Reply> {
  if (from !== 'kube' && from !== 'peers' && from !== 'all')
    return refused(`cannot cut from ${from ?? 'nothing'}`, 'Say --from kube, peers or all; clients are never cut off.');
  const others = peers.map(({ ip }) => ip);
  await cutPod(node, pod, [...(from === 'peers' ? [] : [host]), ...(from === 'kube' ? [] : others)]);
  const whom = from === 'all' ? 'the API server and its peers' : from === 'kube' ? 'the API server' : 'its peers';
  return done(`cut ${pod.name} from ${whom}`);
}
