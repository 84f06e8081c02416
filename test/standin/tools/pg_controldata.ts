// pg_controldata of the stand-in: PostgreSQL's own, of the data inside PGDATA, with openGauss's labels (those of 9.2, no
// checksum and no backup fields it does not have). The timeline reads 1 for ever, as openGauss's does.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { postgresData, requirePostgres } from '../shared/postgres.ts';

const FIELDS: readonly (readonly [string, string])[] = [
  ['pg_control version number', '923'],
  ['Catalog version number', '201611171'],
  ['Database system identifier', ''],
  ['Database cluster state', ''],
  ['pg_control last modified', ''],
  ['Latest checkpoint location', ''],
  ['Prior checkpoint location', '='],
  ["Latest checkpoint's REDO location", ''],
  ["Latest checkpoint's TimeLineID", '1'],
  ["Latest checkpoint's full_page_writes", ''],
  ["Latest checkpoint's NextXID", ''],
  ["Latest checkpoint's NextOID", ''],
  ["Latest checkpoint's NextMultiXactId", ''],
  ["Latest checkpoint's NextMultiOffset", ''],
  ["Latest checkpoint's oldestXID", ''],
  ["Latest checkpoint's oldestXID's DB", ''],
  ["Latest checkpoint's oldestActiveXID", ''],
  ["Latest checkpoint's remove lsn", '0/1'],
  ['Time of latest checkpoint', ''],
  ['Minimum recovery ending location', ''],
  ['Backup start location', ''],
  ['Backup end location', ''],
  ['End-of-backup record required', ''],
  ['Current wal_level setting', 'hot_standby'],
  ['Current max_connections setting', '='],
  ['Current max_prepared_xacts setting', '='],
  ['Current max_locks_per_xact setting', '='],
  ['Maximum data alignment', ''],
  ['Database block size', ''],
  ['Blocks per segment of large relation', ''],
  ['WAL block size', ''],
  ['Bytes per WAL segment', ''],
  ['Maximum length of identifiers', ''],
  ['Maximum columns in an index', ''],
  ['Maximum size of a TOAST chunk', ''],
  ['Date/time type storage', ''],
  ['Float4 argument passing', 'by value'],
  ['Float8 argument passing', ''],
  ['Database system TimeLine', '1'],
];

/** Labels that PostgreSQL spells otherwise. */
const RENAMED: Readonly<Record<string, string>> = {
  'Prior checkpoint location': 'Latest checkpoint location',
  'Current max_connections setting': 'max_connections setting',
  'Current max_prepared_xacts setting': 'max_prepared_xacts setting',
  'Current max_locks_per_xact setting': 'max_locks_per_xact setting',
};

const words = process.argv.slice(2);
if (words.includes('-V') || words.includes('--version')) {
  process.stdout.write('pg_controldata (openGauss) 9.2.4\n');
  process.exit(0);
}
const data = words.find((word) => !word.startsWith('-')) ?? process.env['PGDATA'];
if (data === undefined) {
  process.stderr.write('pg_controldata: no data directory specified\nTry "pg_controldata --help" for more information.\n');
  process.exit(1);
}
const run = spawnSync(join(requirePostgres().bin, 'pg_controldata'), [postgresData(data)], {
  encoding: 'utf8',
  env: { ...process.env, LC_ALL: 'C' },
});
if (run.status !== 0) {
  process.stderr.write(
    `pg_controldata: could not open file "${data}/global/pg_control" for reading: No such file or directory\n`,
  );
  process.exit(2);
}
const values = new Map(
  run.stdout.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
);
for (const [name, fixed] of FIELDS) {
  const own = values.get(fixed === '=' ? (RENAMED[name] ?? name) : name) ?? '';
  const value = name.endsWith('NextXID') ? (own.split(':').at(-1) ?? own) : own;
  process.stdout.write(`${`${name}:`.padEnd(38)}${fixed === '' || fixed === '=' ? value : fixed}\n`);
}
