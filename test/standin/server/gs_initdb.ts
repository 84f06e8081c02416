// gs_initdb of the stand-in: makes PostgreSQL's data directory under PGDATA/base, openGauss's SQL names in its template, and around it the
// files and directories of an openGauss PGDATA.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import {
  giveToPostgres,
  openTheWay,
  ordinaryUser,
  postgresData,
  requirePostgres,
  walDirectory,
  walSegmentMb,
} from '../shared/postgres.ts';
import { catalogScript } from './catalog.ts';
import { sampleConf, sampleHba } from './samples.ts';

interface InitOptions {
  pgdata: string;
  nodeName: string;
  user: string;
  password: string | undefined;
  walPlace: string | undefined;
  encoding: string;
  locale: string;
}

function leave(text: string): never {
  process.stderr.write(`gs_initdb: ${text}\n`);
  process.exit(1);
}

function readWords(words: string[]): InitOptions {
  const found = new Map<string, string>();
  const shorts: Record<string, string> = {
    D: 'pgdata',
    U: 'username',
    w: 'pwpasswd',
    X: 'xlogdir',
    E: 'encoding',
    A: 'auth',
    L: 'share',
  };
  const flags = new Set(['S', 'n', 'c', 'd', 's', 'W', 'N', 'k']);
  let bare: string | undefined;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    const long = /^--([\w-]+)(?:=(.*))?$/s.exec(word);
    if (long !== null) {
      const name = long[1] ?? '';
      const flag = ['nosync', 'noclean', 'debug', 'show', 'security', 'no-locale', 'pwprompt', 'enable-dcf'].includes(name);
      if (long[2] !== undefined || flag) found.set(name, long[2] ?? '');
      else {
        i += 1;
        found.set(name, words[i] ?? '');
      }
    } else if (word.startsWith('-') && word.length > 1) {
      const letter = word[1] ?? '';
      if (flags.has(letter)) continue;
      if (word.length === 2) i += 1;
      found.set(shorts[letter] ?? letter, word.length > 2 ? word.slice(2) : (words[i] ?? ''));
    } else bare = word;
  }
  const pgdata = found.get('pgdata') ?? bare ?? process.env['PGDATA'];
  if (pgdata === undefined || pgdata === '') leave('no data directory specified');
  const nodeName = found.get('nodename');
  if (nodeName === undefined || nodeName === '')
    leave('no node name specified\nYou must identify the node name via the --nodename option.');
  const file = found.get('pwfile');
  const locale = found.has('no-locale') ? 'C' : (found.get('locale') ?? 'C');
  return {
    pgdata: resolve(pgdata),
    nodeName,
    user: found.get('username') ?? ownName(),
    password: file === undefined ? found.get('pwpasswd') : readFileSync(file, 'utf8').split('\n')[0],
    walPlace: found.get('xlogdir'),
    encoding: found.get('encoding') ?? 'UTF8',
    locale,
  };
}

/** The caller's name; a user without one becomes openGauss's usual one. */
function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'omm';
  }
}

function checkPassword(password: string | undefined): void {
  if (password === undefined) return;
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length;
  if (password.length < 8) leave('password must contain at least 8 characters.');
  if (kinds < 3) leave('password must contain at least three kinds of characters.');
}

function run(program: string, words: string[], input = '', environment: Record<string, string> = {}): void {
  const [first = program, ...rest] = [...ordinaryUser(), program, ...words];
  const done = spawnSync(first, rest, {
    input,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', ...environment },
    maxBuffer: 1e8,
  });
  const failed = /\b(ERROR|FATAL|PANIC):.*/.exec(done.stderr ?? '');
  if (done.status !== 0 || failed !== null) leave(`${program} failed: ${failed?.[0] ?? done.error?.message ?? done.stderr}`);
}

const directories =
  'pg_clog pg_csnlog pg_notify pg_serial pg_snapshots pg_twophase pg_multixact pg_replslot pg_tblspc pg_stat_tmp pg_llog pg_errorinfo undo pg_logical pg_location pg_log global';

if (process.argv[2] === '-V' || process.argv[2] === '--version') {
  process.stdout.write('gs_initdb (openGauss) 9.2.4\n');
  process.exit(0);
}
const options = readWords(process.argv.slice(2));
checkPassword(options.password);
const { pgdata } = options;
if (existsSync(pgdata) && readdirSync(pgdata).length > 0) leave(`directory "${pgdata}" exists but is not empty`);
process.umask(0o077);
const postgres = requirePostgres();
const openGauss = process.env['OG_STANDIN_VERSION'] ?? '5.0.3';
if (!/^\d+(\.\d+)*$/.test(openGauss)) leave(`OG_STANDIN_VERSION "${openGauss}" is not a version`);
process.stdout.write(
  `The files belonging to this database system will be owned by user "${options.user}".\nThis user must also own the server process.\n\n`,
);
mkdirSync(pgdata, { recursive: true, mode: 0o700 });
chmodSync(pgdata, 0o700);
const wal = walDirectory(pgdata);
if (options.walPlace === undefined) mkdirSync(wal);
else {
  mkdirSync(options.walPlace, { recursive: true, mode: 0o700 });
  symlinkSync(resolve(options.walPlace), wal);
}
const data = postgresData(pgdata);
mkdirSync(data);
for (const path of [pgdata, realpathSync(wal), data]) giveToPostgres(path);
openTheWay(pgdata);
const passwordFile = join(pgdata, '.password');
if (options.password !== undefined) {
  writeFileSync(passwordFile, `${options.password}\n`);
  giveToPostgres(passwordFile);
}
run(join(postgres.bin, 'initdb'), [
  ...[
    '-D',
    data,
    '-X',
    wal,
    '-U',
    options.user,
    '-E',
    options.encoding,
    `--locale=${options.locale}`,
    `--wal-segsize=${walSegmentMb}`,
    '-N',
    '-A',
    'trust',
  ],
  ...(options.password === undefined ? [] : [`--pwfile=${passwordFile}`]),
]);
rmSync(passwordFile, { force: true });
// a relative link, so that the directory may be copied or moved
rmSync(join(data, 'pg_wal'));
symlinkSync(join('..', 'pg_xlog'), join(data, 'pg_wal'));
const script = catalogScript(openGauss);
for (const database of ['template1', 'postgres'])
  run(join(postgres.bin, 'postgres'), ['--single', '-O', '-j', '-F', '-D', data, database], script);
for (const name of directories.split(' ')) mkdirSync(join(pgdata, name), { recursive: true });
mkdirSync(join(wal, 'archive_status'), { recursive: true });
writeFileSync(join(data, 'og_initial_user'), `${options.user}\n`);
giveToPostgres(join(data, 'og_initial_user'));
writeFileSync(join(pgdata, 'PG_VERSION'), '9.2\n');
writeFileSync(join(pgdata, 'postgresql.conf'), sampleConf(options.nodeName));
writeFileSync(join(pgdata, 'pg_hba.conf'), sampleHba);
writeFileSync(join(pgdata, 'pg_ident.conf'), '');
writeFileSync(join(pgdata, 'mot.conf'), '');
writeFileSync(join(pgdata, 'postgresql.conf.lock'), Buffer.alloc(1024));
process.stdout.write(
  `\nSuccess. You can now start the database server of single node using:\n\n    gaussdb -D ${pgdata} --single_node\nor\n    gs_ctl start -D ${pgdata} -Z single_node -l logfile\n\n`,
);
