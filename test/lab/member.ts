/**
 * One member: its pod object, as the StatefulSet controller keeps it, and its container, as the kubelet keeps it.
 * Restarts the container when its PID 1 exits, ends it when the pod is deleted, makes the pod anew afterwards. It
 * never touches the member's data and never decides about roles.
 */
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api, KubeObject } from './api.ts';
import { type Container, type Isolation, startContainer } from './container.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import type { ContainerSight, Placed } from './objects.ts';
import type { Volume } from './volume.ts';
import { commandLine, identify, isAlive, type ProcessId, send } from './processes.ts';

/** Pauses before the first, second, … restart of a container; the last one repeats. */
const backoffMs = [100, 1000, 5000, 10_000];
/** A container that ran that long starts again from the first pause. */
const steadyMs = 30_000;
/** How long a node may be silent before the node controller calls its pods not ready. */
const nodeGraceMs = 45_000;
/** What a container gets whose pod was deleted by force. */
const forcedGraceMs = 2000;

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
  /** Where its data lies; undefined: a plain directory. */
  volume: Volume | undefined;
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
  /** Its node got power or lost it. */
  onPower(on: boolean): void;
  /** A node controller looks after the nodes. */
  realNodes: boolean;
}

export interface Member {
  name: string;
  ip: string;
  volume: Volume | undefined;
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

/** What is known of one member between two events. */
interface State {
  options: MemberOptions;
  log: WriteStream;
  /** The pod's path in the API. */
  path: string;
  /** Of the pod that exists now. */
  uid: string;
  container: Container | undefined;
  kubelet: Kubelet | undefined;
  /** The lab is over for this member. */
  ending: boolean;
  /** The pod is being deleted. */
  terminating: boolean;
  powered: boolean;
  /** Resolves when power comes back. */
  power: PromiseWithResolvers<void>;
  /** Resolves when the API server has forgotten the pod. */
  deleted: PromiseWithResolvers<void>;
  /** Cuts a pause between two starts short. */
  wake: AbortController;
}

const waiting = (reason: string) => ({ waiting: { reason } });
const created: ContainerSight = { state: waiting('ContainerCreating'), lastState: {}, id: undefined, restarts: 0 };

/** Creates the pod and keeps it alive until `end`. */
export function startMember(options: MemberOptions): Member {
  const state: State = {
    options,
    log: createWriteStream(options.logFile, { flags: 'a' }),
    path: `${options.pod.collection}/${options.name}`,
    uid: '',
    container: undefined,
    kubelet: undefined,
    ending: false,
    terminating: false,
    powered: true,
    power: Promise.withResolvers<void>(),
    deleted: Promise.withResolvers<void>(),
    wake: new AbortController(),
  };
  const living = live(state).catch((error: unknown) => options.say(`${options.name}: ${String(error)}`));
  return {
    name: options.name,
    ip: options.ip,
    volume: options.volume,
    container: () => state.container,
    env: () => options.env(state.uid),
    ...createLook(state),
    isPowered: () => state.powered,
    powerOff: () => powerOff(state),
    powerOn: () => powerOn(state),
    ...createEars(state),
    async end(graceMs) {
      state.ending = true;
      state.deleted.resolve();
      state.power.resolve();
      terminate(state, graceMs);
      await living;
      state.log.end();
    },
  };
}

/** One pod after the other, as the StatefulSet controller makes them. */
async function live(state: State) {
  const { api, ip, readyPort } = state.options;
  while (!state.ending) {
    state.deleted = Promise.withResolvers<void>();
    state.terminating = false;
    state.wake = new AbortController();
    state.uid = await createPod(state.options);
    const kubelet = startKubelet({ api, path: state.path, ip, readyPort });
    state.kubelet = kubelet;
    kubelet.setContainer(created);
    await runPod(state, kubelet);
    await kubelet.settled();
    kubelet.stop();
    if (state.ending) return;
    const options = { gracePeriodSeconds: 0, preconditions: { uid: state.uid } };
    await api.call('DELETE', state.path, options).catch(() => undefined);
    await state.deleted.promise;
  }
}

async function createPod(options: MemberOptions): Promise<string> {
  for (;;) {
    const { status, body } = await options.api.call('POST', options.pod.collection, options.pod.object);
    if (status === 201 || status === 200) return body.metadata.uid ?? '';
    if (status !== 409) throw new Error(`creating pod ${options.name}: ${status} ${String(body['message'] ?? '')}`);
    await sleep(50);
  }
}

/** One container after the other, as the kubelet starts them, until the pod is deleted. */
async function runPod(state: State, kubelet: Kubelet) {
  let sight = created;
  let failures = 0;
  for (;;) {
    if (!state.powered) await state.power.promise;
    if (state.terminating) return;
    const ended = await runContainer(state, kubelet, sight);
    if (!state.powered) await state.power.promise;
    kubelet.setContainer(ended.sight);
    state.options.onChange();
    if (state.terminating) return;
    failures = ended.ranMs > steadyMs ? 0 : failures;
    const { id, restarts } = ended.sight;
    sight = { state: waiting('CrashLoopBackOff'), lastState: ended.sight.state, id, restarts: restarts + 1 };
    if (failures > 0) kubelet.setContainer(sight);
    const pauseMs = backoffMs[Math.min(failures, backoffMs.length - 1)] ?? 0;
    await sleep(pauseMs, undefined, { signal: state.wake.signal }).catch(() => undefined);
    failures += 1;
  }
}

async function runContainer(state: State, kubelet: Kubelet, before: ContainerSight) {
  const { options, log } = state;
  const started = performance.now();
  const made = await startContainer({ ...options, enter: options.volume?.enter ?? [], env: options.env(state.uid), log });
  state.container = made;
  // A deletion that came while it was being started.
  if (state.terminating) send(made.pid1, 'SIGTERM');
  const running: ContainerSight = { ...before, id: made.id, state: { running: { startedAt: made.startedAt } } };
  kubelet.setContainer(running);
  options.onChange();
  const exit = await made.ended;
  killAll(made);
  state.container = undefined;
  const why = exit.code === 0 ? undefined : lastError(options.logFile);
  options.say(`${options.name}: container ended with ${exit.code}${why === undefined ? '' : `: ${why}`}`);
  const terminated = {
    exitCode: exit.code,
    reason: exit.code === 0 ? 'Completed' : 'Error',
    startedAt: made.startedAt,
    finishedAt: new Date().toISOString(),
    containerID: made.id,
  };
  const sight: ContainerSight = { ...running, state: { terminated } };
  return { sight, ranMs: performance.now() - started };
}

/** SIGTERM for PID 1, and SIGKILL for everything when the grace is over. */
function terminate(state: State, graceMs: number) {
  if (state.terminating) return;
  state.terminating = true;
  state.wake.abort();
  const target = state.container;
  if (target === undefined) return;
  send(target.pid1, 'SIGTERM');
  const timer = setTimeout(() => killAll(target), graceMs);
  void target.ended.then(() => clearTimeout(timer));
}

async function powerOff(state: State) {
  if (!state.powered) return;
  state.powered = false;
  state.power = Promise.withResolvers<void>();
  state.kubelet?.silence(true);
  state.options.onPower(false);
  const target = state.container;
  if (target !== undefined) {
    killAll(target);
    await target.ended;
  }
  if (state.options.realNodes) return;
  const timer = setTimeout(() => void markLost(state.options.api, state.path), nodeGraceMs);
  void state.power.promise.then(() => clearTimeout(timer));
}

function powerOn(state: State) {
  if (state.powered) return;
  state.powered = true;
  state.kubelet?.silence(false);
  state.options.onPower(true);
  state.power.resolve();
}

/** Finds the member's processes, and remembers them while they live. */
function createLook(state: State): Pick<Member, 'agent' | 'server'> {
  let agent: ProcessId | undefined;
  let server: ProcessId | undefined;
  return {
    agent() {
      const container = state.container;
      if (agent === undefined || !isAlive(agent)) agent = container && findAgent(container, state.options.agentWord);
      return agent;
    },
    server() {
      const container = state.container;
      if (server === undefined || !isAlive(server)) server = container && findServer(container, state.options.dataDir);
      return server;
    },
  };
}

/** What the watch tells about the pod, whoever changed or deleted it. */
function createEars(state: State): Pick<Member, 'podChanged' | 'podDeleted'> {
  let labels = '';
  return {
    podChanged(object) {
      const { uid, deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
      if (uid !== state.uid) return;
      if (deletionTimestamp !== undefined) terminate(state, Number(deletionGracePeriodSeconds ?? 30) * 1000);
      const next = JSON.stringify(object.metadata.labels);
      if (next !== labels) state.kubelet?.nudge();
      labels = next;
    },
    podDeleted(object) {
      if (object.metadata.uid !== state.uid) return;
      terminate(state, forcedGraceMs);
      state.deleted.resolve();
    },
  };
}

function killAll(target: Container) {
  // PID 1 first: with a namespace of its own nothing else is needed, without one nothing may restart what is killed.
  for (const id of target.processes()) send(id, 'SIGKILL');
}

function findAgent(container: Container, word: string): ProcessId | undefined {
  const isAgent = (line: string) => line.includes(word) && / run( |$)/.test(line);
  return container.processes().find((id) => id.pid !== container.pid1.pid && isAgent(commandLine(id.pid)));
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
