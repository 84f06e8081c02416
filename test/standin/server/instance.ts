// One openGauss instance: puts settings, PostgreSQL, relay, sessions and sockets together, starts them in order, and ends them together.
// Changes of role are in roles.ts; what each part does is in its own file. The working directory of the process is PGDATA.
import { type ChildProcess, spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fault, faultMs } from '../shared/faults.ts';
import { delayMs, paced } from '../shared/pace.ts';
import { type Postgres, postgresData } from '../shared/postgres.ts';
import { type Mode, readLock, readText, renderPidFile, replaceFile } from '../shared/state.ts';
import type { Refusal } from './admission.ts';
import { createBackend, type StopMode } from './backend.ts';
import { takeCall } from './calls.ts';
import { resolveSettings, type Settings } from './conf.ts';
import type { Context } from './context.ts';
import { readHba } from './hba.ts';
import { createListeners, type Wanted } from './listeners.ts';
import { createLive, forever, writeJson } from './live.ts';
import type { StartOptions } from './options.ts';
import { createRelay } from './relay.ts';
import { ownSettings, privateSockets, renderPostgres } from './render.ts';
import { demote, handleRequests, promote, writeOpts } from './roles.ts';
import { createSenders } from './senders.ts';
import { createSessions } from './sessions.ts';
import { shippedConf, watchConf } from './shipping.ts';
import { readHistory } from './terms.ts';
import { adoptHistories, readHistories } from './timelines.ts';
import { confName, demoteName } from './peers.ts';

/** A running instance. */
export interface Instance {
  /** starts it; resolves when it takes connections, or is about to end */
  start(): Promise<void>;
  stop(mode: StopMode): Promise<void>;
  reload(): Promise<void>;
  requests(): Promise<void>;
}

/** The role an instance starts in. */
function startRole(options: StartOptions, settings: Settings): Mode {
  return options.role ?? (settings.peers().length > 0 ? 'Primary' : 'Normal');
}

function wantedSockets(settings: Settings): Wanted {
  return {
    port: settings.number('port'),
    listenAddresses: settings.get('listen_addresses'),
    socketDirectory: settings.get('unix_socket_directory') || process.env['PGHOST'] || '/tmp',
    socketMode: Number.parseInt(settings.get('unix_socket_permissions') || '0700', 8),
    replication: settings.peers().map((peer) => ({ host: peer.localHost, port: peer.localPort })),
  };
}

async function memberAddresses(settings: Settings): Promise<string[]> {
  const found = settings.peers().map((peer) =>
    lookup(peer.remoteHost)
      .then(({ address }) => address)
      .catch(() => peer.remoteHost),
  );
  return Promise.all(found);
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString().replace('T', ' ').slice(0, 23)} [BACKEND] ${line}\n`);
}

/** Names kept as og.<name>. */
function ownNames(settings: Settings): Set<string> {
  return new Set(ownSettings(settings).keys());
}

/** Puts an instance together; nothing runs before start(). */
export function createInstance(options: StartOptions, postgres: Postgres, initialUser: string): Instance {
  const { pgdata } = options;
  const readSettings = (before: Settings | undefined) =>
    resolveSettings(readText('postgresql.conf') ?? '', options.given, before, (text) => log(`LOG:  ${text}`));
  const settings = readSettings(undefined);
  const role = startRole(options, settings);
  const first = settings.peers()[0];
  let watcher: ChildProcess | undefined;

  const live = createLive(pgdata, {
    role,
    connections: settings.peers().length,
    dbState: 'Starting',
    reason: 'Normal',
    term: 1,
    hideTerm: false,
    lock: readLock(pgdata),
    localHost: first?.localHost ?? '',
    localPort: first?.localPort ?? 0,
    redoFinished: false,
    receiveUntil: 0,
    receiver: undefined,
    senders: new Map(),
    mostAvailable: settings.bool('most_available_sync'),
    connectIndex: 1,
  });

  const backend = createBackend(postgres, initialUser, pgdata, {
    log(line) {
      if (line !== '' && !/^(STATEMENT|CONTEXT):/.test(line) && !takeCall(context, line)) log(line);
    },
    started: (pid) => watcher?.stdin?.write(`${pid}\n`),
    died(code, signal) {
      if (context.stopping) return;
      log(`LOG:  server process ended with ${signal ?? `code ${code}`}`);
      if (context.control === undefined && code === 1) void finish(1);
      else context.panic('the server behind ended');
    },
  });

  const relay = createRelay({
    peers: () => context.settings.peers(),
    lock: () => live.facts().lock,
    systemId: () => context.systemId,
    cascade: () => live.facts().role === 'Cascade Standby',
    applicationName: () => context.settings.get('application_name'),
    slotName() {
      const own = context.settings;
      const { localHost, localPort } = live.facts();
      return (
        own.get('primary_slotname') || own.get('application_name') || `${own.get('pgxc_node_name')}_${localHost}_${localPort}`
      );
    },
    log,
    async history() {
      if (context.unchecked) return 'unchecked';
      return context.control === undefined ? undefined : readHistory(context.control, true);
    },
    async adopt(primary) {
      if (!adoptHistories(join(postgresData(pgdata), 'pg_wal'), primary.files)) return false;
      log('LOG:  the local server was on a branch of the WAL that the primary does not follow; it starts anew');
      context.control?.close();
      context.control = undefined;
      await backend.stop('fast');
      await context.launch(true);
      return true;
    },
    attached(_peer, channel, peerRole, catchingUp) {
      context.unchecked = false;
      live.update({
        dbState: catchingUp ? 'Catchup' : 'Normal',
        reason: 'Normal',
        receiver: { channel, peerRole },
        receiveUntil: forever,
        redoFinished: false,
      });
    },
    detached() {
      context.streamEnded = Date.now();
      const { dbState } = live.facts();
      const changing = dbState === 'Wait promoting' || dbState === 'Promoting';
      live.update({
        receiver: undefined,
        receiveUntil: Date.now() + delayMs('receiveNullMs'),
        ...(changing ? {} : { dbState: 'Need repair', reason: 'Normal' }),
      });
    },
    reason: (reason) => live.update({ reason, dbState: 'Need repair' }),
    drained() {
      const waitMs = Math.max(delayMs('redoFinishedMs') - (Date.now() - context.streamEnded), 0);
      const since = context.streamEnded;
      setTimeout(() => {
        if (context.streamEnded === since && live.facts().receiver === undefined) live.update({ redoFinished: true });
      }, waitMs).unref();
    },
  });

  /** A standby without hot_standby takes nobody. */
  function coldStandby(): Refusal | undefined {
    const standby = ['Standby', 'Cascade Standby'].includes(live.facts().role);
    return standby && !context.settings.bool('hot_standby')
      ? { code: '57P03', text: 'can not accept connection if hot standby off' }
      : undefined;
  }

  const senders = createSenders(() => context);
  const sessions = createSessions({
    gate: () => ({
      initialUser,
      role: live.facts().role,
      closed: context.closed ?? coldStandby(),
      hba: context.hba,
      members: context.members,
    }),
    control: () => context.control,
    ownNames: () => context.own,
    clientLimit: () => Math.min(context.settings.number('max_connections'), 110),
    opened: senders.opened,
    closed: senders.closed,
    async question(name) {
      if (name === demoteName)
        return new Promise((resolve) => void demote(context, () => resolve('demoted')).then(() => resolve('refused')));
      if (name === confName) return shippedConf(context.settings.get('sync_config_strategy'));
      const { role: current, dbState } = live.facts();
      if (current !== 'Primary' && !context.settings.peers().some((peer) => peer.cascade))
        return JSON.stringify({ role: current });
      const history =
        context.control === undefined
          ? undefined
          : await readHistory(context.control, current !== 'Primary' && current !== 'Normal');
      if (history === undefined) return 'unknown';
      return JSON.stringify({
        role: current,
        dbState,
        systemId: context.systemId,
        history,
        files: readHistories(join(postgresData(pgdata), 'pg_wal')),
      });
    },
  });
  const listeners = createListeners((socket, origin) => sessions.accept(socket, origin));

  const context: Context = {
    options,
    pgdata,
    postgres,
    initialUser,
    live,
    backend,
    relay,
    sessions,
    settings,
    own: ownNames(settings),
    hba: readHba(readText('pg_hba.conf') ?? ''),
    members: [],
    control: undefined,
    systemId: '',
    closed: { code: '57P03', text: 'the database system is starting up' },
    unchecked: existsSync(join(postgresData(pgdata), 'backup_label')),
    standalone: settings.bool('most_available_sync'),
    streamEnded: 0,
    busy: false,
    stopping: false,
    log,
    configure() {
      const synchronous =
        live.facts().role !== 'Normal' && context.settings.bool('enable_stream_replication') && !context.standalone;
      writeJson(pgdata, 'og_settings.json', Object.fromEntries(ownSettings(context.settings)));
      backend.configure(renderPostgres({ settings: context.settings, major: postgres.major, user: initialUser, synchronous }));
    },
    async launch(standby) {
      context.configure();
      const start = backend.start(standby);
      if (standby) await relay.listen();
      const control = await start;
      if (control === undefined) return false;
      context.control = control;
      const id = await control.query('select system_identifier from pg_catalog.pg_control_system()');
      context.systemId = (id.ok ? id.rows[0]?.[0] : undefined) ?? '';
      context.closed = undefined;
      return true;
    },
    panic(text) {
      log(`PANIC:  ${text}`);
      live.update({ dbState: 'Coredump' });
      void backend.stop('kill');
      process.exit(134);
    },
  };

  /** Ends the process; a fault leaves its pid file as a crash would. */
  async function finish(code: number): Promise<never> {
    relay.close();
    sessions.drop();
    listeners.close();
    if (fault('stale-pid') === undefined) rmSync('postmaster.pid', { force: true });
    rmSync(privateSockets, { recursive: true, force: true });
    watcher?.kill('SIGKILL');
    process.exit(code);
  }

  async function openSockets(): Promise<void> {
    const failures = await listeners.apply(wantedSockets(context.settings));
    for (const failure of failures) log(`FATAL:  ${failure}`);
    if (failures.length > 0) await finish(1);
  }

  function writePidFile(): void {
    const { port, socketDirectory, listenAddresses } = wantedSockets(context.settings);
    const listen = listenAddresses.split(',')[0]?.trim() ?? '';
    const file = {
      pid: process.pid,
      dataDirectory: pgdata,
      startEpoch: Math.floor(Date.now() / 1000),
      port,
      socketDirectory,
      listenAddress: listen,
    };
    replaceFile('postmaster.pid', renderPidFile(file));
  }

  return {
    async start() {
      const asStandby = role !== 'Primary' && role !== 'Normal';
      const wasStandby = existsSync(join(postgresData(pgdata), 'standby.signal'));
      writeJson(pgdata, 'og_sessions.json', {});
      context.members = await memberAddresses(settings);
      await openSockets();
      watcher = spawn(process.execPath, [join(import.meta.dirname, 'watcher.ts'), String(process.pid)], {
        stdio: ['pipe', 'ignore', 'ignore'],
        detached: true,
        cwd: '/',
      });
      watcher.stdin?.on('error', () => {});
      writePidFile();
      writeOpts(context, undefined);
      await paced('startMs');
      await sleep(faultMs('slow-start'));
      const clean = /shut down\b/.test(await controlState(postgres, pgdata));
      // freshly built data may end before the point where it is consistent: it must stream to get there
      if (asStandby && role !== 'Pending' && context.unchecked) relay.enable(true);
      // a data directory that was a standby's becomes a primary by promotion only, whatever -M says: its WAL must get a mark of its own
      if (!(await context.launch(asStandby || wasStandby))) {
        if (!context.stopping) await finish(1);
        return;
      }
      if (asStandby) {
        if (live.facts().receiver === undefined) live.update({ dbState: 'Need repair' });
        relay.enable(role !== 'Pending');
      } else if (wasStandby) {
        await promote(context);
        live.update({ hideTerm: clean });
      } else live.update({ dbState: 'Normal', hideTerm: clean });
      senders.watch();
      watchConf(
        () => (live.facts().receiver === undefined ? undefined : relay.upstream()),
        () => process.kill(process.pid, 'SIGHUP'),
      );
    },
    async stop(mode) {
      if (context.stopping && mode !== 'immediate') return;
      context.stopping = true;
      context.closed = { code: '57P03', text: 'the database system is shutting down' };
      relay.enable(false);
      if (mode === 'fast') await paced('stopMs');
      context.control?.close();
      await backend.stop(mode);
      await finish(0);
    },
    async reload() {
      log('LOG:  received SIGHUP, reloading configuration files');
      const before = context.settings;
      context.settings = readSettings(before);
      context.own = ownNames(context.settings);
      context.hba = readHba(readText('pg_hba.conf') ?? '');
      const peers = context.settings.peers();
      const { role: current, connections } = live.facts();
      const flips = current === 'Normal' && peers.length > 0;
      live.update({
        role: flips ? 'Primary' : current,
        connections: peers.length > 0 ? peers.length : connections,
        localHost: peers[0]?.localHost ?? live.facts().localHost,
        localPort: peers[0]?.localPort ?? live.facts().localPort,
        mostAvailable: context.settings.bool('most_available_sync'),
      });
      await senders.judge();
      context.configure();
      await openSockets();
      context.members = await memberAddresses(context.settings);
      const texts = (from: Settings) => Array.from({ length: 8 }, (_, i) => from.get(`replconninfo${i + 1}`));
      const changed = texts(before).some((text, i) => text.trim() !== '' && text !== texts(context.settings)[i]);
      if (changed) relay.cut();
      relay.nudge();
    },
    requests: () => handleRequests(context),
  };
}

/** The "Database cluster state" of the data directory before the start. */
async function controlState(postgres: Postgres, pgdata: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(join(postgres.bin, 'pg_controldata'), [postgresData(pgdata)], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { LC_ALL: 'C' },
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    child.on('error', () => resolve(''));
    child.on('close', () => resolve(/Database cluster state:\s*(.*)/.exec(text)?.[1] ?? ''));
  });
}
