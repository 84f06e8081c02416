/**
 * One container: a command as PID 1 of its own user, PID and mount namespace where the kernel allows it, so that its
 * end ends everything in it. It dies with the lab (parent-death signal). It never restarts anything; member.ts does.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { WriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { family, identify, namespacePids, type ProcessId, withEnvironment } from './processes.ts';

/** The uid that a member's processes see as their own: not 0, which database servers refuse. */
const innerUid = 70;

const spaces = ['--pid', '--ipc', '--fork', '--kill-child', '--mount', '--mount-proc'];
const ordinaryUser = ['--user', `--map-user=${innerUid}`, `--map-group=${innerUid}`];
const isolation = [...ordinaryUser, ...spaces];

/** Two steps where /etc/passwd has to name the inner user: only the first one, root in there, may mount. */
function isolated(passwd: string | undefined, command: string[]): string[] {
  if (passwd === undefined) return ['unshare', ...isolation, ...command];
  const mounting = ['sh', '-c', 'mount --bind "$0" /etc/passwd && exec "$@"', passwd];
  return ['unshare', '--user', '--map-root-user', ...spaces, ...mounting, 'unshare', ...ordinaryUser, ...command];
}

/** The line of /etc/passwd for the inner user under that name. */
export function passwdLine(name: string, home: string): string {
  return `${name}:x:${innerUid}:${innerUid}::${home}:/bin/bash\n`;
}

/** What this machine allows. */
export interface Isolation {
  /** Own PID namespaces: the end of PID 1 ends the member. */
  namespaces: boolean;
  /** `setpriv --pdeathsig` is there: members die with the lab even when it is killed. */
  deathSignal: boolean;
}

/** Tries once what the kernel and the tools allow; LAB_NAMESPACES=off does without, as where it is not permitted. */
export function probeIsolation(): Isolation {
  const works = (command: string, args: string[]) => spawnSync(command, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
  return {
    namespaces: process.env['LAB_NAMESPACES'] !== 'off' && works('unshare', [...isolation, 'true']),
    deathSignal: works('setpriv', ['--pdeathsig', 'KILL', 'true']),
  };
}

/** How a container ended; the code is what a shell would show (128 + signal). */
export interface ContainerExit {
  code: number;
  signal: NodeJS.Signals | undefined;
}

export interface Container {
  /** `lab://` and 64 hexadecimal digits, new for every start. */
  id: string;
  startedAt: string;
  pid1: ProcessId;
  /** Every process of it, as host pids, PID 1 first. */
  processes(): ProcessId[];
  /** The pid that a process of this container has inside it. */
  innerPid(pid: number): number;
  ended: Promise<ContainerExit>;
}

export interface ContainerOptions {
  isolation: Isolation;
  command: string[];
  env: Record<string, string>;
  cwd: string;
  log: WriteStream;
  /** `NAME=value` in the environment of everything of this member, to find it without a namespace. */
  mark: string;
  /** A file to be /etc/passwd in there: openGauss looks its own user up by name. */
  passwd: string | undefined;
  /** Put before everything else, e.g. `ip netns exec …`. */
  prefix: string[];
  /** Put before a command that shall see the member's volume; empty where it has none. */
  enter: string[];
}

/** Starts the command and returns once its PID 1 is known; throws when that takes longer than ten seconds. */
export async function startContainer(options: ContainerOptions): Promise<Container> {
  const { namespaces, deathSignal } = options.isolation;
  const words = [
    ...(deathSignal ? ['setpriv', '--pdeathsig', 'KILL'] : []),
    ...options.prefix,
    ...entering(options),
    ...(namespaces ? isolated(options.passwd, options.command) : options.command),
  ];
  const [file = '', ...args] = words;
  const child = spawn(file, args, { cwd: options.cwd, env: options.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.pipe(options.log, { end: false });
  child.stderr.pipe(options.log, { end: false });
  const ended = new Promise<ContainerExit>((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: undefined }));
    child.once('exit', (code, signal) => resolve({ code: code ?? 128 + signalNumber(signal), signal: signal ?? undefined }));
  });
  const outer = child.pid === undefined ? undefined : identify(child.pid);
  if (outer === undefined) throw new Error(`the container did not start: ${file}`);
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const pid1 = namespaces ? await findInit(outer, () => over) : outer;
  const depth = namespacePids(outer.pid).length;
  return {
    id: `lab://${randomBytes(32).toString('hex')}`,
    startedAt: new Date().toISOString(),
    pid1,
    processes: () => (namespaces ? family(pid1) : merge(family(outer), withEnvironment(options.mark))),
    innerPid: (pid) => namespacePids(pid)[namespaces ? depth : depth - 1] ?? pid,
    ended,
  };
}

/** Into the volume's namespace, and back to the working directory. */
function entering({ enter, cwd }: ContainerOptions): string[] {
  return enter.length === 0 ? [] : [...enter, 'sh', '-c', 'cd "$0" && exec "$@"', cwd];
}

/** The child of `unshare` is PID 1 in there; it exists a moment after the start. */
async function findInit(outer: ProcessId, over: () => boolean): Promise<ProcessId> {
  const depth = namespacePids(outer.pid).length;
  const end = performance.now() + 10_000;
  while (performance.now() < end) {
    const init = family(outer).find((id) => namespacePids(id.pid)[depth] === 1);
    if (init !== undefined) return init;
    // It may have ended already: the exit tells the rest.
    if (over()) return outer;
    await sleep(5);
  }
  throw new Error('the container did not start: no PID 1 within ten seconds');
}

function merge(first: ProcessId[], second: ProcessId[]): ProcessId[] {
  const seen = new Set(first.map((id) => id.pid));
  return [...first, ...second.filter((id) => !seen.has(id.pid))];
}

const numbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : (numbers[signal] ?? 0);
}
