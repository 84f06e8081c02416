/**
 * Builds the data directory from the primary, by openGauss's own tool. It ends whatever an earlier build left alive,
 * lays down the identity the data shall have, points the settings at the one source, and verifies the result by
 * looking at the directory. The server is stopped before and left stopped after. Whether and from whom to build is
 * decided in core; that the last other copy is not built over, too.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isPrimaryRole } from '../../core/acting.ts';
import type { BuildProgress, Role } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { BuildOptions } from '../../ports/instance.ts';
import type { Configurer } from './configure.ts';
import { initialisingMark } from './datadir.ts';
import { bounded, exists, fileBoundMs, readText, writeDurably } from './files.ts';
import { freshIdentity, layBeside, putInPlace, readIdentity } from './identity.ts';
import { endLeftovers } from './leftovers.ts';
import type { InstanceOptions } from './options.ts';
import type { ServerKeeper } from './process.ts';
import { readBuildRatio } from './state.ts';
import { runTool } from './tool.ts';

/** CM gives a build a day. */
const buildMs = 86_400_000;

/** gs_ctl's own patience with a silent source. */
const receiveSeconds = 120;

/** A standby that is to be built over is killed when it does not stop in time. */
const stopMs = 10_000;

const progressEveryMs = 1_000;

interface Parts {
  options: InstanceOptions;
  keeper: ServerKeeper;
  configurer: Configurer;
  /** The last role that the running server named. */
  role(): Role;
  stop(deadlineMs: number): Promise<Result<void>>;
}

/** One build, from clearing up to the identity in place. */
export async function build(parts: Parts, wishes: BuildOptions): Promise<Result<void>> {
  const { options } = parts;
  const idle = await quiet(parts);
  if (!idle.ok) return idle;
  const ready = await prepare(parts, wishes);
  if (!ready.ok) return ready;
  const stopReporting = report(options, wishes);
  const logFile = 'gs_ctl_build.log';
  const args = ['build', '-D', options.pgdata, '-b', wishes.mode, '-q', '-r', String(receiveSeconds)];
  const run = await runTool(options, 'gs_ctl', args, { deadlineMs: buildMs, signal: wishes.signal, logFile });
  stopReporting();
  // Also of a gs_ctl that was killed: its receiver goes on writing for seconds.
  const ended = await endLeftovers(options, ['build']);
  if (!run.ok) return run;
  if (!ended.ok) return ended;
  const verdict = await verify(options, run.value.exitCode, wishes.mode);
  if (!verdict.ok) return verdict;
  const restored = await parts.configurer.rewrite();
  if (!restored.ok) return restored;
  return putInPlace(options.pgdata);
}

/** No server and no other build in this directory. */
async function quiet(parts: Parts): Promise<Result<void>> {
  const server = await parts.keeper.find();
  if (!server.ok) return server;
  if (server.value !== undefined) {
    // gs_ctl has no such guard for a stopped primary, and for a running one it trusts a file that is never cleared.
    if (isPrimaryRole(parts.role())) return failed(buildFault('refused', 'no', 'the server is a primary'));
    const stopped = await parts.stop(stopMs);
    if (!stopped.ok) return stopped;
  }
  return endLeftovers(parts.options, ['build']);
}

async function prepare(parts: Parts, wishes: BuildOptions): Promise<Result<void>> {
  const { options } = parts;
  const seeded = await seed(options);
  if (!seeded.ok) return seeded;
  const identity = wishes.mode === 'full' ? ok(freshIdentity()) : await readIdentity(options.pgdata);
  if (!identity.ok) return identity;
  const laid = await layBeside(options.pgdata, identity.value);
  if (!laid.ok) return laid;
  // gs_ctl builds from the first peer that says it is a primary; with one entry that is the one we mean.
  return parts.configurer.rewrite([wishes.from]);
}

/** An empty member gets the settings that gs_ctl reads its source from. */
async function seed(options: InstanceOptions): Promise<Result<void>> {
  const marked = await exists(initialisingMark(options.pgdata));
  if (!marked.ok) return marked;
  if (marked.value) return failed(buildFault('exists', 'no', 'an interrupted initialisation lies here'));
  const conf = join(options.pgdata, 'postgresql.conf');
  const there = await exists(conf);
  if (!there.ok || there.value) return there.ok ? ok() : there;
  const made = await bounded(() => mkdir(options.pgdata, { recursive: true, mode: 0o700 }), `make ${options.pgdata}`);
  if (!made.ok) return made;
  const sample = join(options.home, 'share', 'postgresql', 'postgresql.conf.sample');
  const copied = await bounded(() => copyFile(sample, conf), 'copy the sample settings', fileBoundMs, { paths: [conf] });
  const written = copied.ok ? ok() : await writeDurably(conf, '');
  if (!written.ok) return written;
  return writeDurably(join(options.pgdata, 'pg_hba.conf'), '');
}

/** Says how far it is, each second; the first time at once. */
function report(options: InstanceOptions, wishes: BuildOptions): () => void {
  const startedAt = options.clock.wall();
  const say = (ratio: number | undefined): void =>
    wishes.onProgress({ mode: wishes.mode, ratio, startedAt } satisfies BuildProgress);
  let looking = false;
  say(undefined);
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void readBuildRatio(options.pgdata).then((ratio) => {
      looking = false;
      say(ratio);
    });
  }, progressEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Exit 0 is necessary, not sufficient; what lies there decides. */
async function verify(options: InstanceOptions, exitCode: number, mode: BuildOptions['mode']): Promise<Result<void>> {
  if (exitCode !== 0) return failed(await explained(options, exitCode, mode));
  const [begun, version, pid] = await Promise.all([
    exists(join(options.pgdata, 'build_completed.start')),
    exists(join(options.pgdata, 'PG_VERSION')),
    readText(join(options.pgdata, 'gs_build.pid')),
  ]);
  if (!begun.ok) return begun;
  if (!version.ok) return version;
  if (!pid.ok) return pid;
  if (begun.value || !version.value)
    return failed(buildFault('malformed', 'maybe', 'gs_ctl says the build succeeded, the directory does not'));
  return ok();
}

async function explained(options: InstanceOptions, exitCode: number, mode: BuildOptions['mode']): Promise<Fault> {
  const begun = await exists(join(options.pgdata, 'build_completed.start'));
  const torn = begun.ok && begun.value;
  const hint = torn
    ? 'The directory is half built; only a full build helps now.'
    : `Its output is in ${join(options.logDir, 'gs_ctl_build.log')}.`;
  return {
    ...buildFault('exited', torn ? 'maybe' : 'no', `gs_ctl build -b ${mode} exited with ${exitCode}`),
    code: String(exitCode),
    hint,
  };
}

function buildFault(kind: Fault['kind'], done: Fault['done'], detail: string): Fault {
  return { of: 'command', kind, done, detail };
}
