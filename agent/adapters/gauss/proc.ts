/**
 * Reads /proc: who a process is, so that a pid that was given to somebody else is never mistaken for the server.
 * It never touches the data volume and never signals anything.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { ServerProcess } from '../../core/model.ts';

/** Fields of /proc/<pid>/stat that matter here. */
export interface ProcessStat {
  pid: number;
  command: string;
  state: string;
  threads: number;
  /** Field 22, clock ticks since boot. */
  startTime: string;
}

/** Parses /proc/<pid>/stat; the command may hold blanks and parentheses. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const rest = text
    .slice(close + 1)
    .trim()
    .split(/\s+/);
  const [state, threads, startTime] = [rest[0], rest[17], rest[19]];
  const pid = Number.parseInt(text.slice(0, open), 10);
  if (state === undefined || threads === undefined || startTime === undefined || !Number.isInteger(pid)) return undefined;
  return { pid, command: text.slice(open + 1, close), state, threads: Number(threads), startTime };
}

/**
 * The process as it is now; undefined when there is none. Read synchronously: it is asked ten times a second, the kernel
 * answers from memory without a lock of that process, and a way through the thread pool would cost ten times as much.
 */
export async function statOf(pid: number): Promise<ProcessStat | undefined> {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * A zombie acknowledges nothing any more; but a zombie *leader* whose threads still end (`threads` > 1) has its
 * sockets open, and openGauss is one process of many threads.
 */
export function isGone(stat: ProcessStat | undefined): boolean {
  if (stat === undefined) return true;
  return (stat.state === 'Z' || stat.state === 'X') && stat.threads <= 1;
}

/** True when that very process no longer runs: no such pid, a zombie, or another process of the same number. */
export async function hasEnded(process: ServerProcess): Promise<boolean> {
  const stat = await statOf(process.pid);
  return isGone(stat) || stat?.startTime !== process.startTime;
}

/** Arguments of a process; empty for kernel threads and the dead. */
export async function argumentsOf(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text === '' ? [] : text.replace(/\0$/, '').split('\0');
}

/** True when the arguments are of `gaussdb -D <pgdata>`, started directly or through an interpreter. */
export function isServerOf(args: string[], cwd: string | undefined, pgdata: string): boolean {
  const program = args.findIndex((arg) => basename(arg) === 'gaussdb');
  if (program < 0 || program > 3) return false;
  const flag = args.indexOf('-D', program);
  const joined = args.find((arg, index) => index > program && arg.startsWith('-D') && arg.length > 2);
  const named = flag >= 0 ? args[flag + 1] : joined?.slice(2);
  if (named !== undefined) return resolve(cwd ?? '/', named) === resolve(pgdata);
  return cwd === resolve(pgdata);
}

/** The server of that data directory behind a pid, if it is one. */
export async function serverAt(pid: number, pgdata: string): Promise<ServerProcess | undefined> {
  const stat = await statOf(pid);
  if (stat === undefined || isGone(stat)) return undefined;
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  if (!isServerOf(await argumentsOf(pid), cwd, pgdata)) return undefined;
  return { pid, startTime: stat.startTime };
}

/** Every process whose arguments match; used seldom, as it walks the whole of /proc. */
export async function findProcesses(matches: (args: string[], pid: number) => boolean): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => []);
  const found: number[] = [];
  for (const entry of entries) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const args = await argumentsOf(pid);
    if (args.length > 0 && matches(args, pid)) found.push(pid);
  }
  return found;
}
