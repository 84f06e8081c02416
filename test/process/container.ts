/**
 * Starts the shipped entrypoint.sh with a stub for the agent, as an ordinary process or as PID 1 of a namespace, and
 * cleans up after itself. The stub notes what happens to it in a file; what it does on `run` is the test's bash text.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync, openSync, closeSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ServerProcess } from '../../agent/core/model.ts';

export const entrypointDir = fileURLToPath(new URL('../../entrypoint/', import.meta.url));

const namespaceArgs = ['--user', '--map-user=70', '--map-group=70', '--pid', '--fork', '--kill-child', '--mount', '--mount-proc'];

/** Whether this machine lets us make PID namespaces. */
export function namespacesWork(): boolean {
  return spawnSync('unshare', [...namespaceArgs, 'true'], { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

const idle = 'exec 8<> <(:); while :; do read -r -t 0.05 -u 8; done';

const stub = `note() { printf '%s %s %s\\n' "$1" "$$" "$OG_INCARNATION" >>"$STUB_DIR/notes"; }
idle() { ${idle}; }
note "$1"
if [ "$1" = preflight ]; then eval "$STUB_PREFLIGHT"; exit 0; fi
trap 'note term; exit "$STUB_TERM_CODE"' TERM
eval "$STUB_RUN"
idle
`;

export interface ContainerOptions {
  /** Bash text of the stub's preflight and run. */
  preflight?: string;
  run?: string;
  /** What the stub exits with on SIGTERM. */
  termCode?: number;
  namespace?: boolean;
  env?: Record<string, string>;
  /** Keeps the directory of an earlier container, as an emptyDir does. */
  dir?: string;
  /** Nobody reads what the container prints. */
  deaf?: boolean;
}

export interface Note {
  what: string;
  pid: number;
  incarnation: string;
}

export interface Container {
  dir: string;
  runDir: string;
  child: ChildProcess;
  /** Resolves with the exit code, or 128 + 9 when it was killed. */
  ended: Promise<number>;
  notes(): Note[];
  output(): string;
  /** Raw bytes into the FIFO, as anybody might write them. */
  write(text: string): void;
  stop(): Promise<void>;
}

/** Starts the entrypoint. */
export function startContainer(options: ContainerOptions = {}): Container {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'og-ep-'));
  const runDir = join(dir, 'run');
  writeFileSync(join(dir, 'agent.sh'), stub);
  writeFileSync(join(dir, 'notes'), '');
  const words = [...(options.namespace === true ? ['unshare', ...namespaceArgs] : []), join(entrypointDir, 'entrypoint.sh')];
  const child = spawn(words[0] ?? '', words.slice(1), {
    env: {
      PATH: process.env['PATH'] ?? '',
      OG_RUN_DIR: runDir,
      // Nowhere, unless a test has a volume.
      OG_DATA_DIR: join(dir, 'none'),
      OG_AGENT_COMMAND: `bash ${dir}/agent.sh`,
      STUB_DIR: dir,
      STUB_PREFLIGHT: options.preflight ?? 'true',
      STUB_RUN: options.run ?? 'true',
      STUB_TERM_CODE: String(options.termCode ?? 0),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  if (options.deaf !== true) {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 137)));
  const notes = () => readNotes(join(dir, 'notes'));
  return {
    dir,
    runDir,
    child,
    ended,
    notes,
    output: () => output,
    write(text) {
      const fd = openSync(join(runDir, 'fence'), constants.O_WRONLY | constants.O_NONBLOCK);
      writeSync(fd, text);
      closeSync(fd);
    },
    async stop() {
      const left = [...new Set(notes().map((note) => note.pid))];
      child.kill('SIGKILL');
      await ended;
      if (options.namespace !== true) for (const pid of left) if (isStub(pid, dir)) process.kill(pid, 'SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function isStub(pid: number, dir: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(dir);
  } catch {
    return false;
  }
}

function readNotes(path: string): Note[] {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const [what = '', pid = '0', incarnation = ''] = line.split(' ');
    return { what, pid: Number(pid), incarnation };
  });
}

/** Waits for a condition; throws with its name when the deadline passes. */
export async function eventually(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await sleep(10);
  }
}

/** A process that stands for the server: it does nothing and can be told apart by its start time. */
export interface StandInServer {
  process: ServerProcess;
  /** Boot time in seconds at which it was seen to end. */
  ended: Promise<number>;
  alive(): boolean;
  signal: () => NodeJS.Signals | null;
  kill(): void;
}

/** Starts one. */
export function startServer(): StandInServer {
  const child = spawn('sleep', ['300'], { stdio: 'ignore' });
  const pid = child.pid ?? 0;
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  const ended = new Promise<number>((resolve) => child.once('exit', () => resolve(uptime())));
  return {
    process: { pid, startTime },
    ended,
    alive: () => child.exitCode === null && child.signalCode === null,
    signal: () => child.signalCode,
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Boot time in seconds. */
export function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
}

/** One line of the fence protocol. */
export function line(process: ServerProcess, deadline: number): string {
  return `${deadline.toFixed(2)} ${process.pid} ${process.startTime}\n`;
}

/** What PID 1 echoed last; empty when nothing. */
export function echoed(container: Container): string {
  try {
    return readFileSync(join(container.runDir, 'fence.echo'), 'latin1');
  } catch {
    return '';
  }
}
