// A small cluster of stand-in instances for tests: directories under the system's temporary one, loopback addresses of its own, processes
// that it started and ends itself. It drives gaussdb directly, by its files and signals, as gs_ctl does.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { readPidFile, readText, writeTerm } from '../shared/state.ts';

const bin = join(import.meta.dirname, '..', 'bin');
const run = promisify(execFile);

/** Waits until `look` gives something true; fails with the sentence past the deadline. */
export async function until<T>(sentence: string, look: () => Promise<T> | T, deadlineMs = 20_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen) return seen;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(`not seen in ${deadlineMs} ms: ${sentence}${last instanceof Error ? ` (${last.message})` : ''}`);
    await sleep(10);
  }
}

/** One instance. */
export interface Member {
  name: string;
  address: string;
  pgdata: string;
  socketDirectory: string;
  start(mode: string | undefined): void;
  pid(): number;
  signal(name: NodeJS.Signals): void;
  /** writes a request file and SIGUSR1 */
  request(file: string, term?: number): void;
  /** adds a line to postgresql.conf; `reload` makes it take effect */
  configure(line: string): void;
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[], options?: pg.ClientConfig): Promise<Row[]>;
  client(options?: pg.ClientConfig): Promise<pg.Client>;
  state(): Promise<{ local_role: string; db_state: string; detail_information: string }>;
  /** waits for a role and state */
  becomes(role: string, dbState?: string): Promise<unknown>;
  ended(): Promise<number | null>;
  log(): string;
}

/** The members and their end. */
export interface Cluster {
  members: Member[];
  port: number;
  environment: NodeJS.ProcessEnv;
  faults: string;
  close(): Promise<void>;
}

const alive = (child: ChildProcess | undefined) => child !== undefined && child.exitCode === null && child.signalCode === null;
const octet = () => 1 + Math.floor(Math.random() * 253);

/** The running server of a data directory, whoever started it. */
function serverOf(pgdata: string): number | undefined {
  const pid = readPidFile(pgdata)?.pid;
  return pid !== undefined && readText(`/proc/${pid}/cmdline`)?.includes(pgdata) ? pid : undefined;
}

/** Makes a cluster; its first member is initialised, the others are copies of it. Nothing is started. */
export async function createCluster(size: number, extra: string[] = []): Promise<Cluster> {
  const root = mkdtempSync(join(tmpdir(), 'ogs-'));
  const net = `127.${octet()}.${octet()}`;
  // Below the ports that the kernel lends (from 32768 on).
  const port = 20_000 + Math.floor(Math.random() * 6000) * 2;
  const faults = join(root, 'faults');
  mkdirSync(faults);
  const environment = { ...process.env, OG_STANDIN_FAULTS: faults, PGHOST: '' };
  const children = new Set<ChildProcess>();
  const clients = new Set<pg.Client>();
  const names = Array.from({ length: size }, (_, i) => `n${i + 1}`);
  const first = join(root, 'n1', 'data');
  mkdirSync(join(root, 'n1'));
  await run(join(bin, 'gs_initdb'), ['-D', first, '--nodename=n1', '-U', 'omm', '-w', 'Gauss@123'], { env: environment });

  const members = names.map((name, index): Member => {
    const pgdata = join(root, name, 'data');
    const socketDirectory = join(root, name);
    const address = `${net}.${index + 1}`;
    const logFile = join(root, name, 'log');
    mkdirSync(socketDirectory, { recursive: true });
    if (index > 0) execFileSync('cp', ['-a', first, pgdata]);
    const peers = names.map((_, other) => other).filter((other) => other !== index);
    const lines = [
      `port = ${port}`,
      `listen_addresses = '${address}'`,
      `unix_socket_directory = '${socketDirectory}'`,
      `application_name = '${name}'`,
      `pgxc_node_name = '${name}'`,
      ...peers.map(
        (other, i) =>
          `replconninfo${i + 1} = 'localhost=${address} localport=${port + 1} remotehost=${net}.${other + 1} remoteport=${port + 1}'`,
      ),
      `synchronous_standby_names = ''`,
      'sync_config_strategy = none_node',
      ...extra,
    ];
    writeFileSync(
      join(pgdata, 'postgresql.conf'),
      `${readFileSync(join(first, 'postgresql.conf'), 'utf8').split('# test lines')[0]}# test lines\n${lines.join('\n')}\n`,
    );
    let child: ChildProcess | undefined;
    const member: Member = {
      name,
      address,
      pgdata,
      socketDirectory,
      start(mode) {
        const words = [join(bin, 'gaussdb'), '-D', pgdata, ...(mode === undefined ? [] : ['-M', mode])];
        const started = spawn('/bin/sh', ['-c', 'exec "$@" >>"$0" 2>&1', logFile, ...words], {
          env: environment,
          stdio: 'ignore',
          detached: true,
        });
        child = started;
        children.add(started);
        started.on('exit', () => children.delete(started));
      },
      pid: () => readPidFile(pgdata)?.pid ?? 0,
      // a member that a tool has started anew is nobody's child here
      signal: (signal) => process.kill(alive(child) ? (child?.pid ?? 0) : member.pid(), signal),
      request(file, term) {
        if (term !== undefined) writeTerm(pgdata, term);
        writeFileSync(join(pgdata, file), '');
        member.signal('SIGUSR1');
      },
      configure(line) {
        const file = join(pgdata, 'postgresql.conf');
        writeFileSync(file, `${readFileSync(file, 'utf8')}${line}\n`);
      },
      async client(options = {}) {
        const client = new pg.Client({
          host: socketDirectory,
          port,
          user: 'omm',
          database: 'postgres',
          connectionTimeoutMillis: 5_000,
          ...options,
        });
        client.on('error', () => {});
        await client.connect();
        clients.add(client);
        client.on('end', () => clients.delete(client));
        return client;
      },
      async sql(text, values = [], options = {}) {
        const client = await member.client(options);
        try {
          return (await client.query(text, values)).rows as never;
        } finally {
          await client.end();
        }
      },
      async state() {
        const [row] = await member.sql<{ local_role: string; db_state: string; detail_information: string }>(
          'select * from pg_stat_get_stream_replications()',
        );
        if (row === undefined) throw new Error('no row');
        return row;
      },
      becomes: (role, dbState = 'Normal') =>
        until(`${name} is ${role}/${dbState}`, async () => {
          const state = await member.state();
          return state.local_role === role && state.db_state === dbState;
        }),
      async ended() {
        await until(`${name} has ended`, () => !alive(child) && serverOf(pgdata) === undefined);
        return child?.exitCode ?? null;
      },
      log: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''),
    };
    return member;
  });

  return {
    members,
    port,
    environment,
    faults,
    async close() {
      for (const client of clients) client.end().catch(() => {});
      for (const child of children) child.kill('SIGKILL');
      for (const member of members) {
        const pid = serverOf(member.pgdata);
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      }
      await until('all instances are gone', () => children.size === 0).catch(() => {});
      await sleep(50);
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
