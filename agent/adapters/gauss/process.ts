/**
 * The server's process: finds it, starts it in a session of its own, notices its end, kills it. The server is not
 * the agent's to lose: it outlives the agent, whose next incarnation adopts it. What is known of the
 * running process is kept in memory, so that killing it never waits for the data volume.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { isSame } from '../../core/acting.ts';
import type { Role, ServerExit, ServerProcess } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import { readSettled, readText, removeFiles, writeDurably } from './files.ts';
import { encodeLock, type LockTarget } from './freeze.ts';
import { endLeftovers } from './leftovers.ts';
import type { InstanceOptions } from './options.ts';
import { closeOutput, openOutput } from './output.ts';
import { findProcesses, hasEnded, isServerOf, serverAt, statOf } from './proc.ts';
import { toolEnvironment } from './tool.ts';

/** Requests that gaussdb reads at its next SIGUSR1; one left by a dead gs_ctl would be obeyed much later. */
const requestFiles = [
  'failover',
  'switchover',
  'switchover_timeout',
  'primary',
  'standby',
  'cascade_standby',
  'finish_redo_file',
];

/** An adopted server's end is noticed by looking this often; a child's is told, and looked for now and then and with each observation all the same. */
const lookEveryMs = { adopted: 100, child: 5_000 };

/** How long the pid file may take to be read. */
const pidFileMs = 500;

/** While somebody waits for the end: this often. */
const waitEveryMs = 5;

export interface ServerKeeper {
  /** The running server; looks for one when none is known. */
  find(): Promise<Result<ServerProcess | undefined>>;
  /** The server that is known without looking anywhere. */
  known(): ServerProcess | undefined;
  start(mode: 'standby' | 'pending', lock?: LockTarget): Promise<Result<ServerProcess>>;
  signal(process: ServerProcess, name: NodeJS.Signals): Promise<boolean>;
  /** Resolves true once that process is gone, false at the deadline. */
  gone(process: ServerProcess, deadlineMs: number): Promise<boolean>;
  /** What the exit will say the server was. */
  remember(role: Role): void;
  role(): Role;
  /** SIGKILL was sent to that process: none of its threads gets back to its own code. */
  isDoomed(process: ServerProcess): boolean;
  lastExit(): ServerExit | undefined;
  onExit(listener: (exit: ServerExit) => void): void;
  close(): void;
}

type Keeping = { process: ServerProcess; child: boolean };

/** Keeps watch over the one server of the data directory. */
export function createServerKeeper(options: InstanceOptions): ServerKeeper {
  const listeners: ((exit: ServerExit) => void)[] = [];
  let current: Keeping | undefined;
  let role: Role = 'Unknown';
  let exit: ServerExit | undefined;
  let scanned = false;
  let doomed: ServerProcess | undefined;
  let watch = setInterval(() => void look(), lookEveryMs.child).unref();

  function take(keeping: Keeping): void {
    current = keeping;
    clearInterval(watch);
    watch = setInterval(() => void look(), keeping.child ? lookEveryMs.child : lookEveryMs.adopted).unref();
  }

  function ended(process: ServerProcess): void {
    if (current?.process.pid !== process.pid || current.process.startTime !== process.startTime) return;
    current = undefined;
    exit = { process, role, at: options.clock.now() };
    options.note('info', 'the server process ended', { pid: process.pid, role });
    for (const listener of listeners) listener(exit);
  }

  async function look(): Promise<void> {
    const seen = current;
    if (seen !== undefined && (await hasEnded(seen.process, options.proc))) ended(seen.process);
  }

  function adopt(process: ServerProcess): ServerProcess {
    take({ process, child: false });
    role = 'Unknown';
    options.note('info', 'adopted the running server', { pid: process.pid });
    return process;
  }

  async function find(): Promise<Result<ServerProcess | undefined>> {
    await look();
    if (current !== undefined) return ok(current.process);
    const file = await readText(join(options.pgdata, 'postmaster.pid'), pidFileMs);
    const pid = Number.parseInt((file.ok ? file.value : undefined) ?? '', 10);
    const recorded = pid > 1 ? await serverAt(pid, options.pgdata, options.proc) : ok(undefined);
    // A volume that does not answer must not hide a server that runs on it: it may have to be killed.
    const process = recorded.ok && recorded.value === undefined && !(scanned && file.ok) ? await scan() : recorded;
    if (current !== undefined) return ok(known());
    if (!process.ok) return process;
    if (process.value !== undefined) return ok(adopt(process.value));
    return file.ok ? ok(undefined) : file;
  }

  /** A server that has not written its pid file yet, or whose file is gone, is only found by its arguments. */
  async function scan(): Promise<Result<ServerProcess | undefined>> {
    const pids = await findProcesses('gaussdb', (args) => isServerOf(args, undefined, options.pgdata), options.proc);
    if (!pids.ok) return pids;
    let server: Result<ServerProcess | undefined> = ok(undefined);
    for (const pid of pids.value) {
      server = await serverAt(pid, options.pgdata, options.proc);
      if (!server.ok || server.value !== undefined) break;
    }
    scanned = server.ok;
    return server;
  }

  async function start(mode: 'standby' | 'pending', lock?: LockTarget): Promise<Result<ServerProcess>> {
    scanned = false;
    const running = await find();
    if (!running.ok) return running;
    if (running.value !== undefined)
      return failed(startFault('exists', 'no', `a server runs already as pid ${running.value.pid}`));
    const ready = await prepare(lock);
    if (!ready.ok) return ready;
    const log = await openOutput(options, 'gaussdb.log');
    try {
      return await launch(mode, log?.fd ?? 'ignore');
    } finally {
      await closeOutput(log);
    }
  }

  /** No server runs here, so a pid file is stale; its number may be somebody else's by now, which gaussdb cannot tell. */
  async function prepare(lock: LockTarget | undefined): Promise<Result<void>> {
    // It would ask the new server what was meant for the last one.
    const ended = await endLeftovers(options, ['failover', 'notify']);
    if (!ended.ok) return ended;
    const stale = [...requestFiles, 'postmaster.pid'].map((name) => join(options.pgdata, name));
    const removed = await removeFiles(stale);
    if (!removed.ok) return removed;
    const lockFile = join(options.pgdata, 'disable_conn_file');
    if (lock === undefined) {
      // A freeze whose writing was given up must not come beside the running server.
      const settled = await readSettled(lockFile);
      return settled.ok ? ok() : settled;
    }
    const bytes = encodeLock(lock);
    if (!bytes.ok) return bytes;
    return writeDurably(lockFile, bytes.value);
  }

  async function launch(mode: 'standby' | 'pending', output: number | 'ignore'): Promise<Result<ServerProcess>> {
    const program = join(options.home, 'bin', 'gaussdb');
    // Never pipes: the server would hold them for its whole life, and die of them with the agent.
    const child = spawn(program, ['-D', options.pgdata, '-M', mode], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', output, output],
      env: toolEnvironment(options),
    });
    child.unref();
    const fault = await new Promise<Fault | undefined>((resolve) => {
      child.once('spawn', () => resolve(undefined));
      child.once('error', (error) => resolve(startFault('absent', 'no', `${program}: ${error.message}`)));
    });
    if (fault !== undefined || child.pid === undefined)
      return failed(fault ?? startFault('exited', 'no', 'the server has no pid'));
    const stat = await statOf(child.pid, options.proc);
    if (!stat.ok) {
      // Nobody could guard a server whose start time is unknown, nor tell when it ends.
      child.kill('SIGKILL');
      return stat;
    }
    // Not reaped yet, so the number cannot be somebody else's; a missing start time means it is gone already.
    const process: ServerProcess = { pid: child.pid, startTime: stat.value?.startTime ?? '0' };
    take({ process, child: true });
    role = 'Unknown';
    child.once('exit', (code, signal) => {
      options.note('debug', 'the server exited', { exitCode: code, signal });
      ended(process);
    });
    if (child.exitCode !== null || child.signalCode !== null) ended(process);
    options.note('info', 'started the server', { pid: child.pid, mode });
    return ok(process);
  }

  async function signal(target: ServerProcess, name: NodeJS.Signals): Promise<boolean> {
    // Who it is was seen when it was found: that it cannot be looked at now must not save it.
    if (await hasEnded(target, options.proc)) return false;
    try {
      const sent = process.kill(target.pid, name);
      if (sent && name === 'SIGKILL') doomed = target;
      return sent;
    } catch {
      return false;
    }
  }

  async function gone(target: ServerProcess, deadlineMs: number): Promise<boolean> {
    const end = options.clock.now() + deadlineMs;
    for (;;) {
      if (await hasEnded(target, options.proc)) {
        ended(target);
        return true;
      }
      if (options.clock.now() >= end) return false;
      await options.clock.until(Math.min(end, options.clock.now() + waitEveryMs));
    }
  }

  function known(): ServerProcess | undefined {
    return current?.process;
  }

  return {
    find,
    known,
    start,
    signal,
    gone,
    remember: (seen) => {
      role = seen;
    },
    role: () => role,
    isDoomed: (target) => isSame(doomed, target),
    lastExit: () => exit,
    onExit: (listener) => {
      listeners.push(listener);
    },
    close: () => clearInterval(watch),
  };
}

function startFault(kind: Fault['kind'], done: Fault['done'], detail: string): Fault {
  return { of: 'command', kind, done, detail };
}
