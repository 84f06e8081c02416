// gs_ctl of the stand-in: openGauss's control program over the stand-in's server. It reads the command line, prints the
// banner, minds pg_ctl.lock and hands over to the one module that does the command. It knows the server only through
// openGauss's own interface: files of PGDATA, signals, SQL.
//
// The lock itself is taken by the launcher bin/gs_ctl (Node cannot call fcntl), in the very process that then becomes this
// one, so that it lives exactly as long as gs_ctl; what came of it is in the environment.
import { isAbsolute, normalize } from 'node:path';
import { fault } from '../shared/faults.ts';
import { at, Leave, setting } from './datadir.ts';
import { errorText, raw, say } from './messages.ts';
import { advice, type Control, type Options, parse, refuses } from './options.ts';

type Command = (control: Control) => Promise<number>;

const LOCKED: Readonly<Record<string, string>> = {
  start: 'start',
  restart: 'restart',
  failover: 'failover',
  switchover: 'switchover',
  build: 'build',
};

const BANNERS: Readonly<Record<string, string>> = {
  init: 'gs_ctl init,datadir is %s \n',
  gs_initdb: 'gs_ctl init,datadir is %s \n',
  status: 'gs_ctl status,datadir is %s \n',
  start: 'gs_ctl started,datadir is %s \n',
  restart: 'gs_ctl restarted ,datadir is %s \n',
  stop: 'gs_ctl stopped ,datadir is %s \n',
  reload: 'gs_ctl reload ,datadir is %s \n',
  finishredo: 'gs_ctl finish redo ,datadir is %s \n',
  failover: 'gs_ctl failover ,datadir is %s \n',
  switchover: 'gs_ctl switchover ,datadir is %s \n',
  notify: 'gs_ctl notify ,datadir is %s \n',
  query: 'gs_ctl query ,datadir is %s \n',
  querybuild: 'gs_ctl build query ,datadir is %s \n',
  kill: 'gs_ctl kill ,datadir is %s \n',
};

const modules: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).start,
  restart: async () => (await import('./start.ts')).restart,
  stop: async () => (await import('./stop.ts')).stop,
  failover: async () => (await import('./promote.ts')).failover,
  switchover: async () => (await import('./promote.ts')).switchover,
  notify: async () => (await import('./promote.ts')).notify,
  query: async () => (await import('./query.ts')).query,
  querybuild: async () => (await import('./querybuild.ts')).querybuild,
  build: async () => (await import('./build.ts')).build,
  status: async () => (await import('./control.ts')).status,
  reload: async () => (await import('./control.ts')).reload,
  kill: async () => (await import('./control.ts')).kill,
  finishredo: async () => (await import('./control.ts')).finishRedo,
  init: async () => (await import('./control.ts')).init,
  gs_initdb: async () => (await import('./control.ts')).init,
};

const HELP = `gs_ctl is a utility to initialize, start, stop, or control an openGauss server.

Usage:
  gs_ctl start|restart   [-w] [-t SECS] [-D DATADIR] [-s] [-l FILENAME] [-o "OPTIONS"] [-M SERVERMODE]
  gs_ctl stop            [-W] [-t SECS] [-D DATADIR] [-s] [-m SHUTDOWN-MODE]
  gs_ctl status|reload|query|querybuild|finishredo [-D DATADIR]
  gs_ctl failover        [-W] [-t SECS] [-D DATADIR] [-T TERM]
  gs_ctl switchover      [-W] [-t SECS] [-D DATADIR] [-T TERM] [-f]
  gs_ctl notify          -M SERVERMODE [-D DATADIR] [-T TERM]
  gs_ctl build           [-D DATADIR] [-b MODE] [-r SECS] [-C CONNECTOR] [-q] [-M SERVERMODE] [-T TERM]
  gs_ctl kill            SIGNALNAME PID
  gs_ctl init            [-D DATADIR] [-s] [-o "OPTIONS"]
`;

/** The banner of a build, which has no trailing blank. */
function buildBanner(options: Options, data: string): string {
  const names: Record<string, string> = {
    full: 'full',
    cross_cluster_full: 'full',
    standby_full: 'standby full',
    cross_cluster_standby_full: 'standby full',
    check: 'check',
  };
  const name = names[options.build];
  const what = name === 'check' ? 'gs_ctl build check' : `gs_ctl ${name ?? 'incremental'} build`;
  return `${what} ,datadir is ${data}${options.connection === undefined ? '' : `,conn_str is '${options.connection}'`}\n`;
}

function dataDirectory(options: Options): string | undefined {
  const given = options.pgdata ?? process.env['PGDATA'];
  if (given === undefined || given === '') {
    if (options.command === 'kill') return '';
    say(' no database directory specified and environment variable PGDATA unset\n');
    advice();
    return undefined;
  }
  if (options.pgdata === undefined && refuses(given)) return undefined;
  const absolute = normalize(isAbsolute(given) ? given : `${process.cwd()}/${given}`).replace(/(.)\/+$/, '$1');
  const elsewhere = setting(absolute, 'data_directory');
  if (elsewhere === undefined || elsewhere === '') return absolute;
  say(`data directory is set to ${elsewhere} according to data_directory in config file.\n`);
  return elsewhere;
}

/** Whether the launcher got the lock; the exit code when it did not. */
function withoutLock(command: string, data: string): number | undefined {
  const name = LOCKED[command];
  if (name === undefined) return undefined;
  const outcome = fault('lock-conflict') === undefined ? (process.env['OG_STANDIN_LOCK'] ?? '') : 'conflict';
  if (outcome === 'held') return undefined;
  if (outcome.startsWith('error:')) {
    say(`can't create lock file "${at(data, 'pg_ctl.lock')}" : ${outcome.slice('error:'.length)}`);
    return 1;
  }
  say(`Another gs_ctl command is still running,${name} failed !\n`);
  return command === 'start' || command === 'restart' ? 0 : 1;
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.some((word) => word === '--help' || word === '-?')) {
    raw(HELP);
    return 0;
  }
  if (argv.some((word) => word === '--version' || word === '-V')) {
    raw('gs_ctl (openGauss) 9.2.4\n');
    return 0;
  }
  const parsed = parse(argv);
  if ('exit' in parsed) return parsed.exit;
  const { options } = parsed;
  const data = dataDirectory(options);
  if (data === undefined) return 1;
  if (options.command === 'build' && options.build === 'copy_secure_files') {
    say('When copy secure files from remote, need remote host and authentication!\n');
    return 1;
  }
  const load = modules[options.command];
  if (load === undefined) return 0;
  say(options.command === 'build' ? buildBanner(options, data) : (BANNERS[options.command] ?? '').replace('%s', () => data));
  const refused = withoutLock(options.command, data);
  if (refused !== undefined) return refused;
  const command = await load();
  return command({ options, data, startedAt: Math.floor(Date.now() / 1000) });
}

process.umask(0o077);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Leave)) say(`${error instanceof Error ? (error.stack ?? error.message) : errorText(error)}\n`);
  process.exitCode = error instanceof Leave ? error.code : 1;
}
// A server started here, and a connection that lingers, must not keep gs_ctl alive.
process.exit();
