/**
 * A program that runs beside the tests: started with a log of its own, known by pid and start time, ended gently and
 * then by force. It dies with the process that started it, and it can be started again with the same words.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { identify, isAlive, type ProcessId, send } from '../../lab/processes.ts';

export interface Daemon {
  name: string;
  log: string;
  start(): void;
  /** SIGTERM, and SIGKILL when the grace is over; resolves when it is reaped. */
  stop(graceMs?: number): Promise<void>;
  kill(): Promise<void>;
  /** Of the process that runs; undefined while none does. */
  id(): ProcessId | undefined;
}

export interface DaemonOptions {
  name: string;
  /** Program and arguments. */
  command: string[];
  log: string;
  cwd: string;
  env?: NodeJS.ProcessEnv;
  /** The process was started or has ended. */
  onChange(): void;
}

/** Not started yet. */
export function createDaemon(options: DaemonOptions): Daemon {
  let child: ChildProcess | undefined;
  let id: ProcessId | undefined;
  let ended = Promise.resolve();

  function start() {
    if (id !== undefined && isAlive(id)) return;
    const log = openSync(options.log, 'a', 0o600);
    // A session of its own, so that a Ctrl-C for the harness is not one for it; bound to the harness all the same.
    const made = spawn('setpriv', ['--pdeathsig', 'SIGKILL', ...options.command], {
      cwd: options.cwd,
      detached: true,
      stdio: ['ignore', log, log],
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    closeSync(log);
    child = made;
    id = made.pid === undefined ? undefined : identify(made.pid);
    ended = new Promise((resolve) => {
      const gone = () => {
        if (child === made) child = undefined;
        options.onChange();
        resolve();
      };
      made.once('exit', gone);
      made.once('error', gone);
    });
    options.onChange();
  }

  async function stop(graceMs = 5000) {
    if (child === undefined || id === undefined) return;
    const own = id;
    send(own, 'SIGTERM');
    const timer = setTimeout(() => send(own, 'SIGKILL'), graceMs);
    await ended;
    clearTimeout(timer);
  }

  return {
    name: options.name,
    log: options.log,
    start,
    stop,
    kill: () => stop(0),
    id: () => (child === undefined ? undefined : id),
  };
}

/** The last lines of a log, for messages. */
export function logTail(file: string, lines = 8): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log)';
  }
}
