/**
 * Creates the database of a new cluster. While gs_initdb works a mark lies beside the directory, so that what an
 * interrupted initialisation leaves never looks like data. It writes over nobody's files and starts no server.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import { renderConf } from './conf.ts';
import { readControlData } from './controldata.ts';
import { initialisingMark, seedFiles } from './datadir.ts';
import { bounded, exists, fileBoundMs, readText, removeFiles, writeDurably } from './files.ts';
import { freshIdentity, writeDataId } from './identity.ts';
import type { InstanceOptions } from './options.ts';
import { initialParameters } from './parameters.ts';
import { exitFault, runTool } from './tool.ts';

/** gs_initdb took 8–9 s on a slow machine. */
const initMs = 300_000;

/** Runs gs_initdb and writes the settings every member starts with. */
export async function initialise(options: InstanceOptions, signal: AbortSignal): Promise<Result<{ systemId: string }>> {
  const mark = initialisingMark(options.pgdata);
  const passwordFile = `${options.pgdata}.password`;
  const begun = await exists(mark);
  if (!begun.ok) return begun;
  // One that was given up goes on removing what it listed: neither a new database nor new settings may come under it.
  const paths = [options.pgdata, ...seedFiles.map((name) => join(options.pgdata, name))];
  const clearing = () => clear(options.pgdata, begun.value);
  const free = await bounded(clearing, 'clear the way for a new database', fileBoundMs, { paths });
  if (!free.ok) return free;
  if (!free.value) return failed(occupied(options.pgdata));
  const marked = await writeDurably(mark, '');
  if (!marked.ok) return marked;
  const secret = await writeDurably(passwordFile, `${options.secrets.superuserPassword}\n`);
  if (!secret.ok) return secret;
  const made = await make(options, passwordFile, signal);
  await removeFiles([passwordFile]);
  if (!made.ok) return made;
  const unmarked = await removeFiles([mark]);
  return unmarked.ok ? made : unmarked;
}

async function make(options: InstanceOptions, passwordFile: string, signal: AbortSignal): Promise<Result<{ systemId: string }>> {
  const args = [
    '-D',
    options.pgdata,
    `--nodename=${nodeName(options.member)}`,
    '-U',
    options.superuser,
    `--pwfile=${passwordFile}`,
  ];
  const run = await runTool(options, 'gs_initdb', [...args, '-E', 'UTF8', '--locale=C'], { deadlineMs: initMs, signal });
  if (!run.ok) return run;
  if (run.value.exitCode !== 0) return failed(exitFault('gs_initdb', run.value));
  const written = await writeSettings(options);
  if (!written.ok) return written;
  const control = await readControlData(options, 10_000);
  return control.ok ? ok({ systemId: control.value.systemId }) : control;
}

async function writeSettings(options: InstanceOptions): Promise<Result<void>> {
  const path = join(options.pgdata, 'postgresql.conf');
  const conf = await readText(path);
  if (!conf.ok) return conf;
  const written = await writeDurably(path, renderConf(conf.value ?? '', initialParameters(options)));
  if (!written.ok) return written;
  return writeDataId(options.pgdata, freshIdentity().dataId ?? '');
}

/** True when nothing is in the way any more. Only what an interrupted initialisation or our own seed left is removed. */
async function clear(pgdata: string, ours: boolean): Promise<boolean> {
  await mkdir(dirname(pgdata), { recursive: true });
  const names = await readdir(pgdata).catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? [] : Promise.reject(error),
  );
  const removable = names.filter((name) => ours || seedFiles.includes(name));
  for (const name of removable) await rm(join(pgdata, name), { recursive: true, force: true });
  return removable.length === names.length;
}

/** pgxc_node_name takes letters, digits and underscores and at most 63 of them. */
function nodeName(member: string): string {
  return member.replaceAll(/[^A-Za-z0-9_]/g, '_').slice(0, 63);
}

function occupied(pgdata: string): Fault {
  return { of: 'disk', kind: 'exists', done: 'no', detail: `${pgdata} is not empty; nothing is initialised over existing files` };
}
