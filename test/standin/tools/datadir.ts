// A data directory as gs_ctl sees it: its files, the process that postmaster.pid names, the few settings gs_ctl reads
// itself. It never asks the server anything; session.ts does.
import { openSync, readFileSync, readlinkSync, realpathSync, writeFileSync, fsyncSync, closeSync } from 'node:fs';
import { errorText, raw, say } from './messages.ts';

/** Where a process stands that postmaster.pid names. */
export type Liveness = 'alive' | 'foreign' | 'gone';

/** A way to leave early with an exit code, where C would call exit(). */
export class Leave extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** A file of the data directory. */
export const at = (data: string, name: string): string => `${data}/${name}`;

/** The pid in postmaster.pid, 0 when there is no such file. */
export function serverPid(data: string): number {
  const file = at(data, 'postmaster.pid');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    say(` could not open PID file "${file}": ${errorText(error)}\n`);
    throw new Leave(1);
  }
  const pid = /^\s*([+-]?\d+)/.exec(text)?.[1];
  if (pid !== undefined) return Number(pid);
  say(` invalid data in PID file "${file}"\n`);
  throw new Leave(1);
}

/** Whether the process runs; one that is dead and not yet reaped does not. */
export function isRunning(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Says, as gs_ctl's own check does through ls, that the process has no readable working directory any more. */
export function lsNoise(pid: number): void {
  raw(`ls: cannot read symbolic link '/proc/${pid}/cwd': No such file or directory\n`, 2);
}

/** Whether the process is the server of this directory: gaussdb makes it its working directory. */
export function liveness(data: string, pid: number): Liveness {
  if (!isRunning(pid)) {
    lsNoise(pid);
    return 'gone';
  }
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data) ? 'alive' : 'foreign';
  } catch {
    lsNoise(pid);
    return 'foreign';
  }
}

/** Sends a signal; the answer is the errno's name when that failed. */
export function signal(pid: number, name: NodeJS.Signals): unknown {
  try {
    if (!isRunning(pid)) return Object.assign(new Error('no such process'), { code: 'ESRCH' });
    process.kill(pid, name);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Lines of a file, none when it cannot be read. */
export function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** The effective (last) value of a parameter in postgresql.conf, quotes and comment taken off. */
export function setting(data: string, name: string): string | undefined {
  const pattern = new RegExp(`^\\s*${name}\\s*(?:=|\\s)\\s*(?:'((?:[^']|'')*)'|([^\\s#]+))`, 'i');
  let value: string | undefined;
  for (const line of lines(at(data, 'postgresql.conf'))) {
    const match = pattern.exec(line);
    if (match !== null) value = (match[1] ?? match[2] ?? '').replaceAll("''", "'");
  }
  return value;
}

/** One replconninfo entry, as far as a build needs it. */
export interface Peer {
  localHost: string;
  remoteHost: string;
  remotePort: number;
}

/** Reads a connection string of the replconninfo form. */
export function peer(text: string): Peer | undefined {
  const word = (name: string): string | undefined => new RegExp(`(?:^|\\s)${name}\\s*=\\s*([^\\s,]+)`).exec(text)?.[1];
  const [localHost, remoteHost, remotePort] = [word('localhost'), word('remotehost'), word('remoteport')];
  if (localHost === undefined || remoteHost === undefined || !/^\d+$/.test(remotePort ?? '')) return undefined;
  return { localHost, remoteHost, remotePort: Number(remotePort) };
}

/** replconninfo1..8 in their order. */
export function peers(data: string): Peer[] {
  const found: Peer[] = [];
  for (let i = 1; i <= 8; i++) {
    const entry = peer(setting(data, `replconninfo${i}`) ?? '');
    if (entry !== undefined) found.push(entry);
  }
  return found;
}

/** Writes a file and makes it durable. */
export function writeDurable(file: string, content: string | Buffer): void {
  const fd = openSync(file, 'w', 0o600);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
