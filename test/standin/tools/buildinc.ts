// The incremental build: pg_rewind against the source, in the words of openGauss's gs_rewind. Until build_completed.start
// is there nothing of the target has been changed; from then on only a full build repairs an interruption.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayMs } from '../shared/pace.ts';
import { ordinaryUser, postgresData, requirePostgres } from '../shared/postgres.ts';
import { hasInclude } from './buildfull.ts';
import { connectSource, findSource, type Source, single } from './buildsource.ts';
import { at, setting } from './datadir.ts';
import { say, setNode, setProgram } from './messages.ts';
import type { Control } from './options.ts';
import { settleStandby } from './settle.ts';
import { takeOver } from './takeover.ts';
import { readProgress, receive, writeProgress } from './transfer.ts';
import { type ControlData, controlData, formatLsn, lastRecord, type Place, parseLsn, sourceCrc, targetCrc } from './walrecord.ts';
import type { Wire } from './wire.ts';

/** How one try ended. */
export type IncrementalResult = 'built' | 'unreachable' | 'failed';

const STATES: readonly string[] = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
];

/** A fatal message of gs_rewind and what follows it. */
function fatal(message: string): false {
  say(`${message}\n \ngs_rewind receive FATAL, it will exit\n`);
  return false;
}

/** The target's control data, after a standby that was killed has been brought to a clean stop. */
async function cleanTarget(data: string): Promise<ControlData | undefined> {
  // Its pid is one of a namespace that is gone; here it may be anybody's.
  rmSync(join(postgresData(data), 'postmaster.pid'), { force: true });
  const found = await controlData(data);
  if (found?.state !== 'in archive recovery') return found;
  return (await settleStandby(data)) ? controlData(data) : undefined;
}

interface Comparison {
  control: ControlData;
  sourceCheckpoint: string;
  /** Do both sides have the same bytes at the target's last record? */
  same: boolean;
}

/** The part that only looks: identity, checkpoints, the last record on both sides. */
async function compare(control: Control, source: Source, connection: Wire): Promise<Comparison | false> {
  const { data } = control;
  setNode(source.nodeName);
  say('connect to primary success\n');
  await connection.query('checkpoint');
  const target = await cleanTarget(data);
  if (target === undefined) return fatal('could not read control file of target');
  say('get pg_control success\n');
  say(`target server was interrupted in mode ${Math.max(STATES.indexOf(target.state), 0)}.\n`);
  if (target.systemId !== source.systemId) return fatal('source and target clusters are from different systems');
  if (existsSync(join(postgresData(data), 'backup_label')))
    return fatal('the cluster needs to recover from the latest backup first.');
  say('sanityChecks success\n');
  const sourceCheckpoint = (await single(connection, 'select checkpoint_lsn::text from pg_control_checkpoint()')) ?? '0/0';
  const sourceRedo = (await single(connection, 'select redo_lsn::text from pg_control_checkpoint()')) ?? '0/0';
  say(`find last checkpoint at ${sourceCheckpoint} and checkpoint redo at ${sourceRedo} from source control file\n`);
  say(`find last checkpoint at ${target.checkpoint} and checkpoint redo at ${target.redo} from target control file\n`);
  const last = (await lastRecord(data, target.redo, target.timeline)) ?? { lsn: parseLsn(target.checkpoint), length: 24 };
  say(`find max lsn success, find max lsn rec (${formatLsn(last.lsn)}) success.\n`);
  setNode(setting(data, 'pgxc_node_name') ?? '');
  const same = await request(data, source, connection, last);
  return { control: target, sourceCheckpoint, same };
}

/** Compares one record on both sides and says so. */
async function request(data: string, source: Source, connection: Wire, place: Place): Promise<boolean> {
  say('Get repl_auth_mode is  and repl_uuid is \n');
  say(`build try host(${source.remoteHost}) port(${source.remotePort}) success\n`);
  const [theirs, ours] = [await sourceCrc(connection, place), targetCrc(data, place)];
  say(`request lsn is ${formatLsn(place.lsn)} and its crc(source, target):[${theirs ?? 0}, ${ours ?? 0}]\n`);
  return theirs !== undefined && theirs === ours;
}

const LISTS: readonly string[] = [
  'reading source file list',
  'traverse_datadir start.',
  'Get log directory guc is pg_log',
  'skip log directory pg_log during fetch target file list',
  'filemap_list_to_array start.',
];

function sayFound(checkpoint: string): void {
  say(`find common checkpoint ${checkpoint}\n`);
  say('find diverge point success\n');
  say(`read checkpoint redo (${checkpoint}) success before rewinding.\n`);
  say(`rewinding from checkpoint redo point at ${checkpoint} on timeline 1\n`);
  say(
    `diverge xlogfile is 00000001${'0'.repeat(8)}${(parseLsn(checkpoint) / 0x1000000n).toString(16).toUpperCase().padStart(8, '0')}, older ones will not be copied or removed.\n`,
  );
  say(`targetFileStatThread success pid ${process.pid}.\n`);
  for (const text of LISTS) say(`${text}\n`);
}

function sayReceiving(source: Source, checkpoint: string, size: string): void {
  say('reading target file list\n');
  say('traverse target datadir success\n');
  say('reading WAL in target\n');
  say('calculate totals rewind success\n');
  say(`need to copy ${size}\n`);
  say('starting background WAL receiver\n');
  say(`Starting copy xlog, start point: ${checkpoint}\n`);
  say('in gs_rewind proecess,so no need remove.\n');
  say(`build try host(${source.remoteHost}) port(${source.remotePort}) success\n`);
  say('check identify system success\n');
  say(`send START_REPLICATION ${formatLsn((parseLsn(checkpoint) / 0x1000000n) * 0x1000000n)} success\n`);
  say('receiving and unpacking files...\n');
}

/** Marks the destructive phase in the moment before it begins. */
const markDestructive = (data: string): void => writeFileSync(at(data, 'build_completed.start'), '', { mode: 0o600 });

/** pg_rewind itself, its lines turned into gs_rewind's. */
async function rewind(control: Control, source: Source, found: Comparison): Promise<boolean> {
  const { data } = control;
  let checkpoint = found.control.checkpoint;
  let needed = true;
  let receiving = false;
  let writtenAt = 0;
  const complaints: string[] = [];
  const line = (text: string): void => {
    const common = /rewinding from last common checkpoint at ([0-9A-F]+\/[0-9A-F]+)/.exec(text)?.[1];
    if (common !== undefined) {
      checkpoint = common;
      sayFound(checkpoint);
    }
    if (/no rewind required/.test(text)) needed = false;
    if (/reading WAL in target/.test(text)) markDestructive(data);
    const size = /need to copy (\d+) MB \(total source directory size is (\d+) MB\)/.exec(text);
    if (size !== null) {
      receiving = true;
      sayReceiving(source, checkpoint, `${size[1]}MB (total source directory size is ${size[2]}MB)`);
    }
    const progress = readProgress(text);
    if (progress !== undefined && Date.now() - writtenAt > 100) {
      writtenAt = Date.now();
      writeProgress(data, 'incremental', progress);
    }
    if (/error:|fatal:/i.test(text)) complaints.push(text.replace(/^pg_rewind: /, ''));
  };
  const code = await receive(
    control,
    source,
    {
      program: join(requirePostgres().bin, 'pg_rewind'),
      prefix: ordinaryUser(),
      arguments: [
        `--target-pgdata=${postgresData(data)}`,
        `--source-server=host=127.0.0.1 port=%PORT% user=${source.user} dbname=postgres application_name=gs_rewind`,
        '--no-sync',
        '--progress',
      ],
      lingerMs: 0,
    },
    line,
  );
  if (code !== 0) {
    if (!receiving) rmSync(at(data, 'build_completed.start'), { force: true });
    return fatal(complaints.at(-1) ?? 'could not find any common checkpoint, must to do full build');
  }
  if (needed) return true;
  if (!found.same) return fatal('could not find any common checkpoint, must to do full build');
  sayFound(checkpoint);
  markDestructive(data);
  sayReceiving(source, checkpoint, '0MB (total source directory size is 0MB)');
  return true;
}

/** What follows the copy. */
async function finish(data: string, source: Source, connection: Wire, checkpoint: string): Promise<void> {
  await takeOver(data, connection, (name) => name === 'term_file' || name === 'pg_hba.conf');
  say('execute file map success\n');
  const end = (await single(connection, 'select pg_current_xlog_insert_location()')) ?? source.systemId;
  say(`find minRecoveryPoint success from xlog insert location ${end}\n`);
  say(
    `update pg_control file success, minRecoveryPoint: ${end}, ckpLoc:${checkpoint}, ckpRedo:${checkpoint}, preCkp:${checkpoint}\n`,
  );
  say('update pg_dw file success\n');
  say(`xlog end point: ${end}\n`);
  say('waiting for background process to finish streaming...\n');
  await sleep(delayMs('buildStreamMs'));
  for (const text of [
    'truncating and removing old xlog files',
    'truncate and remove old xlog files success',
    'creating backup label and updating control file',
    'create backup label success',
    `read checkpoint redo (${checkpoint}) success.`,
    `read checkpoint rec (${checkpoint}) success.`,
  ])
    say(`${text}\n`);
  writeFileSync(at(data, 'pg_rewind_filemap'), '', { mode: 0o600 });
  rmSync(at(data, 'pg_hba.conf.old'), { force: true });
  renameSync(at(data, 'build_completed.start'), at(data, 'build_completed.done'));
  say('dn incremental build completed.\n');
}

async function asRewind(control: Control, source: Source): Promise<boolean> {
  const { data } = control;
  if (existsSync(at(data, 'build_completed.start'))) return fatal('last build uncompleted, change to full build. ');
  writeProgress(data, 'incremental');
  say(
    'set gaussdb state file when incremental build:db state(BUILDING_STATE), server mode(STANDBY_MODE), build mode(INC_BUILD).\n',
  );
  const connection = await connectSource(source, source.user, 'gs_rewind');
  if ('error' in connection) return fatal(`could not connect to server: ${connection.error.trim()}`);
  say(
    `connected to server: host=${source.remoteHost} port=${source.remotePort} dbname=postgres application_name=gs_rewind connect_timeout=5  rw_timeout=600\n`,
  );
  const found = await compare(control, source, connection);
  let done = false;
  if (found !== false) {
    done = await rewind(control, source, found);
    if (done) await finish(data, source, connection, found.control.checkpoint);
  }
  connection.close();
  return done;
}

/** One try of an incremental build; the server is stopped already and is not started here. */
export async function buildIncremental(control: Control): Promise<IncrementalResult> {
  if (hasInclude(control.data)) return 'failed';
  const source = await findSource(control, 'primary');
  if (source === undefined) return 'unreachable';
  setProgram('gs_rewind');
  const done = await asRewind(control, source);
  setProgram('gs_ctl');
  setNode(setting(control.data, 'pgxc_node_name') ?? '');
  if (!done) say('inc build failed.\n');
  return done ? 'built' : 'failed';
}
