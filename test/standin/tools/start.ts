// gs_ctl start and restart. The server is started in a session of its own, so that it does not end with whoever called
// gs_ctl; "started" is said as soon as gaussdb.state is written anew with a state that counts, which is not yet a promise
// that the server answers.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fault } from '../shared/faults.ts';
import { delayMs } from '../shared/pace.ts';
import { readState } from '../shared/state.ts';
import { programs } from './control.ts';
import { at, isRunning, Leave, liveness, serverPid, setting, signal } from './datadir.ts';
import { errorText, plain, raw, say } from './messages.ts';
import type { Control } from './options.ts';
import { connectLocal } from './session.ts';
import { killByForce } from './stop.ts';

const STARTED: readonly string[] = ['Normal', 'Need repair', 'Wait promoting', 'Demoting', 'Promoting', 'Building', 'Catchup'];
const POLL_MS = 20;

type Outcome = 'started' | 'starting' | 'dead';

/** How a child ended, as waitpid would tell it. */
interface Ending {
  status: number | undefined;
}

/** Looks for a listener on the server's port and tells what it found; the start goes on all the same. */
function checkPort(data: string): void {
  const port = Number(setting(data, 'port') ?? 0);
  if (!(port > 0)) return;
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const [head = '', ...rows] = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const row = rows.find((line) => {
    const words = line.trim().split(/\s+/);
    return words[1]?.endsWith(wanted) === true && words[3] === '0A';
  });
  if (row === undefined) return;
  say(`port:${port} already in use. /proc/net/tcp:\n${head.trimEnd()} \n${row}\n`);
  say(`CheckPort: popen(command:lsof -i:${port} | grep -E 'COMMAND|LISTEN').\n`);
  say('port conflict when start server\n');
}

/** The options a restart takes over from postmaster.opts; -M of the command line replaces the one in there. */
function formerOptions(data: string, mode: string | undefined): string[] {
  const file = at(data, 'postmaster.opts');
  let line: string;
  try {
    line = readFileSync(file, 'utf8');
  } catch {
    say(` could not read file "${file}"\n`);
    throw new Leave(1);
  }
  const words = [...line.matchAll(/ "([^"]*)"/g)].map((match) => match[1] ?? '');
  const option = words.indexOf('-M');
  if (mode !== undefined && option >= 0) words.splice(option, 2);
  return words;
}

function serverArguments({ options, data }: Control): string[] {
  const mode = options.mode === undefined ? [] : ['-M', options.mode];
  const extra = options.serverOptions?.split(/\s+/).filter((word) => word !== '') ?? [];
  if (options.command !== 'restart') return ['-D', data, ...extra, ...mode];
  return options.serverOptions === undefined ? [...formerOptions(data, options.mode), ...mode] : ['-D', data, ...extra, ...mode];
}

function launch(control: Control): { pid: number; ending: Ending } {
  const log = control.options.logFile;
  const output = log === undefined ? 'inherit' : openSync(log, 'a', 0o600);
  const child = spawn(control.options.execPath ?? join(programs, 'gaussdb'), serverArguments(control), {
    detached: true,
    stdio: ['ignore', output === 'inherit' ? 1 : output, output === 'inherit' ? 1 : output],
  });
  if (output !== 'inherit') closeSync(output);
  const ending: Ending = { status: undefined };
  child.on('error', () => {
    ending.status = 127 << 8;
  });
  child.on('exit', (code, name) => {
    ending.status = name === null ? (code ?? 0) << 8 : 9;
  });
  child.unref();
  return { pid: child.pid ?? 0, ending };
}

const modified = (data: string): bigint | undefined =>
  statSync(at(data, 'gaussdb.state'), { bigint: true, throwIfNoEntry: false })?.mtimeNs;

/** Follows the start until it is decided. */
async function follow(control: Control, before: bigint | undefined, child: ReturnType<typeof launch>): Promise<Outcome> {
  const { data, options } = control;
  if (options.seconds === 0) return 'starting';
  const poll = Math.min(POLL_MS, delayMs('toolPollMs'));
  const real = delayMs('toolPollMs') >= 1000;
  let seen = before;
  for (let second = 0; second < options.seconds; second++) {
    if (fault('start-late') !== undefined && second >= 2) return 'dead';
    raw('.');
    const end = Date.now() + 1000;
    while (Date.now() < end) {
      await sleep(real ? end - Date.now() : poll);
      const now = modified(data);
      if (fault('start-late') === undefined && now !== undefined && now !== seen) {
        const state = readState(data)?.state ?? 'Unknown';
        if (STARTED.includes(state)) return 'started';
        if (state === 'Coredump') {
          say(` gaussDB state is ${state}\n`);
          return 'dead';
        }
        seen = now;
      }
      if (child.ending.status === undefined) continue;
      say(`waitpid ${child.pid} failed, exitstatus is ${child.ending.status}, ret is 2\n`);
      return 'dead';
    }
  }
  return answers(data);
}

/** The time is over: does the server answer at least? */
async function answers(data: string): Promise<Outcome> {
  const connection = await connectLocal(data);
  if (connection === undefined) return 'dead';
  if (!('error' in connection)) {
    connection.close();
    return 'started';
  }
  return /starting up|FATAL/.test(connection.error) ? 'starting' : 'dead';
}

/** Starts the server and, unless told otherwise, waits for it. Answers gs_ctl's exit code. */
export async function startServer(control: Control): Promise<number> {
  const { data, options } = control;
  if (!existsSync(at(data, 'postgresql.conf'))) {
    say(`${at(data, 'postgresql.conf')} cannot be opened.\n`);
    return 1;
  }
  checkPort(data);
  const before = modified(data);
  const child = launch(control);
  if (!options.wait) {
    say('server starting\n');
    return 0;
  }
  say('waiting for server to start...\n');
  const outcome = await follow(control, before, child);
  raw('\n');
  if (outcome === 'started') {
    say(' done\n');
    say(`server started (${data})\n`);
    return 0;
  }
  say('stopped waiting\n');
  if (outcome === 'starting') {
    say('server is still starting up\n');
    return 0;
  }
  say('could not start server\nExamine the log output.\n');
  return 1;
}

/** gs_ctl start: 0 also when a server runs already, in whatever mode. */
export async function start(control: Control): Promise<number> {
  const pid = Math.abs(serverPid(control.data));
  if (pid !== 0 && liveness(control.data, pid) === 'alive') {
    say(' another server might be running; Please use the restart command\n');
    return 0;
  }
  return startServer(control);
}

async function stopped(data: string, pid: number, seconds: number): Promise<boolean> {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (serverPid(data) === 0 && !isRunning(pid)) return true;
    await sleep(delayMs('toolPollMs'));
  }
  return serverPid(data) === 0;
}

/** gs_ctl restart: stop as asked, then start, even when the stop failed. */
export async function restart(control: Control): Promise<number> {
  const { data, options } = control;
  const pid = serverPid(data);
  if (pid === 0) {
    say('Is server running?\n');
    say('starting server anyway\n');
    if (options.shutdown === 'immediate') killByForce(data);
    return startServer(control);
  }
  if (liveness(data, pid) !== 'alive') {
    say(` old server process (PID: ${pid}) seems to be gone\n`);
    say('starting server anyway\n');
    return startServer(control);
  }
  const error = signal(pid, options.shutdown === 'immediate' ? 'SIGQUIT' : 'SIGINT');
  if (error !== undefined) {
    say(` could not send stop signal (PID: ${pid}): ${errorText(error)}\n`);
    return startServer(control);
  }
  plain('waiting for server to shut down...');
  if (await stopped(data, pid, options.seconds)) plain(' done\nserver stopped\n');
  else {
    plain(' failed\n');
    say(' server does not shut down\n');
    if (options.shutdown === 'immediate') killByForce(data);
  }
  return startServer(control);
}
