// gaussdb of the stand-in: checks the data directory as the real one does, then runs one instance until a signal ends it.
// SIGTERM and SIGINT are a fast stop, SIGQUIT an immediate one, SIGHUP a reload, SIGUSR1 announces request files.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { namedUid, postgresData, requirePostgres } from '../shared/postgres.ts';
import { readPidFile, readText } from '../shared/state.ts';
import { createInstance } from './instance.ts';
import { readOptions } from './options.ts';

const exiting = 0x4;

function fatal(text: string, detail?: string, code = 1): never {
  process.stderr.write(` 0 [BACKEND] FATAL:  ${text}\n${detail === undefined ? '' : ` 0 [BACKEND] DETAIL:  ${detail}\n`}`);
  process.exit(code);
}

function checkDirectory(pgdata: string): void {
  const stat = statSync(pgdata, { throwIfNoEntry: false });
  if (stat === undefined) fatal(`data directory "${pgdata}" does not exist`);
  const given = process.getuid?.() === 0 && stat.uid === namedUid();
  if (stat.uid !== process.getuid?.() && !given) fatal(`data directory "${pgdata}" has wrong ownership`, undefined);
  if ((stat.mode & 0o077) !== 0)
    fatal(`data directory "${pgdata}" has group or world access`, 'Permissions should be u=rwx (0700).');
  if (existsSync(join(pgdata, 'build_completed.start'))) {
    process.stderr.write(
      'gaussdb: Uncompleted build is detected, please build again and then start database after its success.\n',
    );
    process.exit(2);
  }
  if (!existsSync(join(pgdata, 'PG_VERSION')))
    fatal(`"${pgdata}" is not a valid data directory`, `File "${pgdata}/PG_VERSION" is missing.`);
  if (!existsSync(join(postgresData(pgdata), 'global', 'pg_control'))) {
    process.stderr.write(' 0 [BACKEND] PANIC:  Invalid xlog offset at 0/0. Please check xlog files or restore the backup.\n');
    process.exit(134);
  }
}

/** Does a live gaussdb have this pid? One that was killed may need a moment to be gone; a zombie is. */
async function gaussdbRuns(pid: number): Promise<boolean> {
  for (let waitedMs = 0; ; waitedMs += 20) {
    const stat = readText(`/proc/${pid}/stat`) ?? '';
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (!stat.includes('(gaussdb)') || fields[0] === 'Z' || fields[0] === 'X') return false;
    const leaving = (Number(fields[6]) & exiting) !== 0;
    if (!leaving || waitedMs > 2_000) return true;
    await sleep(20);
  }
}

async function checkPidFile(pgdata: string): Promise<void> {
  const pid = readPidFile(pgdata)?.pid;
  if (pid === undefined || pid === process.pid || !(await gaussdbRuns(pid))) return;
  fatal(`lock file "postmaster.pid" already exists`, `Is another postmaster (PID ${pid}) running in data directory "${pgdata}"?`);
}

const words = process.argv.slice(2);
if (words[0] === '-V' || words[0] === '--version') {
  process.stdout.write('gaussdb (openGauss 5.0.3 build stand-in)\n');
  process.exit(0);
}
const options = readOptions(words, process.env);
if (typeof options === 'string') {
  process.stderr.write(`${options}\n`);
  process.exit(1);
}
checkDirectory(options.pgdata);
await checkPidFile(options.pgdata);
writeFileSync('/proc/self/comm', 'gaussdb');
process.umask(0o077);
process.chdir(options.pgdata);
const initialUser = readFileSync(join(postgresData(options.pgdata), 'og_initial_user'), 'utf8').trim();
const instance = createInstance(options, requirePostgres(), initialUser);
process.on('SIGINT', () => void instance.stop('fast'));
process.on('SIGTERM', () => void instance.stop('fast'));
process.on('SIGQUIT', () => void instance.stop('immediate'));
process.on('SIGHUP', () => void instance.reload());
process.on('SIGUSR1', () => void instance.requests());
process.on('SIGPIPE', () => {});
await instance.start();
