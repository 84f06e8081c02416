// The full build: connect first, then wipe the directory but for a list of files, then copy everything from the source.
// Between the wipe and build_completed.start nothing marks the directory as broken, as in openGauss; there is no way back.
import { lstatSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayMs, pace } from '../shared/pace.ts';
import { postgresData, requirePostgres, walDirectory } from '../shared/postgres.ts';
import { connectSource, findSource, type Source } from './buildsource.ts';
import { at, lines } from './datadir.ts';
import { raw, say } from './messages.ts';
import type { BuildMode, Control } from './options.ts';
import { takeOver } from './takeover.ts';
import { readProgress, receive, writeProgress } from './transfer.ts';

const KEPT =
  /^(pg_log|pg_location|full_upgrade_bak|postgresql\.conf(\.bak|\.lock|\.guc\.bak)?|pg_ctl\.lock|build_completed\.start|gs_build\.pid|postmaster\.opts|gaussdb\.state|rewind_lable|server\..*|cacert\.pem|.*\.crt|.*\.key.*|pg_hba\.conf\.old|gs_gazelle\.conf|disc_readonly_test)$/;

/** What messages call the kinds of build. */
export const buildNames: Readonly<Record<BuildMode, string>> = {
  auto: 'auto build',
  full: 'full build',
  incremental: 'inc build',
  standby_full: 'standby full build',
  check: 'build check',
  copy_secure_files: 'copy secure files build',
  cross_cluster_full: 'cross cluster full build',
  cross_cluster_incremental: 'cross cluster inc build',
  cross_cluster_standby_full: 'cross cluster standby full build',
};

/** A postgresql.conf with an include line is refused, with the end of gs_ctl. */
export function hasInclude(data: string): boolean {
  const line = lines(at(data, 'postgresql.conf')).find((text) => /^\s*include(_if_exists)?\s/i.test(text));
  if (line !== undefined) {
    say(
      `There is nested config file in postgresql.conf: ${line}\nWhich is not supported by build. ` +
        `Please move out the nested config files from ${data} and comment the 'include' config in postgresql.conf.\n` +
        "You can add option '-q' to disable autostart during build and restore the change manually before starting gaussdb.\n",
    );
  }
  return line !== undefined;
}

const remove = (path: string): void => rmSync(path, { recursive: true, force: true });

/** Empties a directory, or what a link in its place points to. */
function empty(path: string): void {
  try {
    const target = lstatSync(path).isSymbolicLink() ? realpathSync(path) : undefined;
    if (target === undefined) remove(path);
    else for (const name of readdirSync(target)) remove(join(target, name));
  } catch {
    // There was none.
  }
}

/** The wipe: table spaces and WAL first, then the rest. */
function wipe(data: string): void {
  empty(at(data, 'pg_tblspc'));
  empty(walDirectory(data));
  for (const name of readdirSync(data)) if (!KEPT.test(name) && name !== 'pg_xlog') remove(at(data, name));
  mkdirSync(walDirectory(data), { recursive: true, mode: 0o700 });
}

const label = (start: string): string =>
  `START WAL LOCATION: ${start} (file 000000010000000000000001)\nCHECKPOINT LOCATION: ${start}\nBACKUP METHOD: streamed\n` +
  `BACKUP FROM: master\nSTART TIME: ${new Date().toISOString().slice(0, 19).replace('T', ' ')} UTC\nLABEL: gs_ctl full build\n`;

/** Follows pg_basebackup's lines: progress into gaussdb.state, positions into gs_ctl's own words. */
function follower(
  data: string,
  source: Source,
  fromStandby: boolean,
): { line(text: string): void; errors: string[]; end: () => string } {
  let started = false;
  let writtenAt = 0;
  let end = '';
  const errors: string[] = [];
  const begin = (start: string): void => {
    started = true;
    writeFileSync(at(data, 'backup_label'), label(start), { mode: 0o600 });
    raw(
      `INFO:  The starting position of the xlog copy of the full build is: ${start}. The slot minimum LSN is: 0/0. The disaster slot minimum LSN is: 0/0. The logical slot minimum LSN is: 0/0.\n`,
      2,
    );
    const segment = `${start.slice(0, start.indexOf('/'))}/${(Number.parseInt(start.slice(start.indexOf('/') + 1), 16) & 0xff000000 || 0).toString(16).toUpperCase()}`;
    say(`xlog start point: ${start}\n`);
    for (const text of [
      'begin build tablespace list',
      'finish build tablespace list',
      'begin get xlog by xlogstream',
      'starting background WAL receiver',
      'starting walreceiver',
      'begin receive tar files',
      'receiving and unpacking files...',
      `${fromStandby ? 'standby ' : ''}build try host(${source.remoteHost}) port(${source.remotePort}) success`,
      'check identify system success',
      `send START_REPLICATION ${segment} success`,
    ])
      say(`${text}\n`);
  };
  const line = (text: string): void => {
    const start = /start point: ([0-9A-F]+\/[0-9A-F]+)/.exec(text)?.[1];
    if (start !== undefined && !started) begin(start);
    end = /end point: ([0-9A-F]+\/[0-9A-F]+)/.exec(text)?.[1] ?? end;
    const progress = readProgress(text);
    if (progress !== undefined && Date.now() - writtenAt > 100) {
      writtenAt = Date.now();
      writeProgress(data, 'full', progress);
    }
    if (/error|fatal/i.test(text)) errors.push(text);
  };
  return { line, errors, end: () => end };
}

async function copy(control: Control, source: Source, fromStandby: boolean): Promise<boolean> {
  const { data } = control;
  const follow = follower(data, source, fromStandby);
  const code = await receive(
    control,
    source,
    {
      program: join(requirePostgres().bin, 'pg_basebackup'),
      prefix: [],
      arguments: [
        '-d',
        `host=127.0.0.1 port=%PORT% user=${source.user} application_name=gs_ctl`,
        '-D',
        postgresData(data),
        `--waldir=${walDirectory(data)}`,
        '-X',
        'stream',
        '--no-slot',
        '--checkpoint=fast',
        '--no-clean',
        '--no-sync',
        '--no-manifest',
        '-P',
        '-v',
      ],
      lingerMs: 0,
    },
    follow.line,
  );
  for (const text of follow.errors) raw(`${text}\n`, 2);
  if (code !== 0) return false;
  say('finish receive tar files\n');
  say(`xlog end point: ${follow.end()}\n`);
  say('waiting for background process to finish streaming...\n');
  await sleep(delayMs('buildStreamMs'));
  return true;
}

async function takeOverFiles(data: string, source: Source): Promise<boolean> {
  const connection = await connectSource(source, source.user, 'gs_ctl');
  if ('error' in connection) return false;
  await takeOver(data, connection, () => true);
  connection.close();
  return true;
}

async function backup(control: Control, fromStandby: boolean): Promise<boolean> {
  const { data } = control;
  const cross = control.options.build.startsWith('cross_cluster') && !fromStandby;
  const source = await findSource(control, cross ? 'cross' : fromStandby ? 'standby' : 'primary');
  if (source === undefined) return false;
  say('connected to server success, build started.\n');
  wipe(data);
  say('clear old target dir success\n');
  if (pace() === 'real') await sleep(50);
  writeFileSync(at(data, 'build_completed.start'), '', { mode: 0o600 });
  say('create build tag file success\n');
  say('create build tag file again success\n');
  say('get system identifier success\n');
  say('receiving and unpacking files...\n');
  writeFileSync(at(data, 'full_backup_label'), `START SYSIDENTIFER: ${source.systemId}\nSTART TIMELINE: 1\n`, { mode: 0o600 });
  say('create backup label success\n');
  if (!(await takeOverFiles(data, source)) || !(await copy(control, source, fromStandby))) return false;
  say('starting fsync all files come from source.\n');
  say('finish fsync all files.\n');
  say('build dummy dw file success\n');
  renameSync(at(data, 'backup_label'), at(data, 'backup_label.old'));
  rmSync(at(data, 'pg_hba.conf.old'), { force: true });
  renameSync(at(data, 'build_completed.start'), at(data, 'build_completed.done'));
  say('rename build status file success\n');
  return true;
}

/** One full build, of whatever kind the messages are to speak; the server is stopped already and is not started here. */
export async function buildFull(control: Control, kind: BuildMode): Promise<boolean> {
  const { data } = control;
  say(`current workdir is (${process.cwd()}).\n`);
  if (hasInclude(data)) return false;
  writeProgress(data, 'full');
  const name = buildNames[kind];
  say(`set gaussdb state file when ${name} build:db state(BUILDING_STATE), server mode(STANDBY_MODE), build mode(FULL_BUILD).\n`);
  const fromStandby = kind === 'standby_full' || kind === 'cross_cluster_standby_full';
  const ok = await backup(control, fromStandby);
  say(ok ? `${name} build completed(${data}).\n` : `${name} failed(${data}).\n`);
  return ok;
}
