/**
 * `agent run`: reads the settings, makes every adapter, hands them to the loop and waits. The only file that sees both
 * the loop and the adapters. Whatever breaks an assumption ends the process with 70: PID 1 starts the agent again and
 * guards the server meanwhile.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInstance } from './adapters/gauss/instance.ts';
import { createBoard } from './adapters/http/board.ts';
import { serveControl } from './adapters/http/control.ts';
import { createMetrics } from './adapters/http/metrics.ts';
import { serveReady } from './adapters/http/ready.ts';
import { serveHttp } from './adapters/http/server.ts';
import { createKube } from './adapters/kube/kube.ts';
import { createBrake } from './adapters/os/brake.ts';
import { createClock } from './adapters/os/clock.ts';
import { createFence } from './adapters/os/fence.ts';
import { createLog, type LogSink, wordFirst } from './adapters/os/log.ts';
import { startJanitor } from './adapters/os/logfiles.ts';
import { createRecords } from './adapters/os/records.ts';
import { createReserve, walReserve } from './adapters/os/reserve.ts';
import { createVolumes, type VolumeMount } from './adapters/os/volumes.ts';
import { createPeers } from './adapters/peers/peers.ts';
import type { Result } from './core/result.ts';
import type { Self } from './core/view.ts';
import { createLoop } from './loop/loop.ts';
import { parseConfig } from './settings/dynamic.ts';
import { readSettings, type Settings } from './settings/table.ts';
import { version } from './version.ts';

const bugExit = 70;
const settingsExit = 78;

type Environment = Record<string, string | undefined>;

interface Secrets {
  superuserPassword: string;
  replicationPassword: string;
  peerKey: Buffer;
}

async function readSecrets(directory: string): Promise<Secrets | { problem: string }> {
  const read = async (name: string): Promise<string> => (await readFile(join(directory, name), 'utf8')).trimEnd();
  try {
    const [superuserPassword, replicationPassword, peerKey] = await Promise.all([
      read('superuser-password'),
      read('replication-password'),
      read('peer-key'),
    ]);
    if (superuserPassword === '' || replicationPassword === '') return { problem: `a password in ${directory} is empty` };
    return { superuserPassword, replicationPassword, peerKey: Buffer.from(peerKey) };
  } catch (error) {
    return { problem: `the Secret could not be read: ${(error as Error).message}` };
  }
}

/** When PID 1 started, in boot time: Linux counts it in hundredths of a second for every program. */
function bornAt(): { bornAt: number } | undefined {
  try {
    const stat = readFileSync('/proc/1/stat', 'latin1');
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    return Number.isFinite(ticks) ? { bornAt: ticks * 10 } : undefined;
  } catch {
    return undefined;
  }
}

function selfOf(settings: Settings, startedAt: number): Self {
  const incarnation = settings.incarnation ?? randomUUID();
  const pidOne = settings.entrypointPid === '1';
  return {
    name: settings.pod,
    uid: settings.uid,
    incarnation,
    identity: `${settings.pod}/${settings.uid}/${incarnation}`,
    cluster: settings.cluster,
    namespace: settings.namespace,
    ip: settings.ip,
    port: settings.port,
    haPort: settings.haPortAdvertised,
    version,
    startedAt,
    guarded: settings.entrypointPid !== undefined,
    provesDeath: pidOne,
    readsNodes: settings.readsNodes,
    ...(pidOne ? bornAt() : {}),
  };
}

function walPath(settings: Settings): string {
  return join(settings.dataDir, 'pgdata', 'pg_xlog');
}

/** The mounts that a member may have; WAL on a volume of its own is a link in the data directory. */
function mountsOf(settings: Settings): VolumeMount[] {
  const optional = (mount: string, path: string | undefined) => (path === undefined ? [] : [{ mount, path }]);
  return [
    { mount: 'data', path: settings.dataDir, own: join(settings.dataDir, 'agent') },
    { mount: 'wal', path: walPath(settings) },
    { mount: 'log', path: settings.logDir, own: settings.logDir },
    ...optional('archive', settings.archiveDir),
    ...optional('backup', settings.backupDir),
  ];
}

/** Runs the agent until it is told to stop; the value is the exit code. */
export async function run(env: Environment): Promise<number> {
  const read = readSettings(env);
  if (!read.ok) {
    for (const { field, problem, hint } of read.problems) process.stderr.write(`error: ${field} ${problem}\nhint: ${hint}\n`);
    return settingsExit;
  }
  const { settings } = read;
  const secrets = await readSecrets(settings.authDir);
  if ('problem' in secrets) {
    process.stderr.write(
      `error: ${secrets.problem}\nhint: Create the Secret og-${settings.cluster}-auth and mount it at ${settings.authDir}.\n`,
    );
    return settingsExit;
  }
  const clock = createClock();
  const board = createBoard();
  const metrics = createMetrics({ version, cluster: settings.cluster, pod: settings.pod, board, clock });
  const sink = createLog({
    level: settings.logLevel,
    pod: settings.pod,
    cluster: settings.cluster,
    onDrop: (lines) => metrics.countDroppedLogLines(lines),
  });
  dieOnBugs(sink);
  return await serve(env, settings, secrets, { clock, board, metrics, sink });
}

/** What the stand-in for openGauss reads in tests; nothing else of the environment reaches the server. */
function passedOn(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith('OG_STANDIN_') && value !== undefined ? [[name, value]] : [],
    ),
  );
}

type Parts = {
  clock: ReturnType<typeof createClock>;
  board: ReturnType<typeof createBoard>;
  metrics: ReturnType<typeof createMetrics>;
  sink: LogSink;
};

/** The world as the loop gets it; connects to nothing yet. */
function portsOf(env: Environment, settings: Settings, secrets: Secrets, { clock, metrics, sink }: Parts) {
  const main = wordFirst(sink.log, 'main');
  const instanceLog = wordFirst(sink.log, 'instance');
  const instance = createInstance({
    home: settings.gaussHome,
    pgdata: join(settings.dataDir, 'pgdata'),
    socketDir: settings.socketDir,
    logDir: settings.logDir,
    member: settings.pod,
    port: settings.port,
    haPort: settings.haPort,
    bindAddress: settings.bindAddress,
    superuser: settings.superuser,
    secrets,
    clock,
    note: (level, msg, fields) => instanceLog[level](msg, fields),
    environment: passedOn(env),
  });
  const kube = createKube({
    url: settings.kubeUrl,
    serviceAccountDir: settings.serviceAccountDir,
    namespace: settings.namespace,
    cluster: settings.cluster,
    pod: { name: settings.pod, uid: settings.uid },
    version,
    telemetry: metrics.telemetry,
    clock,
  });
  const peers = must(
    createPeers({
      self: settings.pod,
      address: settings.bindAddress,
      port: settings.peerPort,
      peerPort: settings.peerPortAdvertised,
      key: secrets.peerKey,
      clock,
      telemetry: metrics.telemetry,
      onNote: (note) => main.info('peer', { ...note }),
    }),
  );
  const fence = createFence({ runDir: settings.runDir });
  if (!fence.present) main.warn('no fence: PID 1 does not guard the server', { hint: 'Start the agent by entrypoint.sh.' });
  return {
    ...{ instance, kube, peers, fence },
    records: createRecords({ dataDir: settings.dataDir }),
    brake: createBrake({ dataDir: settings.dataDir }),
    reserves: {
      data: createReserve({ directory: async () => join(settings.dataDir, 'agent') }),
      wal: createReserve({ directory: walReserve(walPath(settings), settings.dataDir) }),
    },
    volumes: createVolumes({ mounts: mountsOf(settings), clock }),
  };
}

async function serve(env: Environment, settings: Settings, secrets: Secrets, parts: Parts): Promise<number> {
  const { clock, board, metrics, sink } = parts;
  const main = wordFirst(sink.log, 'main');
  const self = selfOf(settings, clock.now());
  const ports = portsOf(env, settings, secrets, parts);
  const { fence, instance, kube, peers } = ports;
  const loop = createLoop({
    ports: { ...ports, clock, board },
    self: { ...self, guarded: fence.present },
    log: wordFirst(sink.log, 'loop'),
    tally: metrics.tally,
    parseConfig,
    haPort: settings.haPortAdvertised,
  });
  const http = must(
    await serveHttp({
      address: settings.bindAddress,
      port: settings.httpPort,
      ...{ board, metrics, clock },
      onBug: (err) => sink.log.error({ err }, 'an answer could not be made'),
    }),
  );
  const ready = serveReady({
    address: settings.bindAddress,
    port: settings.readyPort,
    board,
    clock,
    onChange: (change) => main.info('readiness changed', { ...change }),
  });
  must(await peers.listen(loop.handler));
  const janitor = startJanitor({
    directories: [settings.logDir, join(settings.dataDir, 'pgdata', 'pg_log')],
    bounds: () => board.last()?.view.config.logs,
    onSwept(swept) {
      if (!swept.ok) main.warn('server logs not cleaned up', { fault: swept.fault });
      else if (swept.value.files > 0) main.info('server logs cleaned up', { ...swept.value });
    },
  });
  const control = await serveControl({
    runDir: settings.runDir,
    setLevel: (level) => changeLevel(sink, level),
    reload() {
      loop.reread();
      return instance.reload();
    },
  });
  if (!control.ok) main.warn('no control socket: log-level and reload do not work', { fault: control.fault });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      main.info('stopping', { signal });
      loop.stop();
    });
  }
  main.info('agent started', { version, identity: self.identity, fence: fence.present, provesDeath: self.provesDeath });
  await loop.run();
  janitor.stop();
  if (control.ok) await control.value.close();
  await Promise.all([ready.close(), http.close(), peers.close(), kube.close(), instance.close()]);
  main.info('agent stopped');
  sink.flush();
  return 0;
}

/** Says so at both levels, so that whoever reads the log sees where lines begin or stop. */
function changeLevel(sink: LogSink, level: string): boolean {
  const from = sink.log.level;
  if (!Object.hasOwn(sink.log.levels.values, level)) return false;
  sink.log.warn({ from, to: level }, 'the level of the log changes');
  return sink.setLevel(level);
}

/** A port that cannot be had or a key that is too short: nothing can work, and the message says which. */
function must<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  process.stderr.write(`error: ${result.fault.detail}\n${result.fault.hint === undefined ? '' : `hint: ${result.fault.hint}\n`}`);
  process.exit(settingsExit);
}

/** A broken assumption ends the process: what is left half done is taken up by the next agent from what it sees. */
function dieOnBugs(sink: LogSink): void {
  const die = (err: unknown): void => {
    sink.log.fatal({ err }, 'bug');
    sink.flush();
    process.exit(bugExit);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
}
