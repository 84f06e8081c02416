// gs_ctl build: marks itself in gs_build.pid, stops the server (only a standby may be built over while it runs; a stopped
// one, whatever it was, is built over without a question), builds, and starts the server as a standby. A build that fails
// leaves the server stopped.
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { buildFull, buildNames, hasInclude } from './buildfull.ts';
import { buildIncremental, type IncrementalResult } from './buildinc.ts';
import { findSource } from './buildsource.ts';
import { at, isRunning, liveness, peer, serverPid, writeDurable } from './datadir.ts';
import { errorText, say } from './messages.ts';
import type { Control } from './options.ts';
import { runMode, stateOrLeave } from './session.ts';
import { startServer } from './start.ts';
import { killByForce, stopServer } from './stop.ts';

const TRIES = 3;

function writeBuildPid(data: string, pid: number): void {
  const file = at(data, 'gs_build.pid');
  try {
    writeDurable(file, String(pid));
    for (const step of ['fopen', 'fprintf', 'fsync']) say(`${step} build pid file "${file}" success\n`);
  } catch (error) {
    say(` open build pid file "${file}" failed, could not set the build process pid: ${errorText(error)}\n`);
  }
}

/** Stops the server before a build; an exit code when the build must not go on. */
async function makeWay(control: Control): Promise<number | undefined> {
  const { data, options } = control;
  const pid = serverPid(data);
  if (pid <= 0 || !isRunning(pid) || liveness(data, pid) !== 'alive') {
    killByForce(data);
    return undefined;
  }
  const asked = await runMode(data);
  const mode = asked === 'Unknown' ? stateOrLeave(data).mode : asked;
  if (mode !== 'Standby' && mode !== 'Cascade Standby' && options.connection === undefined) {
    say(`The local server run as ${mode},build cannot be executed.\n`);
    return 1;
  }
  const hard = ['full', 'standby_full', 'cross_cluster_full', 'cross_cluster_standby_full'].includes(options.build);
  const code = await stopServer(data, hard ? 'immediate' : 'fast', options.seconds, true, true);
  return code === 0 ? undefined : code;
}

function markBegin(data: string): void {
  writeFileSync(at(data, 'rewind_lable'), String(Math.floor(Date.now() / 1000)), { mode: 0o600 });
  const [hba, copy] = [at(data, 'pg_hba.conf'), at(data, 'pg_hba.conf.old')];
  if (existsSync(hba) && !existsSync(copy)) copyFileSync(hba, copy);
}

async function incremental(control: Control): Promise<IncrementalResult> {
  let result: IncrementalResult = 'failed';
  for (let i = 0; i < TRIES && result !== 'built'; i++) result = await buildIncremental(control);
  return result;
}

async function auto(control: Control): Promise<boolean> {
  const result = await incremental(control);
  if (result === 'built') return true;
  if (result === 'unreachable') {
    say('inc build failed due to primary connection failure, skip full build.\n');
    return false;
  }
  say('inc build failed, change to full build.\n');
  return buildFull(control, 'auto');
}

/** The first -C is direct; without it the cross-cluster way is tried first and fails, there being no such list. */
async function fromStandby(control: Control): Promise<boolean> {
  if (control.options.connection !== undefined) return buildFull(control, 'standby_full');
  say('gs_ctl: change build mode to CROSS_CLUSTER_INC_BUILD.\n');
  for (let i = 0; i < TRIES; i++) await findSource(control, 'cross');
  say('gs_ctl:cross inc build failed, change build mode to standby full build.\n');
  return buildFull(control, 'standby_full');
}

async function check(control: Control): Promise<boolean> {
  say(`current workdir is (${process.cwd()}).\n`);
  if (!hasInclude(control.data)) await findSource(control, 'cross');
  say(`${buildNames.check} failed(${control.data}), need to do full build\n`);
  return false;
}

async function run(control: Control): Promise<boolean> {
  switch (control.options.build) {
    case 'full':
    case 'cross_cluster_full':
      return buildFull(control, control.options.build);
    case 'incremental':
      return (await incremental(control)) === 'built';
    case 'cross_cluster_incremental':
      for (let i = 0; i < TRIES; i++) await findSource(control, 'cross');
      return false;
    case 'standby_full':
    case 'cross_cluster_standby_full':
      return fromStandby(control);
    case 'check':
      return check(control);
    case 'copy_secure_files':
      return false;
    case 'auto':
      return auto(control);
  }
}

/** gs_ctl build. */
export async function build(control: Control): Promise<number> {
  const { data, options } = control;
  if (options.connection !== undefined && peer(options.connection) === undefined) {
    say(`gs_ctl: Invalid datanode/coordinator connector: ${options.connection}.\n`);
    return 1;
  }
  if (options.mode !== undefined && !['standby', 'cascade_standby', 'hadr_main_standby'].includes(options.mode)) {
    say(' the parameter of build is not recognized\n');
    return 1;
  }
  writeBuildPid(data, process.pid);
  const refused = await makeWay(control);
  if (refused !== undefined) return refused;
  markBegin(data);
  if (!(await run(control))) return 1;
  let code = 0;
  if (options.startAfterBuild) {
    const mode = options.mode === 'cascade_standby' ? options.mode : 'standby';
    code = await startServer({ ...control, options: { ...options, command: 'build', mode, wait: true } });
  }
  writeBuildPid(data, 0);
  return code;
}
