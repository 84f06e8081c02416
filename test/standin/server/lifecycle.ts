// The life of an instance as a whole: start in order, reload, stop, and the end of the process with everything that belongs to it.
// What the roles do to each other is in roles.ts.
import { spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fault, faultMs } from '../shared/faults.ts';
import { paced } from '../shared/pace.ts';
import { postgresData } from '../shared/postgres.ts';
import { readText, renderPidFile, replaceFile } from '../shared/state.ts';
import type { StopMode } from './backend.ts';
import type { Settings } from './conf.ts';
import type { Context } from './context.ts';
import { readHba } from './hba.ts';
import type { Wanted } from './listeners.ts';
import { writeJson } from './live.ts';
import { ownSettings, privateSockets } from './render.ts';
import { promote, writeOpts } from './roles.ts';
import { watchConf } from './shipping.ts';

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
  const address = (host: string) =>
    lookup(host)
      .then((found) => found.address)
      .catch(() => host);
  return Promise.all(settings.peers().map((peer) => address(peer.remoteHost)));
}

/** Names kept as og.<name>. */
export function ownNames(settings: Settings): Set<string> {
  return new Set(ownSettings(settings).keys());
}

/** Ends the process; a fault leaves its pid file as a crash would. */
export function finish(context: Context, code: number): never {
  context.relay.close();
  context.sessions.drop();
  context.listeners.close();
  if (fault('stale-pid') === undefined) rmSync('postmaster.pid', { force: true });
  rmSync(privateSockets, { recursive: true, force: true });
  context.watcher?.kill('SIGKILL');
  process.exit(code);
}

async function openSockets(context: Context): Promise<void> {
  const failures = await context.listeners.apply(wantedSockets(context.settings));
  for (const failure of failures) context.log(`FATAL:  ${failure}`);
  if (failures.length > 0) context.finish(1);
}

function writePidFile(context: Context): void {
  const { port, socketDirectory, listenAddresses } = wantedSockets(context.settings);
  const listenAddress = listenAddresses.split(',')[0]?.trim() ?? '';
  const startEpoch = Math.floor(Date.now() / 1000);
  const file = { pid: process.pid, dataDirectory: context.pgdata, startEpoch, port, socketDirectory, listenAddress };
  replaceFile('postmaster.pid', renderPidFile(file));
}

/** The "Database cluster state" of the data directory before the start. */
async function controlState(context: Context): Promise<string> {
  return new Promise((resolve) => {
    const program = join(context.postgres.bin, 'pg_controldata');
    const child = spawn(program, [postgresData(context.pgdata)], { stdio: ['ignore', 'pipe', 'ignore'], env: { LC_ALL: 'C' } });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    child.on('error', () => resolve(''));
    child.on('close', () => resolve(/Database cluster state:\s*(.*)/.exec(text)?.[1] ?? ''));
  });
}

function startWatcher(context: Context): void {
  const words = [join(import.meta.dirname, 'watcher.ts'), String(process.pid)];
  // its working directory is elsewhere, so that nobody takes it for a process of the data directory
  const watcher = spawn(process.execPath, words, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
  watcher.stdin.on('error', () => {});
  context.watcher = watcher;
}

/** Starts the instance; returns when it takes connections, or is about to end. */
export async function startInstance(context: Context): Promise<void> {
  const { live, relay } = context;
  const { role } = live.facts();
  const asStandby = role !== 'Primary' && role !== 'Normal';
  const wasStandby = existsSync(join(postgresData(context.pgdata), 'standby.signal'));
  writeJson(context.pgdata, 'og_sessions.json', {});
  context.members = await memberAddresses(context.settings);
  await openSockets(context);
  startWatcher(context);
  writePidFile(context);
  writeOpts(context, undefined);
  await paced('startMs');
  await sleep(faultMs('slow-start'));
  const clean = /shut down\b/.test(await controlState(context));
  // freshly built data may end before the point where it is consistent: it must stream to get there
  if (asStandby && role !== 'Pending' && context.unchecked) relay.enable(true);
  // a data directory that was a standby's becomes a primary by promotion only, whatever -M says: its WAL must get a mark of its own
  if (!(await context.launch(asStandby || wasStandby))) {
    if (!context.stopping) context.finish(1);
    return;
  }
  if (asStandby) {
    if (live.facts().receiver === undefined) live.update({ dbState: 'Need repair' });
    relay.enable(role !== 'Pending');
  } else if (wasStandby) {
    await promote(context);
    live.update({ hideTerm: clean });
  } else live.update({ dbState: 'Normal', hideTerm: clean });
  context.senders.watch();
  const upstream = () => (live.facts().receiver === undefined ? undefined : relay.upstream());
  watchConf(upstream, () => process.kill(process.pid, 'SIGHUP'));
}

/** Stops the instance and ends the process. An immediate stop overtakes a fast one. */
export async function stopInstance(context: Context, mode: StopMode): Promise<void> {
  if (context.stopping && mode !== 'immediate') return;
  context.stopping = true;
  context.closed = { code: '57P03', text: 'the database system is shutting down' };
  context.relay.enable(false);
  if (mode === 'fast') await paced('stopMs');
  context.control?.close();
  await context.backend.stop(mode);
  context.finish(0);
}

/** Did an entry of replconninfo change that was there before? Its connections end then. */
function entryChanged(before: Settings, after: Settings): boolean {
  return Array.from({ length: 8 }, (_, i) => `replconninfo${i + 1}`).some(
    (name) => before.get(name).trim() !== '' && before.get(name) !== after.get(name),
  );
}

/** Reads the configuration files anew and makes what changed take effect. */
export async function reloadInstance(context: Context, readSettings: (before: Settings) => Settings): Promise<void> {
  context.log('LOG:  received SIGHUP, reloading configuration files');
  const before = context.settings;
  const settings = readSettings(before);
  context.settings = settings;
  context.own = ownNames(settings);
  context.hba = readHba(readText('pg_hba.conf') ?? '');
  const peers = settings.peers();
  const { role, connections, localHost, localPort } = context.live.facts();
  context.live.update({
    // the first entry makes a Normal instance Primary; taking the last away changes nothing until a restart
    role: role === 'Normal' && peers.length > 0 ? 'Primary' : role,
    connections: peers.length > 0 ? peers.length : connections,
    localHost: peers[0]?.localHost ?? localHost,
    localPort: peers[0]?.localPort ?? localPort,
    mostAvailable: settings.bool('most_available_sync'),
  });
  await context.senders.judge();
  context.configure();
  await openSockets(context);
  context.members = await memberAddresses(settings);
  if (entryChanged(before, settings)) context.relay.cut();
  context.relay.nudge();
}
