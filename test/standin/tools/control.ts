// The small commands of gs_ctl: status, reload, kill, finishredo, init. None waits for anything.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { at, isRunning, liveness, serverPid, signal } from './datadir.ts';
import { errorText, plain, raw, say } from './messages.ts';
import { advice, type Control } from './options.ts';

const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = {
  HUP: 'SIGHUP',
  INT: 'SIGINT',
  QUIT: 'SIGQUIT',
  ABRT: 'SIGABRT',
  TERM: 'SIGTERM',
  USR1: 'SIGUSR1',
  USR2: 'SIGUSR2',
};

/** The directory of the stand-in's programs. */
export const programs = join(dirname(fileURLToPath(import.meta.url)), '..', 'bin');

/** gs_ctl status: 0 running (hung too), 1 a pid file whose process is not our server, 3 no pid file. */
export async function status({ data }: Control): Promise<number> {
  const pid = serverPid(data);
  if (pid === 0) {
    raw('no server running\n');
    return 3;
  }
  if (liveness(data, pid) !== 'alive') {
    raw(`gs_ctl: The process recorded in PID file "${at(data, 'postmaster.pid')}" is not current server\nIs server running?\n`);
    return 1;
  }
  raw(`gs_ctl: server is running (PID: ${pid})\n`);
  try {
    raw(readFileSync(at(data, 'postmaster.opts'), 'utf8'));
  } catch {
    // A server without postmaster.opts is reported all the same.
  }
  return 0;
}

/** Complains about a missing pid file in the words most commands share. */
export function noPidFile(data: string): number {
  say(` PID file "${at(data, 'postmaster.pid')}" does not exist\n`);
  say('Is server running?\n');
  return 1;
}

/** gs_ctl reload: SIGHUP and nothing more. */
export async function reload({ data }: Control): Promise<number> {
  const pid = serverPid(data);
  if (pid === 0) return noPidFile(data);
  const error = signal(pid, 'SIGHUP');
  if (error !== undefined) {
    say(` could not send reload signal (PID: ${pid}): ${errorText(error)}\n`);
    return 1;
  }
  plain('server signaled\n');
  return 0;
}

/** gs_ctl kill SIGNAL PID. */
export async function kill({ options }: Control): Promise<number> {
  const [name, pid] = options.operands;
  if (name === undefined || pid === undefined) {
    say(' missing arguments for kill mode\n');
    advice();
    return 1;
  }
  const chosen = SIGNALS[name];
  if (chosen === undefined) {
    say(` unrecognized signal name "${name}"\n`);
    advice();
    return 1;
  }
  const error = signal(Number.parseInt(pid, 10), chosen);
  if (error === undefined) return 0;
  say(` could not send signal ${chosen} (PID: ${pid}): ${errorText(error)}\n`);
  return 1;
}

/** gs_ctl finishredo: leaves its file and signals; in 5.0.3 the server takes no notice. */
export async function finishRedo({ data }: Control): Promise<number> {
  const file = at(data, 'finish_redo_file');
  try {
    writeFileSync(file, Buffer.from([1]), { mode: 0o600 });
  } catch {
    say('fail to open finish redo file\n');
    return 1;
  }
  const pid = serverPid(data);
  if (pid === 0) return noPidFile(data);
  const error = isRunning(pid) ? signal(pid, 'SIGUSR1') : { code: 'ESRCH' };
  if (error === undefined) return 0;
  say(`could not send finish redo signal (PID: ${pid}): ${errorText(error)}\n`);
  rmSync(file, { force: true });
  return 1;
}

/** gs_ctl init: gs_initdb with the options given by -o. */
export async function init({ options, data }: Control): Promise<number> {
  const command = `"${join(programs, 'gs_initdb')}" -D "${data}" ${options.serverOptions ?? ''}`;
  const run = spawnSync('/bin/sh', ['-c', command], { stdio: 'inherit' });
  if (run.status === 0) return 0;
  say(' database system initialization failed\n');
  return 1;
}
