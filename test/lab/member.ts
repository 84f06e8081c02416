/**
 * One member: its pod object, as the StatefulSet controller keeps it, and its container, as the kubelet keeps it.
 * Restarts the container when its PID 1 exits, ends it when the pod is deleted, makes the pod anew afterwards. It
 * never touches the member's data and never decides about roles.
 */
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api, KubeObject } from './api.ts';
import { type Container, type Isolation, startContainer } from './container.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import type { ContainerSight, Placed } from './objects.ts';
import { commandLine, identify, isAlive, type ProcessId, send } from './processes.ts';

/** Pauses before the first, second, … restart of a container; the last one repeats. */
const backoffMs = [100, 1000, 5000, 10_000];
/** A container that ran that long starts again from the first pause. */
const steadyMs = 30_000;
/** How long a node may be silent before the node controller calls its pods not ready. */
const nodeGraceMs = 45_000;

export interface MemberOptions {
  name: string;
  ip: string;
  readyPort: number;
  dataDir: string;
  logFile: string;
  api: Api;
  isolation: Isolation;
  command: string[];
  prefix: string[];
  passwd: string | undefined;
  cwd: string;
  mark: string;
  /** The pod object to create. */
  pod: Placed;
  /** The environment of a container, which depends on the pod's uid. */
  env(uid: string): Record<string, string>;
  /** A word in the agent's command line. */
  agentWord: string;
  say(line: string): void;
  onChange(): void;
}

export interface Member {
  name: string;
  ip: string;
  /** The container that runs now. */
  container(): Container | undefined;
  env(): Record<string, string>;
  agent(): ProcessId | undefined;
  server(): ProcessId | undefined;
  isPowered(): boolean;
  powerOff(): Promise<void>;
  powerOn(): void;
  /** What the watch tells about the pod. */
  podChanged(object: KubeObject): void;
  podDeleted(object: KubeObject): void;
  /** Ends pod and container for good: gently within the grace, then by force. */
  end(graceMs: number): Promise<void>;
}

/** Creates the pod and keeps it alive until `end`. */
export function startMember(options: MemberOptions): Member {
  const log = createWriteStream(options.logFile, { flags: 'a' });
  const path = `${options.pod.collection}/${options.name}`;
  let container: Container | undefined;
  let kubelet: Kubelet | undefined;
  let uid = '';
  let ending = false;
  let terminating = false;
  let powered = true;
  let deleted = Promise.withResolvers<void>();
  let power = Promise.withResolvers<void>();
  let wake = new AbortController();
  let agentSeen: ProcessId | undefined;
  let serverSeen: ProcessId | undefined;
  let labels = '';

  async function createPod() {
    for (;;) {
      const { status, body } = await options.api.call('POST', options.pod.collection, options.pod.object);
      if (status === 201 || status === 200) return body.metadata.uid ?? '';
      if (status !== 409) throw new Error(`creating pod ${options.name}: ${status} ${String(body['message'] ?? '')}`);
      await sleep(50);
    }
  }
  async function pause(ms: number) {
    await sleep(ms, undefined, { signal: wake.signal }).catch(() => undefined);
  }
  async function runContainer(sight: ContainerSight): Promise<{ sight: ContainerSight; ranMs: number }> {
    const started = performance.now();
    const made = await startContainer({ ...options, env: options.env(uid), log });
    container = made;
    if (terminating) send(made.pid1, 'SIGTERM');
    const running: ContainerSight = { ...sight, id: made.id, state: { running: { startedAt: made.startedAt } } };
    kubelet?.setContainer(running);
    options.onChange();
    const exit = await made.ended;
    for (const id of made.processes()) send(id, 'SIGKILL');
    container = undefined;
    const reason = exit.code === 0 ? 'Completed' : 'Error';
    const terminated = {
      exitCode: exit.code,
      reason,
      startedAt: made.startedAt,
      finishedAt: new Date().toISOString(),
      containerID: made.id,
    };
    const why = exit.code === 0 ? undefined : lastError(options.logFile);
    options.say(`${options.name}: container ended with ${exit.code}${why === undefined ? '' : `: ${why}`}`);
    return { sight: { ...running, state: { terminated } }, ranMs: performance.now() - started };
  }
  async function runPod() {
    let sight: ContainerSight = {
      state: { waiting: { reason: 'ContainerCreating' } },
      lastState: {},
      id: undefined,
      restarts: 0,
    };
    let failures = 0;
    while (!terminating) {
      if (!powered) await power.promise;
      if (terminating) break;
      const ended = await runContainer(sight);
      if (!powered) await power.promise;
      kubelet?.setContainer(ended.sight);
      options.onChange();
      failures = ended.ranMs > steadyMs ? 0 : failures;
      sight = {
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: ended.sight.state,
        id: ended.sight.id,
        restarts: ended.sight.restarts + 1,
      };
      if (terminating) break;
      if (failures > 0) kubelet?.setContainer(sight);
      await pause(backoffMs[Math.min(failures, backoffMs.length - 1)] ?? 0);
      failures += 1;
    }
  }
  async function live() {
    while (!ending) {
      deleted = Promise.withResolvers<void>();
      terminating = false;
      wake = new AbortController();
      uid = await createPod();
      kubelet = startKubelet({ api: options.api, path, ip: options.ip, readyPort: options.readyPort });
      kubelet.setContainer({ state: { waiting: { reason: 'ContainerCreating' } }, lastState: {}, id: undefined, restarts: 0 });
      await runPod();
      await kubelet.settled();
      kubelet.stop();
      if (ending) return;
      await options.api.call('DELETE', path, { gracePeriodSeconds: 0, preconditions: { uid } }).catch(() => undefined);
      await deleted.promise;
    }
  }
  /** SIGTERM for PID 1, and SIGKILL for everything when the grace is over. */
  function terminate(graceMs: number) {
    if (terminating) return;
    terminating = true;
    wake.abort();
    const target = container;
    if (target === undefined) return;
    send(target.pid1, 'SIGTERM');
    const timer = setTimeout(() => killAll(target), graceMs);
    void target.ended.then(() => clearTimeout(timer));
  }
  const living = live().catch((error: unknown) => options.say(`${options.name}: ${String(error)}`));

  return {
    name: options.name,
    ip: options.ip,
    container: () => container,
    env: () => options.env(uid),
    agent() {
      const pid1 = container?.pid1;
      if (agentSeen === undefined || !isAlive(agentSeen)) {
        agentSeen = container?.processes().find((id) => id.pid !== pid1?.pid && isAgent(id.pid, options.agentWord));
      }
      return agentSeen;
    },
    server() {
      if (serverSeen === undefined || !isAlive(serverSeen)) serverSeen = container && findServer(container, options.dataDir);
      return serverSeen;
    },
    isPowered: () => powered,
    async powerOff() {
      if (!powered) return;
      powered = false;
      power = Promise.withResolvers<void>();
      kubelet?.silence(true);
      const target = container;
      if (target !== undefined) {
        killAll(target);
        await target.ended;
      }
      const off = power;
      const timer = setTimeout(() => void markLost(options.api, path), nodeGraceMs);
      void off.promise.then(() => clearTimeout(timer));
    },
    powerOn() {
      if (powered) return;
      powered = true;
      kubelet?.silence(false);
      power.resolve();
    },
    podChanged(object) {
      if (object.metadata.uid !== uid) return;
      if (object.metadata.deletionTimestamp !== undefined) {
        terminate(Number(object.metadata['deletionGracePeriodSeconds'] ?? 30) * 1000);
      }
      const next = JSON.stringify(object.metadata.labels);
      if (next !== labels) kubelet?.nudge();
      labels = next;
    },
    podDeleted(object) {
      if (object.metadata.uid !== uid) return;
      terminate(2000);
      deleted.resolve();
    },
    async end(graceMs) {
      ending = true;
      deleted.resolve();
      power.resolve();
      terminate(graceMs);
      await living;
      log.end();
    },
  };
}

function killAll(target: Container) {
  // PID 1 first: with a namespace of its own nothing else is needed, without one nothing may restart what is killed.
  for (const id of target.processes()) send(id, 'SIGKILL');
}

function isAgent(pid: number, word: string): boolean {
  const line = commandLine(pid);
  return line.includes(word) && / run( |$)/.test(line);
}

/** The last thing that was complained about in a container's log. */
function lastError(file: string): string | undefined {
  try {
    const lines = readFileSync(file, 'utf8').slice(-logTailChars).split('\n');
    return lines.findLast((line) => line.startsWith('error: '))?.slice('error: '.length);
  } catch {
    return undefined;
  }
}

const logTailChars = 16 << 10;

/** The server's own pid file holds its number inside the container. */
function findServer(container: Container, dataDir: string): ProcessId | undefined {
  let inner: number;
  try {
    inner = Number(readFileSync(join(dataDir, 'pgdata', 'postmaster.pid'), 'latin1').split('\n')[0]);
  } catch {
    return undefined;
  }
  // A file left by an earlier container may name any process of this one.
  const host = container
    .processes()
    .find((id) => container.innerPid(id.pid) === inner && commandLine(id.pid).includes('gaussdb'));
  return host === undefined ? undefined : identify(host.pid);
}

/** What the node controller does with the pods of a silent node. */
async function markLost(api: Api, path: string) {
  const { body } = await api.call('GET', path);
  const status = body['status'] as { conditions?: { type: string }[]; containerStatuses?: object[] } | undefined;
  const now = new Date().toISOString();
  const conditions = (status?.conditions ?? []).map((condition) =>
    condition.type === 'Ready' ? { ...condition, status: 'False', reason: 'NodeNotReady', lastTransitionTime: now } : condition,
  );
  await api.merge(`${path}/status`, { status: { conditions } }).catch(() => undefined);
}
