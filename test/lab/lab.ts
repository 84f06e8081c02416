/**
 * A whole cluster on one machine: API server, members, proxies and services put together, started in order and taken
 * down without a trace. Used by `npm run lab`, by the benchmark and by end-to-end tests in their own process.
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Faults } from '../kube/faults.ts';
import type { RecordedRequest } from '../kube/requests.ts';
import type { Addresses } from './addresses.ts';
import type { Api, KubeObject } from './api.ts';
import { type Isolation, probeIsolation } from './container.ts';
import { serveControl } from './control.ts';
import { countStreaming, createClientAccount, type LocalServer } from './database.ts';
import { memberEnv, superuser } from './environment.ts';
import { type FaultOrder, inject, type Reply } from './faults.ts';
import { followObjects, isReady } from './follow.ts';
import { type Frame, type Parts, startFrame, type Undo, unwind } from './frame.ts';
import { type Member, startMember } from './member.ts';
import type { Network } from './network.ts';
import { startVolume, type Volume } from './volume.ts';
import { nodeName, podName, podObject } from './objects.ts';
import type { LabOptions } from './options.ts';
import { ensurePostgres } from './postgres.ts';
import { identify } from './processes.ts';
import { endAll, type LabRecord, labFile, type MemberRecord, runFile, sweepStale, writeWhole } from './record.ts';

/** What the lab tells while it works; `kind` is stable for `--json`. */
export interface LabEvent {
  kind: 'step' | 'warning' | 'member' | 'ready' | 'fault' | 'stopped';
  line: string;
}

export interface Lab {
  dir: string;
  options: LabOptions;
  addresses: Addresses;
  members: Member[];
  network: Network;
  api: Api;
  isolation: Isolation;
  /** What lab.json holds, as it is now. */
  record(): LabRecord;
  /** The pod objects as last seen, by name. */
  pods: Map<string, KubeObject>;
  inject(order: FaultOrder): Promise<Reply>;
  /** Faults of the API server; a member's requests carry its name as the client. */
  faults: Faults;
  /** Requests of the members that reached the API server so far. */
  requests(): { all: number; writes: number };
  /** The latest of them, oldest first, with the member's name as the client; none on a real API server. */
  latestRequests(): RecordedRequest[];
  /** The rights that they took, as `verb group/resource`, each with the codes of the answers. */
  rightsUsed(): Map<string, Set<number>>;
  /** The member whose label says primary. */
  primary(): string | undefined;
  /** Waits until one primary exists and all other members stream from it; false at the deadline. */
  whenStreaming(deadlineMs: number, signal?: AbortSignal): Promise<boolean>;
  /** The way into a member's server from here: its unix socket. */
  server(name: string): LocalServer;
  stop(): Promise<void>;
}

/** How long a cluster may take from nothing to streaming. */
const bringUpDeadlineMs = 300_000;
/** How often pids are looked at for lab.json. */
const pidPeriodMs = 200;
/** PID 1 hands over and stops its server within that; what is left is killed. */
const stopGraceMs = 4000;

/** Starts a cluster and returns when it is healthy; throws when it does not come up or the signal aborts. */
export async function startLab(options: LabOptions, onEvent: (event: LabEvent) => void, signal: AbortSignal): Promise<Lab> {
  const dir = resolve(options.dir);
  const undo: Undo[] = [];
  try {
    const step = (line: string) => onEvent({ kind: 'step', line });
    const postgresBin = options.server === 'standin' ? await ensurePostgres(step) : undefined;
    const stale = await sweepStale(dir);
    if (stale.running !== undefined) throw new Error(`a lab already runs in ${dir} (pid ${stale.running})`);
    if (stale.swept) step('swept what a crashed lab had left');
    const frame = await startFrame(options, dir, undo, step);
    const parts = await startMembers(frame, postgresBin, onEvent, undo);
    const keepRecords = startRecords(frame, parts, undo);
    undo.push(await serve(frame, parts, onEvent));
    step(`${options.members} ${options.members === 1 ? 'member' : 'members'} started, waiting until they are healthy`);
    if (!(await whenStreaming(frame, parts, bringUpDeadlineMs, signal))) {
      frame.place.keep ||= !signal.aborted;
      throw new Error(
        signal.aborted
          ? 'interrupted'
          : `the cluster is not healthy after ${bringUpDeadlineMs / 1000} s; see ${dir}/members/*/container.log`,
      );
    }
    return await announce(frame, parts, onEvent, undo, keepRecords);
  } catch (error) {
    await unwind(undo);
    throw error;
  }
}

async function startMembers(
  frame: Frame,
  postgresBin: string | undefined,
  onEvent: (event: LabEvent) => void,
  undo: Undo[],
): Promise<Parts> {
  const { options, place, addresses, api } = frame;
  const isolation = probeIsolation();
  if (!isolation.namespaces) {
    onEvent({ kind: 'warning', line: 'no own PID namespaces on this machine: proof of death by namespace is off' });
  }
  const volumes = await startVolumes(frame, isolation, onEvent, undo);
  const parts: Parts = { isolation, members: [], pods: new Map(), client: undefined };
  undo.push(async () => {
    const ids = parts.members.flatMap((member) => member.container()?.processes() ?? []);
    await Promise.all(parts.members.map((member) => member.end(stopGraceMs)));
    await endAll(ids);
  });
  const names = { namespace: options.namespace, cluster: options.cluster };
  for (const [index, address] of addresses.members.entries()) {
    const own = place.members[index];
    if (own === undefined) continue;
    const pod = podName(names, index);
    const mark = `LAB_MEMBER=${place.dir}/${pod}`;
    parts.members.push(
      startMember({
        name: pod,
        ip: address.ip,
        readyPort: address.ports.ready,
        dataDir: own.dataDir,
        logFile: own.logFile,
        api,
        isolation,
        command: frame.command,
        prefix: frame.network.prefix(index),
        volume: volumes[index],
        passwd: frame.passwd,
        cwd: own.dir,
        mark,
        pod: podObject(names, index, address.ports, frame.setUid),
        env: (uid) =>
          memberEnv({
            ...names,
            pod,
            uid,
            ip: address.ip,
            ports: address.ports,
            place: own,
            binDir: place.binDir,
            gaussHome: frame.gaussHome,
            pace: options.pace,
            postgresBin,
            kubeUrl: address.kubeUrl,
            mark,
          }),
        agentWord: frame.agentFile,
        say: (line) => onEvent({ kind: 'member', line }),
        onChange: () => recordRun(frame, parts),
        onPower: (on) => frame.kube.nodePower(nodeName(index), on),
        realNodes: options.kube !== 'embedded',
      }),
    );
  }
  followObjects(frame, parts, undo);
  return parts;
}

/** A volume for each member, where they are asked for and can be had. */
async function startVolumes(
  { options, place }: Frame,
  isolation: Isolation,
  onEvent: (event: LabEvent) => void,
  undo: Undo[],
): Promise<(Volume | undefined)[]> {
  if (options.volumeBytes === 0) return [];
  const volumes: (Volume | undefined)[] = [];
  undo.push(async () => {
    await Promise.all(volumes.map((volume) => volume?.close(place.keep)));
  });
  for (const { dataDir } of place.members)
    volumes.push(isolation.namespaces ? await startVolume(dataDir, options.volumeBytes) : undefined);
  if (volumes.includes(undefined))
    onEvent({ kind: 'warning', line: 'no volumes of bounded size on this machine: fill and grow are refused' });
  return volumes;
}

/** Names every process and path for the sweep after a crash. */
function recordRun(frame: Frame, parts: Parts) {
  const lab = identify(process.pid);
  if (lab === undefined || frame.ended) return;
  const own = (member: Member) => [...(member.container()?.processes() ?? []), ...(member.volume ? [member.volume.keeper] : [])];
  const processes = [...parts.members.flatMap(own), ...frame.kube.processes()];
  const { control, paths } = frame.place;
  writeWhole(runFile(frame.dir), { lab, control, processes, paths, traces: frame.network.traces() });
}

/** Keeps run.json, and lab.json once there is an account, in step with the processes; answers the way to do it now. */
function startRecords(frame: Frame, parts: Parts, undo: Undo[]): () => void {
  let written = '';
  const refresh = () => {
    if (frame.ended) return;
    const record = labRecord(frame, parts);
    const text = JSON.stringify(record);
    if (text === written) return;
    written = text;
    recordRun(frame, parts);
    if (parts.client !== undefined) writeWhole(labFile(frame.dir), record);
  };
  refresh();
  const timer = setInterval(refresh, pidPeriodMs);
  undo.push(() => {
    frame.ended = true;
    clearInterval(timer);
  });
  return refresh;
}

async function serve(frame: Frame, parts: Parts, onEvent: (event: LabEvent) => void): Promise<Undo> {
  const control = await serveControl(frame.place.control, async (order) => {
    const asked = order as FaultOrder;
    if (asked.command === 'describe') return describe(parts, asked.member);
    const reply = await injectInto(frame, parts, asked);
    onEvent({ kind: reply.exit === 0 ? 'fault' : 'warning', line: reply.line });
    return reply;
  });
  return () => control.close();
}

/** What `exec` needs to run a command as in the container. */
export interface Description {
  exit: number;
  line: string;
  hint?: string;
  pid1?: number;
  namespaces?: boolean;
  env?: Record<string, string>;
  /** Where the container is not this machine's own: what is put before the command. */
  prefix?: string[];
}

function describe(parts: Parts, name: string | undefined): Description {
  const member = parts.members.find((one) => one.name === name);
  const names = parts.members.map((one) => one.name).join(', ');
  if (member === undefined)
    return { exit: 5, line: `no member is called ${name ?? '(nothing)'}`, hint: `The members are ${names}.` };
  const pid1 = member.container()?.pid1.pid;
  if (pid1 === undefined)
    return { exit: 5, line: `the container of ${member.name} is not running`, hint: 'Wait until it is restarted.' };
  return { exit: 0, line: '', pid1, namespaces: parts.isolation.namespaces, env: member.env() };
}

function injectInto(frame: Frame, parts: Parts, order: FaultOrder): Promise<Reply> {
  const deletePod = async (name: string) => {
    const path = `/api/v1/namespaces/${frame.options.namespace}/pods/${name}`;
    await frame.api.call('DELETE', path, { gracePeriodSeconds: 30 });
  };
  return inject({ members: parts.members, network: frame.network, deletePod }, order);
}

function primaryOf(parts: Parts): string | undefined {
  const labelled = [...parts.pods.values()].filter((pod) => pod.metadata.labels?.['opengauss.role'] === 'primary');
  return labelled.length === 1 ? labelled[0]?.metadata.name : undefined;
}

function localServer(frame: Frame, name: string): LocalServer {
  const index = frame.place.members.findIndex((_, i) => podName(frame.options, i) === name);
  const socketDir = frame.place.members[index]?.socketDir ?? '';
  return { socketDir, port: frame.addresses.members[index]?.ports.client ?? 5432, superuser };
}

async function whenStreaming(frame: Frame, parts: Parts, deadlineMs: number, signal?: AbortSignal): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (performance.now() < end && signal?.aborted !== true) {
    const primary = primaryOf(parts);
    const pods = [...parts.pods.values()];
    const standbys = pods.filter((pod) => pod.metadata.labels?.['opengauss.role'] === 'standby').length;
    const ready = pods.filter(isReady).length === parts.members.length && frame.services.write.isOpen();
    if (primary !== undefined && ready && standbys === parts.members.length - 1) {
      if ((await countStreaming(localServer(frame, primary))) === standbys) return true;
    }
    await sleep(100);
  }
  return false;
}

function labRecord(frame: Frame, parts: Parts): LabRecord {
  const { options, addresses, place } = frame;
  const members = parts.members.map((member, i): MemberRecord => {
    const ports = addresses.members[i]?.ports;
    return {
      pod: member.name,
      ip: member.ip,
      port: ports?.client ?? 0,
      haPort: ports?.ha ?? 0,
      httpPort: ports?.http ?? 0,
      socketDir: place.members[i]?.socketDir ?? '',
      dataDir: place.members[i]?.dataDir ?? '',
      pid1: member.container()?.pid1.pid ?? null,
      agentPid: member.agent()?.pid ?? null,
      serverPid: member.server()?.pid ?? null,
    };
  });
  return {
    kubeconfig: place.kubeconfig,
    namespace: options.namespace,
    cluster: options.cluster,
    kube: options.kube,
    members,
    services: { write: addresses.write, read: addresses.read },
    client: parts.client ?? { user: '', password: '', database: '' },
  };
}

/** Makes the clients' account, writes lab.json and keeps it true. */
async function announce(
  frame: Frame,
  parts: Parts,
  onEvent: (event: LabEvent) => void,
  undo: Undo[],
  keepRecords: () => void,
): Promise<Lab> {
  const primary = primaryOf(parts);
  if (primary === undefined) throw new Error('the primary was lost during start-up');
  parts.client = await createClientAccount(localServer(frame, primary));
  keepRecords();
  onEvent({ kind: 'ready', line: `primary ${primary}, ${parts.members.length - 1} streaming` });
  return {
    dir: frame.dir,
    options: frame.options,
    addresses: frame.addresses,
    members: parts.members,
    network: frame.network,
    api: frame.api,
    isolation: parts.isolation,
    pods: parts.pods,
    record: () => labRecord(frame, parts),
    inject: (order) => injectInto(frame, parts, order),
    faults: frame.kube.faults,
    requests: () => frame.kube.requests(),
    latestRequests: () => frame.kube.latest(),
    rightsUsed: () => frame.kube.rightsUsed(),
    primary: () => primaryOf(parts),
    whenStreaming: (deadlineMs, signal) => whenStreaming(frame, parts, deadlineMs, signal),
    server: (name) => localServer(frame, name),
    async stop() {
      await unwind(undo);
      onEvent({ kind: 'stopped', line: 'everything is stopped and removed' });
    },
  };
}
