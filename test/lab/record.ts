/**
 * The lab's files for others: `lab.json` and `run.json`, which names every process and directory
 * of a running lab, so that a crashed one can be swept by exactly those. Both are written by rename.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Traces } from './network.ts';
import type { Endpoint } from './proxy.ts';
import { allGone, isAlive, type ProcessId, send } from './processes.ts';

export interface MemberRecord {
  pod: string;
  ip: string;
  port: number;
  haPort: number;
  httpPort: number;
  socketDir: string;
  dataDir: string;
  pid1: number | null;
  agentPid: number | null;
  serverPid: number | null;
}

export interface ClientAccount {
  user: string;
  password: string;
  database: string;
}

/** `lab.json`. */
export interface LabRecord {
  kubeconfig: string;
  namespace: string;
  cluster: string;
  kube: string;
  members: MemberRecord[];
  services: { write: Endpoint; read: Endpoint };
  client: ClientAccount;
}

/** `run.json`: who runs here and what must go when it ends. */
export interface RunRecord {
  lab: ProcessId;
  /** The control socket. */
  control: string;
  /** Every process ever started that may still run. */
  processes: ProcessId[];
  /** What to remove at the end. */
  paths: string[];
  /** Network namespaces and interfaces of the lab. */
  traces: Traces;
}

/** Replaces the file as a whole; readers see the old or the new one. */
export function writeWhole(path: string, value: unknown) {
  const next = `${path}.next`;
  writeFileSync(next, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(next, path);
}

export const labFile = (dir: string) => join(dir, 'lab.json');
export const runFile = (dir: string) => join(dir, 'run.json');

/** The record of the lab in that directory, or undefined. */
export function readRun(dir: string): RunRecord | undefined {
  return readJson<RunRecord>(runFile(dir));
}

export function readLab(dir: string): LabRecord | undefined {
  return readJson<LabRecord>(labFile(dir));
}

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** Ends what a crashed lab left in that directory; refuses (returns its pid) when that lab still runs. */
export async function sweepStale(dir: string): Promise<{ running: number | undefined; swept: boolean }> {
  mkdirSync(dir, { recursive: true });
  const run = readRun(dir);
  if (run === undefined) return { running: undefined, swept: false };
  if (isAlive(run.lab)) return { running: run.lab.pid, swept: false };
  await endAll(run.processes);
  for (const link of run.traces.links) spawnSync('ip', ['link', 'del', link], { stdio: 'ignore' });
  for (const name of run.traces.namespaces) spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  for (const path of [...run.paths, labFile(dir), runFile(dir)]) rmSync(path, { recursive: true, force: true });
  return { running: undefined, swept: true };
}

/** SIGKILL for each that is still the recorded process, then waits for their end. */
export async function endAll(processes: ProcessId[]): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    for (const id of processes) send(id, 'SIGKILL');
    if (await allGone(processes, 2000)) return;
    await sleep(50);
  }
}
