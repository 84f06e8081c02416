// gs_basebackup of the stand-in: a copy of a running instance, made over its HA port, as a directory that gaussdb can start.
// It takes -D -h -p -U -X -F p -P -v -W -t as openGauss's does; other formats than plain are refused.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { postgresData, requirePostgres, walDirectory } from '../shared/postgres.ts';
import { connectSource } from './buildsource.ts';
import { ownName } from './session.ts';
import { takeOver } from './takeover.ts';

function fail(text: string): never {
  process.stderr.write(`gs_basebackup: ${text}\n`);
  process.exit(1);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        pgdata: { type: 'string', short: 'D' },
        host: { type: 'string', short: 'h', default: process.env['PGHOST'] ?? 'localhost' },
        port: { type: 'string', short: 'p', default: process.env['PGPORT'] ?? '5432' },
        username: { type: 'string', short: 'U' },
        'xlog-method': { type: 'string', short: 'X', default: 'stream' },
        format: { type: 'string', short: 'F', default: 'p' },
        progress: { type: 'boolean', short: 'P', default: false },
        verbose: { type: 'boolean', short: 'v', default: false },
        password: { type: 'boolean', short: 'W' },
        'rw-timeout': { type: 'string', short: 't' },
        version: { type: 'boolean', short: 'V' },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

const options = readOptions();
if (options.version === true) {
  process.stdout.write('gs_basebackup (openGauss 5.0.3 build stand-in)\n');
  process.exit(0);
}
const data = options.pgdata ?? fail('no target directory specified');
if (!['p', 'plain'].includes(options.format)) fail(`the stand-in has no format "${options.format}"`);
if (existsSync(data) && readdirSync(data).length > 0) fail(`directory "${data}" exists but is not empty`);
mkdirSync(data, { recursive: true, mode: 0o700 });

const source = { localHost: '', remoteHost: options.host, remotePort: Number(options.port) };
const user = options.username ?? ownName(data);
const connection = await connectSource(source, user, 'gs_ctl');
if ('error' in connection) fail(`could not connect to server: ${connection.error.trim()}`);
await takeOver(data, connection, () => true, true);
connection.close();
const run = spawnSync(
  join(requirePostgres().bin, 'pg_basebackup'),
  [
    '-d',
    `host=${options.host} port=${options.port} user=${user} application_name=gs_basebackup`,
    '-D',
    postgresData(data),
    `--waldir=${walDirectory(data)}`,
    '-X',
    options['xlog-method'] === 'fetch' ? 'fetch' : 'stream',
    '--no-slot',
    '--checkpoint=fast',
    ...(options.progress ? ['-P'] : []),
    ...(options.verbose ? ['-v'] : []),
  ],
  { stdio: 'inherit', env: { ...process.env, LC_ALL: 'C' } },
);
process.exit(run.status ?? 1);
