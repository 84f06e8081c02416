/**
 * Processes as the host sees them: who they are (pid and start time, so that a reused pid is never signalled), which
 * ones descend from a container's PID 1, and what their numbers are inside it. Reads /proc only; it never signals
 * anything it was not given.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that cannot be confused with a later one of the same number. */
export interface ProcessId {
  pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  startTime: string;
}

interface ProcessStat {
  id: ProcessId;
  parent: number;
  state: string;
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command may hold blanks and brackets: the fields begin after the last closing one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state = '?', parent = '0'] = fields;
    return { id: { pid, startTime: fields[19] ?? '' }, parent: Number(parent), state };
  } catch {
    return undefined;
  }
}

/** The identity of a running process; undefined when there is none of that number (a zombie does not count). */
export function identify(pid: number): ProcessId | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? undefined : stat.id;
}

/** The parent's pid; 0 when there is no such process. */
export function parentOf(pid: number): number {
  return readStat(pid)?.parent ?? 0;
}

/** Whether that very process still runs. */
export function isAlive(id: ProcessId): boolean {
  return identify(id.pid)?.startTime === id.startTime;
}

/** Sends a signal to that very process; false when it is gone. */
export function send(id: ProcessId, signal: NodeJS.Signals): boolean {
  if (!isAlive(id)) return false;
  try {
    process.kill(id.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Whether the process is stopped by SIGSTOP. */
export function isFrozen(id: ProcessId): boolean {
  const stat = readStat(id.pid);
  return stat !== undefined && stat.id.startTime === id.startTime && stat.state === 'T';
}

function allStats(): ProcessStat[] {
  const stats: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat !== undefined && stat.state !== 'Z') stats.push(stat);
  }
  return stats;
}

/** Everything that descends from a process, itself included, parents before children. */
export function family(root: ProcessId): ProcessId[] {
  if (!isAlive(root)) return [];
  const children = new Map<number, ProcessStat[]>();
  for (const stat of allStats()) children.set(stat.parent, [...(children.get(stat.parent) ?? []), stat]);
  const found = [root];
  for (let i = 0; i < found.length; i += 1) {
    const parent = found[i];
    if (parent !== undefined) found.push(...(children.get(parent.pid) ?? []).map((stat) => stat.id));
  }
  return found;
}

/** Every process whose environment holds `NAME=value`; how members are found where they have no PID namespace. */
export function withEnvironment(entry: string): ProcessId[] {
  return allStats()
    .map((stat) => stat.id)
    .filter((id) => readText(`/proc/${id.pid}/environ`).split('\0').includes(entry));
}

/** The command line, arguments separated by blanks; empty when the process is gone. */
export function commandLine(pid: number): string {
  return readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
}

/** The process's numbers from the reader's PID namespace down to its own, e.g. [26675, 1]. */
export function namespacePids(pid: number): number[] {
  const line = /^NSpid:\s*(.*)$/m.exec(readText(`/proc/${pid}/status`));
  return (line?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Waits until none of them runs any more; false when the deadline passed first. */
export async function allGone(ids: ProcessId[], deadlineMs: number): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (ids.some(isAlive)) {
    if (performance.now() > end) return false;
    await sleep(5);
  }
  return true;
}
