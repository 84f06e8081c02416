// The one door of the contract suite to a server: the stand-in, or with GAUSSHOME set a real openGauss. It makes data
// directories, runs programs, reads files; it knows no expectations. Every run has a deadline, every instance is gone at the end.
import './isolation.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Is a real openGauss under test? */
export const real = (process.env['GAUSSHOME'] ?? '') !== '';

/** The installation under test. */
export const home = real ? (process.env['GAUSSHOME'] as string) : fileURLToPath(new URL('..', import.meta.url));

/** What a program did. */
export interface Run {
  code: number | null;
  out: string;
  err: string;
}

/** One data directory and the programs pointed at it. */
export interface Instance {
  name: string;
  data: string;
  port: number;
  log: string;
  /** gs_ctl COMMAND -D data …; words may hold options. */
  ctl(command: string, ...words: string[]): Promise<Run>;
  /** gs_guc set|reload -D data -c … */
  guc(how: 'set' | 'reload', ...settings: string[]): Promise<Run>;
  /** One statement as the initial user over the socket; `maintenance` is gsql -m. */
  sql(statement: string, maintenance?: boolean): Promise<Run>;
  /** The value of a one-row statement, columns separated by |; throws with the complaint. */
  value(statement: string): Promise<string>;
  /** role|db_state|detail of a running server, '' when it does not answer. */
  state(): Promise<string>;
  file(name: string): Buffer;
  exists(name: string): boolean;
  pid(): number;
}

/** The initial user: the operating system's, as openGauss wants it. */
export const user = ownName();

function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'omm';
  }
}

const RUN_MS = real ? 400_000 : 120_000;
const root = mkdtempSync(join(tmpdir(), 'ogc-'));
const started: Instance[] = [];
const children = new Set<ChildProcess>();

/** The socket directory shared by the instances of this file. */
export const sockets = root;

function environment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { GAUSSLOG: _log, PGDATA: _data, ...rest } = process.env;
  return {
    ...rest,
    GAUSSHOME: home,
    PATH: `${join(home, 'bin')}:${process.env['PATH'] ?? ''}`,
    LD_LIBRARY_PATH: real ? join(home, 'lib') : '',
    LC_ALL: 'C',
    PGHOST: root,
    PGCONNECT_TIMEOUT: '10',
    ...extra,
  };
}

/** Starts a program of the installation and leaves it running. */
export function launch(program: string, words: readonly string[], extra: Record<string, string> = {}): ChildProcess {
  const child = spawn(program, words, { env: environment(extra), stdio: ['ignore', 'pipe', 'pipe'], cwd: root });
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

/** Runs a program to its end, stdin empty. */
export function run(program: string, words: readonly string[], extra: Record<string, string> = {}): Promise<Run> {
  const child = launch(program, words, extra);
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS);
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return new Promise((resolve) => {
    const end = (code: number | null): void => {
      clearTimeout(timer);
      // A server started without -l keeps the pipe open; its output is complete once the program itself is gone.
      setTimeout(() => resolve({ code, out, err }), 0);
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    child.on('error', () => end(127));
    child.on('exit', (code) => setTimeout(() => end(code), 30));
  });
}

/** Asks until the answer satisfies; fails with the last answer after the deadline. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  good: (answer: T) => boolean,
  what: string,
  ms = 30_000,
): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(answer)} after ${ms} ms`);
    await sleep(100);
  }
}

function free(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

async function freePorts(): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    // Below the ports that the kernel gives to outgoing connections, which would be taken while a server is down.
    const port = 20_000 + 10 * Math.floor(Math.random() * 1200);
    const all = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((step) => free(port + step)));
    if (all.every(Boolean)) return port;
  }
  throw new Error('no free ports');
}

/** Settings that let a real openGauss live in a small machine. */
const SMALL = [
  "shared_buffers = '64MB'",
  "cstore_buffers = '16MB'",
  "max_process_memory = '3GB'",
  "bulk_write_ring_size = '64MB'",
  'enable_alarm = off',
  'max_connections = 100',
];

function instance(name: string, port: number): Instance {
  const data = join(root, name);
  const log = join(root, `${name}.log`);
  const ctl = async (command: string, ...words: string[]): Promise<Run> => {
    const done = await run('gs_ctl', [command, '-D', data, ...words]);
    if (done.code !== 0 && words.includes('-l') && existsSync(log)) done.err += `\n${readFileSync(log, 'utf8').slice(-2000)}`;
    return done;
  };
  const sql = (statement: string, maintenance = false): Promise<Run> =>
    run('gsql', ['-U', user, '-d', 'postgres', '-p', String(port), '-A', '-t', ...(maintenance ? ['-m'] : []), '-c', statement]);
  const read = (file: string): Buffer => readFileSync(join(data, file));
  return {
    name,
    data,
    port,
    log,
    ctl,
    sql,
    guc: (how, ...settings) => run('gs_guc', [how, '-D', data, ...settings.flatMap((setting) => ['-c', setting])]),
    async value(statement) {
      const answer = await sql(statement);
      if (answer.code !== 0) throw new Error(`${name}: ${statement}: ${answer.err}${answer.out}`);
      return answer.out.trim();
    },
    async state() {
      const answer = await sql('select local_role, db_state, detail_information from pg_stat_get_stream_replications()', true);
      return answer.out.trim();
    },
    file: read,
    exists: (file) => existsSync(join(data, file)),
    pid: () => Number(read('postmaster.pid').toString().split('\n')[0]),
  };
}

/** Appends lines to postgresql.conf. */
export function configure(of: Instance, ...lines: string[]): void {
  appendFileSync(join(of.data, 'postgresql.conf'), `${lines.join('\n')}\n`);
}

let template: Promise<string> | undefined;

/** One gs_initdb per test file; every instance begins as a copy of its directory. */
async function initdb(): Promise<string> {
  const data = join(root, 'template');
  const words = ['-D', data, '--nodename=n0', '-U', user, '-w', 'Contract@123', '--locale=C', '-E', 'UTF8'];
  await must(run('gs_initdb', words));
  return data;
}

/** Makes a fresh data directory; it belongs to no cluster yet. */
export async function initialised(name: string): Promise<Instance> {
  template ??= initdb();
  const made = instance(name, await freePorts());
  await must(run('cp', ['-a', await template, made.data]));
  const conf = join(made.data, 'postgresql.conf');
  writeFileSync(conf, readFileSync(conf, 'utf8').replaceAll("pgxc_node_name = 'n0'", `pgxc_node_name = '${name}'`));
  configure(
    made,
    `port = ${made.port}`,
    "listen_addresses = 'localhost'",
    `unix_socket_directory = '${root}'`,
    'sync_config_strategy = none_node',
    'max_wal_senders = 10',
    ...(real ? SMALL : []),
  );
  started.push(made);
  return made;
}

/** The replconninfo lines of a member towards the others. */
function connections(me: Instance, all: readonly Instance[]): string[] {
  return all
    .filter((other) => other !== me)
    .map(
      (other, i) =>
        `replconninfo${i + 1} = 'localhost=127.0.0.1 localport=${me.port + 1} remotehost=127.0.0.1 remoteport=${other.port + 1}'`,
    );
}

/** A cluster n1 (primary) … nN (standbys made by full builds), asynchronous, all Normal. */
export async function cluster(size: number): Promise<Instance[]> {
  const members: Instance[] = [];
  for (let i = 1; i <= size; i++) members.push(await initialised(`n${i}`));
  for (const member of members) {
    configure(member, `application_name = '${member.name}'`, "synchronous_standby_names = ''", ...connections(member, members));
  }
  const [first, ...others] = members as [Instance, ...Instance[]];
  await must(first.ctl('start', '-M', 'primary', '-l', first.log));
  await Promise.all(others.map((other) => must(other.ctl('build', '-b', 'full', '-l', other.log))));
  await Promise.all(others.map((other) => normal(other)));
  return members;
}

/** The run, which must have ended with 0. */
export async function must(running: Promise<Run>): Promise<Run> {
  const done = await running;
  if (done.code !== 0) throw new Error(`exit ${done.code}\n${done.out}${done.err}`);
  return done;
}

/** Waits until a standby streams; complains with the end of its log. */
export async function normal(standby: Instance): Promise<void> {
  try {
    await eventually(
      () => standby.state(),
      (state) => state === 'Standby|Normal|Normal',
      `${standby.name} to stream`,
    );
  } catch (error) {
    const log = existsSync(standby.log) ? readFileSync(standby.log, 'utf8').slice(-3000) : '';
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${log}`);
  }
}

/** Sends a signal to the server. */
export function send(to: Instance, signal: NodeJS.Signals): number {
  const pid = to.pid();
  process.kill(pid, signal);
  return pid;
}

/** Is there a process of this pid that is not merely waiting to be reaped? */
export function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** One prefixed gs_ctl line. */
export const line = (text: string, node = ''): string => `[T][P][${node}][gs_ctl]: ${text}`;

/** gs_ctl's text with what differs from run to run replaced: times, pids, the data directory, ports, positions, the number of dots. */
export function normalise(text: string, of?: Instance): string {
  let out = text
    .replaceAll(/\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[\d+\]/g, '[T][P]')
    .replaceAll(/\(PID: \d+\)/g, '(PID: P)');
  if (of !== undefined) {
    out = out.replaceAll(of.data, 'DATA').replaceAll(join(home, 'bin/gaussdb'), 'gaussdb');
    out = out
      .replaceAll(`:${of.port + 1}`, ':HA')
      .replaceAll(`:${of.port}`, ':PORT')
      .replaceAll(/:\d{4,5}\b/g, ':OTHER');
  }
  return out
    .replaceAll(/^(\.+)$/gm, '.')
    .replaceAll(/(shut down|switchover)\.{3,}/g, '$1...')
    .replaceAll(/((?:sender|receiver)_pid +: )\d+/g, '$1P')
    .replaceAll(/\b[0-9A-F]{1,8}\/[0-9A-F]{1,8}\b/g, 'LSN');
}

after(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const one of started) {
    if (!one.exists('postmaster.pid')) continue;
    const pid = one.pid();
    for (const signal of ['SIGCONT', 'SIGKILL'] as const) {
      try {
        process.kill(pid, signal);
      } catch {
        // It is gone already.
      }
    }
    await eventually(
      () => lives(pid),
      (alive) => !alive,
      `${one.name} to be gone`,
      10_000,
    );
  }
  rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});
