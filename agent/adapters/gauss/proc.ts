/**
 * Reads /proc: who a process is, so that a pid that was given to somebody else is never mistaken for the server, nor an
 * error for its end: only the kernel's word that there is no such process is one. It never touches the data volume and
 * never signals anything.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { ServerProcess } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import { type Budget, bounded, diskFault } from './files.ts';

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

/** The files of /proc that say who a process is. */
export interface ProcFiles {
  /** Read synchronously: see statOf. */
  stat(pid: number): string;
  cmdline(pid: number): Promise<string>;
  cwd(pid: number): Promise<string>;
  pids(): Promise<string[]>;
}

/** The kernel's own. */
export const procFiles: ProcFiles = {
  stat: (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8'),
  cmdline: (pid) => readFile(`/proc/${pid}/cmdline`, 'utf8'),
  cwd: (pid) => readlink(`/proc/${pid}/cwd`),
  pids: () => readdir('/proc'),
};

/** How long one of them may take; the kernel answers from memory unless a lock of that process is in the way. */
const readMs = 300;

/** For each process that could not be read in time one thread of the pool waits, and no more than these in all. */
const mute = new Map<number, Budget>();
const muteMax = 4;

/**
 * A read with a bound. `cmdline` lies in the memory of the process and takes its mmap lock (fs/proc/base.c), which one
 * that is stuck in the kernel may hold for ever. It costs none of the patience that is kept for the data volume.
 */
async function inTime<T>(pid: number, what: string, read: () => Promise<T>): Promise<Result<T>> {
  for (const [one, { stuck }] of mute) if (stuck === 0) mute.delete(one);
  const budget = mute.get(pid) ?? { max: mute.size < muteMax ? 1 : 0, stuck: 0 };
  const answer = await bounded(read, what, readMs, { budget });
  if (budget.stuck > 0) mute.set(pid, budget);
  return answer.ok ? answer : failed(asProcess(answer.fault));
}

/** Not the data volume's: what cannot be read here says nothing about that. */
function asProcess(fault: Fault): Fault {
  return { ...fault, of: 'command', done: 'no' };
}

/** No such process, or one that ended while it was read (proc(5)). Any other error, such as too many open files, tells nothing. */
function isAbsent(fault: Fault): boolean {
  return fault.code === 'ENOENT' || fault.code === 'ESRCH';
}

/** Nobody's any more, or of another user, as the server never is: the agent starts it. */
function isOthers(fault: Fault): boolean {
  return isAbsent(fault) || fault.kind === 'denied';
}

/**
 * The process as it is now; undefined when there is none, a fault when that cannot be told. Read synchronously: it is asked
 * ten times a second, the kernel answers from memory without a lock of that process, and a way through the thread pool would
 * cost ten times as much.
 */
export async function statOf(pid: number, files = procFiles): Promise<Result<ProcessStat | undefined>> {
  const what = `read /proc/${pid}/stat`;
  try {
    const stat = parseStat(files.stat(pid));
    return stat === undefined ? failed({ of: 'command', kind: 'malformed', done: 'no', detail: what }) : ok(stat);
  } catch (error) {
    const fault = asProcess(diskFault(error, what));
    return isAbsent(fault) ? ok(undefined) : failed(fault);
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

/** True when that very process no longer runs: no such pid, a zombie, or another process of the same number. Unknown is not gone (I2). */
export async function hasEnded(process: ServerProcess, files = procFiles): Promise<boolean> {
  const stat = await statOf(process.pid, files);
  return stat.ok && (isGone(stat.value) || stat.value?.startTime !== process.startTime);
}

/**
 * Arguments of a process; empty for kernel threads, for the dead, for what is of another user, and for a process of another name than
 * that program's that does not let them be read: `stat` waits for nobody. Of openGauss's threads only the first keeps the program's
 * name, and that is the one `stat` tells (postmaster.cpp, ShowThreadName); what an interpreter runs has the interpreter's.
 */
export async function argumentsOf(pid: number, program: Program, files = procFiles): Promise<Result<string[]>> {
  const stat = await statOf(pid, files);
  if (!stat.ok) return stat;
  if (isGone(stat.value)) return ok([]);
  const text = await inTime(pid, `read /proc/${pid}/cmdline`, () => files.cmdline(pid));
  const isStranger = stat.value?.command !== program;
  if (!text.ok) return isOthers(text.fault) || (isStranger && text.fault.kind === 'timeout') ? ok([]) : text;
  return ok(text.value === '' ? [] : text.value.replace(/\0$/, '').split('\0'));
}

/** What is looked for. */
export type Program = 'gaussdb' | 'gs_ctl';

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

/** The server of that data directory behind a pid, if it is one; a fault when that cannot be told. */
export async function serverAt(pid: number, pgdata: string, files = procFiles): Promise<Result<ServerProcess | undefined>> {
  const stat = await statOf(pid, files);
  if (!stat.ok) return stat;
  if (stat.value === undefined || isGone(stat.value)) return ok(undefined);
  const args = await argumentsOf(pid, 'gaussdb', files);
  if (!args.ok) return args;
  if (args.value.length === 0) return ok(undefined);
  const cwd = await inTime(pid, `read /proc/${pid}/cwd`, () => files.cwd(pid));
  if (!cwd.ok && !isOthers(cwd.fault)) return cwd;
  if (!isServerOf(args.value, cwd.ok ? cwd.value : undefined, pgdata)) return ok(undefined);
  return ok({ pid, startTime: stat.value.startTime });
}

/** Every process whose arguments match; used seldom, as it walks the whole of /proc. */
export async function findProcesses(
  program: Program,
  matches: (args: string[], pid: number) => boolean,
  files = procFiles,
): Promise<Result<number[]>> {
  const entries = await inTime(0, 'list /proc', files.pids);
  if (!entries.ok) return entries;
  const found: number[] = [];
  for (const pid of entries.value.map(Number).filter(Number.isInteger)) {
    const args = await argumentsOf(pid, program, files);
    if (!args.ok) return args;
    if (args.value.length > 0 && matches(args.value, pid)) found.push(pid);
  }
  return ok(found);
}
