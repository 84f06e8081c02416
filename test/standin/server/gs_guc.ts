// gs_guc of the stand-in: set, reload and check of postgresql.conf and pg_hba.conf. As the real one, it judges a value only by its kind,
// never asks the server, and echoes its arguments to stderr; what a reload brings about is for SHOW to tell.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { requirePostgres } from '../shared/postgres.ts';
import { processState, readPidFile, readState, readText } from '../shared/state.ts';
import { readLines, setLine } from './conf.ts';
import { type Guc, gucs, readBool, readNumber } from './gucs.ts';

interface Request {
  action: 'set' | 'reload' | 'check';
  pgdata: string;
  settings: { name: string; value: string | undefined }[];
  hba: string | undefined;
}

function leave(text: string): never {
  process.stdout.write(`${text}\nTry "gs_guc --help" for more information.\n`);
  process.exit(1);
}

function readWords(words: string[]): Request {
  const settings: Request['settings'] = [];
  let pgdata = process.env['PGDATA'];
  let hba: string | undefined;
  let action: string | undefined;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    const value = () => {
      if (word.length > 2) return word.slice(2);
      i += 1;
      return words[i] ?? '';
    };
    if (word.startsWith('-D')) pgdata = value();
    else if (word.startsWith('-c')) {
      const setting = value();
      const equals = setting.indexOf('=');
      const name = (equals < 0 ? setting : setting.slice(0, equals)).trim().toLowerCase();
      settings.push({ name, value: equals < 0 ? undefined : setting.slice(equals + 1).trim() });
    } else if (word.startsWith('-h')) hba = value();
    else if (/^-[NIZZ]/.test(word)) value();
    else if (!word.startsWith('-')) action ??= word;
  }
  if (action !== 'set' && action !== 'reload' && action !== 'check') leave('ERROR: the number of process is not right!');
  if (pgdata === undefined || pgdata === '')
    leave('ERROR: no database directory specified and environment variable PGDATA unset');
  if (settings.length === 0 && hba === undefined) leave('ERROR: the form of this command is incorrect.');
  return { action, pgdata: resolve(pgdata), settings, hba };
}

/** Does PostgreSQL know a parameter that the table does not? */
function knownElsewhere(name: string): boolean {
  try {
    const list = execFileSync(join(requirePostgres().bin, 'postgres'), ['--describe-config'], {
      encoding: 'utf8',
      maxBuffer: 1e7,
    });
    return list.split('\n').some((line) => line.split('\t')[0]?.toLowerCase() === name);
  } catch {
    return false;
  }
}

function bare(value: string): string {
  return /^'.*'$/s.test(value) ? value.slice(1, -1).replaceAll("''", "'") : value;
}

function judgeNumber(name: string, value: string, guc: Guc): void {
  const incorrect = `ERROR: The value "${value}" for parameter "${name}" is incorrect, requires a integer value`;
  const number = readNumber(value, guc.unit);
  if (number === undefined) leave(`ERROR: The parameter "${name}" requires an integer value.\n${incorrect}`);
  const { min = -2147483648, max = 2147483647 } = guc;
  if (number < min || number > max)
    leave(`ERROR: The value ${number} is outside the valid range for parameter "${name}" (${min} .. ${max}).\n${incorrect}`);
}

function judge(name: string, value: string): void {
  const guc = gucs[name];
  if (value.includes('#'))
    leave(`ERROR: The value "${value}" for parameter "${name}" is incorrect, it contains the character "#".`);
  if (guc === undefined) {
    if (knownElsewhere(name)) return;
    leave(
      `ERROR: The name of parameter "${name}" is incorrect. It is not within the CN/DN support parameters or it is a read only parameter.`,
    );
  }
  const text = bare(value);
  if (guc.type === 'int') judgeNumber(name, text, guc);
  if (guc.type === 'bool' && readBool(text) === undefined) {
    leave(`ERROR: The value "${value}" for parameter "${name}" is incorrect, requires a boolean value`);
  }
  if (guc.type === 'enum' && !(guc.values?.includes(text.toLowerCase()) ?? true)) {
    leave(`ERROR: The value "${value}" for parameter "${name}" is outside the valid range(${guc.values?.join(',')}).`);
  }
}

if (process.argv[2] === '-V' || process.argv[2] === '--version') {
  process.stdout.write('gs_guc (openGauss) 9.2.4\n');
  process.exit(0);
}
const { action, pgdata, settings, hba } = readWords(process.argv.slice(2));
const conf = join(pgdata, 'postgresql.conf');
const out = (line: string) => process.stdout.write(`${line}\n`);
process.stderr.write(`The gs_guc run with the following arguments: [gs_guc ${argumentEcho()} ].\n`);

function argumentEcho(): string {
  const words = settings.map(({ name, value }) => `-c ${name}${value === undefined ? '' : `=${value}`}`);
  return ['-D', pgdata, ...words, ...(hba === undefined ? [] : ['-h', hba]), action].join(' ');
}

for (const { name, value } of settings) if (value !== undefined) judge(name, value);
if (existsSync(join(pgdata, 'build_completed.start'))) {
  process.stderr.write('gs_guc:The gs_ctl build is doing now, the gs_guc process should be stopped.\n');
  process.exit(1);
}

if (action === 'check') {
  const lines = readLines(readText(conf) ?? '');
  const host = hostname();
  for (const { name } of settings) {
    const value = lines.findLast((line) => line.name === name)?.value ?? 'NULL';
    out(`expected guc information: ${host}: ${name}=NULL: [${conf}]`);
    out(`gs_guc check: ${host}: ${name}=${value}: [${conf}]\n`);
    out('Total GUC values: 1. Failed GUC values: 0.');
    out(`The value of parameter ${name} is same on all instances.\n    ${name}=${value}\n`);
  }
  process.exit(0);
}

function editHba(line: string): string {
  const file = join(pgdata, 'pg_hba.conf');
  const words = line.trim().split(/\s+/);
  const method = words.length >= (words[0] === 'local' ? 4 : 5);
  const key = words.slice(0, words[0] === 'local' ? 3 : 4).join(' ');
  const lines = readFileSync(file, 'utf8').split('\n');
  const same = (candidate: string) => candidate.trim().split(/\s+/).slice(0, key.split(' ').length).join(' ') === key;
  const kept = method
    ? lines.filter((candidate) => !same(candidate))
    : lines.map((candidate) => (same(candidate) ? `#${candidate}` : candidate));
  if (method) kept.splice(kept.at(-1) === '' ? kept.length - 1 : kept.length, 0, words.join('    '));
  writeFileSync(file, kept.join('\n'));
  return file;
}

function editConf(): void {
  let text = readText(conf) ?? '';
  const changed: string[] = [];
  for (const { name, value } of settings) {
    const own = readLines(text).filter((line) => line.name === name);
    const last = own.at(-1);
    if (own.length > 1 && last !== undefined) {
      out(
        `WARNING: There are ${own.length} '${name}' not commented in "postgresql.conf", and only the last one in ${last.index + 1}th line will be set and used.`,
      );
    }
    if (
      /^replconninfo\d$/.test(name) &&
      value === "''" &&
      readLines(text).filter((line) => /^replconninfo\d$/.test(line.name) && line.value !== '').length <= 1
    ) {
      out(
        '\nWARNING: This is the last valid replConnInfo, once set to null, the host role will be changed to Normal if the local_role is primary now.',
      );
    }
    text = setLine(text, name, value ?? '');
    changed.push(`gs_guc ${action}: ${name}=${value ?? ''}: [${conf}]`);
  }
  writeFileSync(conf, text);
  for (const line of changed) out(line);
}

out(`expected instance path: [${hba === undefined ? conf : join(pgdata, 'pg_hba.conf')}]`);
if (!existsSync(conf)) trailer(`gs_guc: "${conf}" does not exist`);
if (hba === undefined) editConf();
else out(`gs_guc ${action}hba: ${hba}: [${editHba(hba)}]`);

/** What keeps a reload from being sent; undefined once it was sent. */
function signalServer(): string | undefined {
  const file = readPidFile(pgdata);
  if (file === undefined) return `gs_guc: PID file "${join(pgdata, 'postmaster.pid')}" does not exist\nIs server running?`;
  const state = readState(pgdata)?.state;
  if (state === 'Unknown' || state === 'Starting' || state === 'Coredump')
    return `gs_guc: could not reload, the server state is ${state}`;
  if (processState(file.pid) === undefined) {
    process.stderr.write(`ls: cannot read symbolic link '/proc/${file.pid}/cwd': No such file or directory\n`);
    return `gs_guc: could not send reload signal (PID: ${file.pid}): No such process`;
  }
  process.kill(file.pid, 'SIGHUP');
  return undefined;
}

function trailer(failure: string | undefined): never {
  if (failure !== undefined) out(failure);
  const failed = failure !== undefined;
  out(`\nTotal instances: 1. Failed instances: ${failed ? 1 : 0}.`);
  if (failed) out(`Failed instance information:\n    [${hostname()}]    [${conf}]\n`);
  out(`${failed ? 'Failure' : 'Success'} to perform gs_guc!\n`);
  process.exit(failed ? 1 : 0);
}

if (action === 'set') trailer(undefined);
const failure = signalServer();
if (failure === undefined) out('server signaled');
trailer(failure);
