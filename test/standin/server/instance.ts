// One openGauss instance: makes its parts and lets them know each other. Its life is in lifecycle.ts, its changes of role in roles.ts; what
// each part is given of the others is in wiring.ts. The working directory of the process is PGDATA.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Postgres, postgresData } from '../shared/postgres.ts';
import { readLock, readText } from '../shared/state.ts';
import { createBackend, type StopMode } from './backend.ts';
import { resolveSettings, type Settings } from './conf.ts';
import type { Context } from './context.ts';
import { type Control, openControl } from './control.ts';
import { readHba } from './hba.ts';
import { finish, ownNames, reloadInstance, startInstance, stopInstance } from './lifecycle.ts';
import { createListeners } from './listeners.ts';
import { createLive, type Live, writeJson } from './live.ts';
import type { StartOptions } from './options.ts';
import { createRelay } from './relay.ts';
import { backendSocket, ownSettings, renderPostgres } from './render.ts';
import { handleRequests } from './roles.ts';
import { createSenders } from './senders.ts';
import { createSessions } from './sessions.ts';
import { backendEvents, relayNeeds, sessionNeeds } from './wiring.ts';

/** A running instance. */
export interface Instance {
  /** starts it; resolves when it takes connections, or is about to end */
  start(): Promise<void>;
  stop(mode: StopMode): Promise<void>;
  reload(): Promise<void>;
  requests(): Promise<void>;
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString().replace('T', ' ').slice(0, 23)} [BACKEND] ${line}\n`);
}

/** The facts an instance starts with: without -M, replconninfo decides between Primary and Normal. */
function firstFacts(options: StartOptions, settings: Settings): Live {
  const peers = settings.peers();
  return createLive(options.pgdata, {
    // without replconninfo even -M primary is Normal (5.0.3)
    role: options.role !== undefined && options.role !== 'Primary' ? options.role : peers.length > 0 ? 'Primary' : 'Normal',
    connections: peers.length,
    dbState: 'Starting',
    reason: 'Normal',
    term: 1,
    hideTerm: false,
    lock: readLock(options.pgdata),
    localHost: peers[0]?.localHost ?? '',
    localPort: peers[0]?.localPort ?? 0,
    redoFinished: false,
    receiveUntil: 0,
    receiver: undefined,
    senders: new Map(),
    mostAvailable: settings.bool('most_available_sync'),
    connectIndex: 1,
  });
}

/** Renders PostgreSQL's configuration from the settings in force, and applies it. */
function configure(context: Context): void {
  const { settings, postgres, initialUser, live } = context;
  const synchronous = live.facts().role !== 'Normal' && settings.bool('enable_stream_replication') && !context.standalone;
  writeJson(context.pgdata, 'og_settings.json', Object.fromEntries(ownSettings(settings)));
  context.backend.configure(renderPostgres({ settings, major: postgres.major, user: initialUser, synchronous }));
}

/** Uses a control connection until it ends; one that a client has terminated is replaced. */
function keepControl(context: Context, control: Control): void {
  context.control = control;
  void control.query('set idle_session_timeout = 0'); // unknown to older PostgreSQL, which has no such time-out either
  void control.ended.then(async () => {
    if (context.control !== control) return;
    context.control = undefined;
    while (context.control === undefined && context.backend.running() && !context.stopping) {
      const next = await openControl(backendSocket, context.initialUser, 2_000);
      if (next === undefined) await sleep(20);
      else if (context.control === undefined && context.backend.running()) keepControl(context, next);
      else next.close();
    }
  });
}

/** Starts PostgreSQL and opens the doors; false when it died first. */
async function launch(context: Context, standby: boolean): Promise<boolean> {
  context.configure();
  await context.backend.prepare(standby);
  if (standby) await context.relay.listen();
  const control = await context.backend.start();
  if (control === undefined) return false;
  keepControl(context, control);
  const id = await control.query('select system_identifier from pg_catalog.pg_control_system()');
  context.systemId = (id.ok ? id.rows[0]?.[0] : undefined) ?? '';
  context.closed = undefined;
  return true;
}

/** Puts an instance together; nothing runs before start(). */
export function createInstance(options: StartOptions, postgres: Postgres, initialUser: string): Instance {
  const { pgdata } = options;
  const readSettings = (before: Settings | undefined) =>
    resolveSettings(readText('postgresql.conf') ?? '', options.given, before, (text) => log(`LOG:  ${text}`));
  const settings = readSettings(undefined);
  const get = () => context;
  const context: Context = {
    options,
    pgdata,
    postgres,
    initialUser,
    live: firstFacts(options, settings),
    backend: createBackend(postgres, initialUser, pgdata, backendEvents(get)),
    relay: createRelay(relayNeeds(get)),
    sessions: createSessions(sessionNeeds(get)),
    senders: createSenders(get),
    listeners: createListeners((socket, origin) => context.sessions.accept(socket, origin)),
    watcher: undefined,
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
    configure: () => configure(context),
    launch: (standby) => launch(context, standby),
    finish: (code) => finish(context, code),
    panic(text) {
      log(`PANIC:  ${text}`);
      context.live.update({ dbState: 'Coredump' });
      void context.backend.stop('kill');
      process.exit(134);
    },
  };
  return {
    start: () => startInstance(context),
    stop: (mode) => stopInstance(context, mode),
    reload: () => reloadInstance(context, readSettings),
    requests: () => handleRequests(context),
  };
}
