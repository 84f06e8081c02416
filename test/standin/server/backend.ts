// The PostgreSQL behind an instance: its process, its configuration file, its start, stop, reload and promotion. One server at a time.
// It knows nothing of roles, peers or clients; what its log says is handed on line by line.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { giveToPostgres, openTheWay, type Postgres, postgresData, serverPrefix } from '../shared/postgres.ts';
import { processState, readText, replaceFile } from '../shared/state.ts';
import { type Control, openControl } from './control.ts';
import { backendSocket, privateHba, privateSockets } from './render.ts';

/** Holds the pid and start time of the server last started; beside the sockets, where no build copies it to another member. */
const serverFile = `${privateSockets}/og_server.pid`;

/** How PostgreSQL is to go down. */
export type StopMode = 'fast' | 'immediate' | 'kill';

/** One PostgreSQL server. */
export interface Backend {
  /** Makes the data directory ready, once a former server is gone. */
  prepare(standby: boolean): Promise<void>;
  /** Starts it; resolves with a control connection when it takes connections, undefined when it died first. */
  start(): Promise<Control | undefined>;
  /** Writes the configuration and makes it take effect. */
  configure(conf: string): void;
  stop(mode: StopMode): Promise<void>;
  /** Asks a standby to end recovery. */
  promote(): void;
  running(): boolean;
  pid(): number | undefined;
}

/** What the backend tells its owner. */
export interface BackendEvents {
  log(line: string): void;
  /** it went away without being asked to */
  died(code: number | null, signal: NodeJS.Signals | null): void;
  started(pid: number): void;
}

function childOf(pid: number): number | undefined {
  const text = readText(`/proc/${pid}/task/${pid}/children`)?.trim();
  const first = Number(text?.split(' ')[0] ?? '');
  return Number.isFinite(first) && first > 0 ? first : undefined;
}

/** Hands a stream on line by line. */
function watchLog(stream: NodeJS.ReadableStream | null, log: (line: string) => void): void {
  let rest = '';
  stream?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) log(line);
  });
}

/** Makes the data directory ready for a start: sockets, signal file, no remains of the last one. */
function prepare(pgdata: string, standby: boolean): void {
  const data = postgresData(pgdata);
  rmSync(privateSockets, { recursive: true, force: true });
  mkdirSync(join(privateSockets, 'relay'), { recursive: true });
  rmSync(join(data, 'og_calls'), { recursive: true, force: true });
  mkdirSync(join(data, 'og_calls'), { mode: 0o700 });
  for (const name of ['postmaster.pid', 'promote', 'recovery.signal']) rmSync(join(data, name), { force: true });
  writeFileSync(join(data, 'pg_hba.conf'), privateHba);
  for (const path of [privateSockets, join(privateSockets, 'relay'), join(data, 'pg_hba.conf'), join(data, 'og_calls')])
    giveToPostgres(path);
  openTheWay(pgdata);
  if (standby) {
    writeFileSync(join(data, 'standby.signal'), '');
    giveToPostgres(join(data, 'standby.signal'));
    // a standby of openGauss has no replication slots
    const slots = join(data, 'pg_replslot');
    for (const slot of existsSync(slots) ? readdirSync(slots) : []) rmSync(join(slots, slot), { recursive: true, force: true });
  } else rmSync(join(data, 'standby.signal'), { force: true });
}

/** Waits until a server that was left by a killed gaussdb is gone: as the first of its namespace it goes last of all. */
async function formerGone(): Promise<void> {
  const [pid = '0', startTime = ''] = (readText(serverFile) ?? '').trim().split(' ');
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 5) {
    const state = processState(Number(pid));
    if (state === undefined || state.startTime !== startTime || 'ZX'.includes(state.state)) return;
    await sleep(5);
  }
}

/** The backend of one data directory. The caller's working directory must be PGDATA. */
export function createBackend(postgres: Postgres, user: string, pgdata: string, events: BackendEvents): Backend {
  const data = postgresData(pgdata);
  const prefix = serverPrefix();
  const namespaced = prefix.includes('--pid');
  let child: ChildProcess | undefined;
  let server: number | undefined;
  let stopping = false;

  function signal(name: NodeJS.Signals): void {
    if (child === undefined || server === undefined) return;
    try {
      process.kill(server, name);
    } catch {
      // it ended in between
    }
  }

  async function findServer(started: ChildProcess): Promise<void> {
    if (!namespaced) server = started.pid;
    while (server === undefined && child === started && started.exitCode === null) {
      server = childOf(started.pid ?? 0);
      if (server === undefined) await sleep(2);
    }
    if (server === undefined) return;
    writeFileSync(serverFile, `${server} ${processState(server)?.startTime ?? ''}\n`);
    events.started(server);
  }

  return {
    configure(conf) {
      replaceFile(join(data, 'postgresql.conf'), conf, false);
      giveToPostgres(join(data, 'postgresql.conf'));
      if (existsSync(backendSocket)) signal('SIGHUP');
    },
    async prepare(standby) {
      await formerGone();
      prepare(pgdata, standby);
    },
    async start() {
      stopping = false;
      const [program = '', ...words] = [...prefix, join(postgres.bin, 'postgres'), '-D', data];
      const started = spawn(program, words, {
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
        env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: process.env['TZ'] ?? 'UTC' },
      });
      child = started;
      server = undefined;
      watchLog(started.stdout, events.log);
      watchLog(started.stderr, events.log);
      started.on('error', (error) => events.log(`FATAL:  could not start PostgreSQL: ${error.message}`));
      started.on('exit', (code, signalName) => {
        if (child !== started) return;
        child = undefined;
        server = undefined;
        if (!stopping) events.died(code, signalName);
      });
      await findServer(started);
      while (child === started) {
        const control = existsSync(backendSocket) ? await openControl(backendSocket, user, 2_000) : undefined;
        if (control !== undefined) return control;
        await sleep(10);
      }
      return undefined;
    },
    async stop(mode) {
      const ending = child;
      if (ending === undefined) return;
      stopping = true;
      const gone = new Promise<void>((resolve) => {
        ending.once('exit', () => resolve());
        if (ending.exitCode !== null || ending.signalCode !== null) resolve();
      });
      if (mode === 'kill') ending.kill('SIGKILL');
      signal(mode === 'fast' ? 'SIGINT' : mode === 'immediate' ? 'SIGQUIT' : 'SIGKILL');
      await gone;
    },
    promote() {
      writeFileSync(join(data, 'promote'), '');
      giveToPostgres(join(data, 'promote'));
      signal('SIGUSR1');
    },
    running: () => child !== undefined,
    pid: () => server,
  };
}
