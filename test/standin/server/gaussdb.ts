// gaussdb of the stand-in: checks the data directory as the real one does, then runs one instance until a signal ends it.
// SIGTERM and SIGINT are a fast stop, SIGQUIT an immediate one, SIGHUP a reload, SIGUSR1 announces request files.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { namedUid, postgresData, requirePostgres } from '../shared/postgres.ts';
import { processState, readPidFile } from '../shared/state.ts';
import { createInstance } from './instance.ts';
import { readOptions } from './options.ts';

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

function checkPidFile(pgdata: string): void {
  const file = readPidFile(pgdata);
  if (file === undefined || file.pid === process.pid || processState(file.pid) === undefined) return;
  try {
    if (readFileSync(`/proc/${file.pid}/comm`, 'utf8').trim() !== 'gaussdb') return;
  } catch {
    return;
  }
  fatal(
    `lock file "postmaster.pid" already exists`,
    `Is another postmaster (PID ${file.pid}) running in data directory "${pgdata}"?`,
  );
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
checkPidFile(options.pgdata);
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
