// How gs_ctl asks the local server: where to connect it takes from postmaster.pid (the HA port, or the unix socket when
// nothing listens on TCP), and when it cannot connect it believes gaussdb.state, stale or not.
import { readSync, existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { postgresData } from '../shared/postgres.ts';
import { type GaussState, type Mode, modes, readPidFile, readState } from '../shared/state.ts';
import { at, Leave, lines } from './datadir.ts';
import { raw, say } from './messages.ts';
import { open, type Rows, type Target, type Wire } from './wire.ts';

const CONNECT_TIMEOUT_MS = 5000;
const TRIES = 3;

/** What a failed connection leaves to say. */
export interface Failure {
  error: string;
}

/** The database user gs_ctl is: the initial user of the data directory, which on a real installation the operating system's is. */
export function ownName(data: string): string {
  const initial = lines(`${postgresData(data)}/og_initial_user`)[0]?.trim();
  if (initial !== undefined && initial !== '') return initial;
  try {
    const name = userInfo().username;
    return name === '' || name === 'root' ? 'omm' : name;
  } catch {
    return 'omm';
  }
}

function target(data: string, user: string | undefined, password: string | undefined): Target | undefined {
  if (lines(at(data, 'postmaster.pid')).length < 6) return undefined;
  const file = readPidFile(data);
  if (file === undefined) return undefined;
  const called = file.listenAddress === '*' ? 'localhost' : file.listenAddress.trim();
  const host = called === '' ? file.socketDirectory : called;
  if (called === '' && !host.startsWith('/')) return undefined;
  return {
    host,
    called: host,
    port: file.port + (called === '' ? 0 : 1),
    user: user ?? ownName(data),
    database: 'postgres',
    parameters: { application_name: 'gs_ctl', options: '-c xc_maintenance_mode=on -c remotetype=internaltool' },
    password,
    timeoutMs: CONNECT_TIMEOUT_MS,
  };
}

/** Asks for a password on stderr and reads one line; the end of the input is an empty one. */
function prompt(user: string | undefined): string {
  raw(user === undefined ? 'Password: ' : `Password for user ${user}: `, 2);
  const bytes = Buffer.alloc(1024);
  try {
    return bytes.toString('utf8', 0, readSync(0, bytes)).split('\n')[0] ?? '';
  } catch {
    return '';
  }
}

/** One attempt. libpq tries the native protocol, then the plain one, and complains about both. */
async function attempt(
  data: string,
  user: string | undefined,
  password: string | undefined,
): Promise<Wire | Failure | undefined> {
  const place = target(data, user, password);
  if (place === undefined) return undefined;
  let answer = await open(place);
  if ('needsPassword' in answer && answer.needsPassword === true && password === undefined)
    answer = await open({ ...place, password: prompt(user) });
  return 'error' in answer ? { error: `(connect to V5 server) ${answer.error}(connect to V1 server) ${answer.error}` } : answer;
}

/** Connects to the local server; tries again while the server's port lock file shows that it is changing its role. */
export async function connectLocal(data: string, user?: string, password?: string): Promise<Wire | Failure | undefined> {
  for (let i = 1; ; i++) {
    const answer = await attempt(data, user, password);
    if (answer !== undefined && !('error' in answer)) return answer;
    if (i >= TRIES || !existsSync(at(data, 'postport.lock'))) return answer;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** What gaussdb.state says, or the complaint about it and the end of gs_ctl. */
export function stateOrLeave(data: string): GaussState {
  const state = readState(data);
  if (state !== undefined) return state;
  say(` file "${at(data, 'gaussdb.state')}" is not exist\n`);
  throw new Leave(1);
}

/** The role the local server has; from the state file when it does not answer. */
export async function runMode(data: string, forBuildQuery = false): Promise<Mode> {
  const connection = await connectLocal(data);
  if (connection === undefined || 'error' in connection) {
    say(forBuildQuery ? 'could not connect to the local server: connection failed!\n' : 'Getting state from gaussdb.state!\n');
    return forBuildQuery ? 'Unknown' : stateOrLeave(data).mode;
  }
  const answer: Rows | Failure = await connection.query('select local_role from pg_stat_get_stream_replications();');
  connection.close();
  if ('error' in answer) {
    say(`could not get local role from the local server: ${answer.error}`);
    return 'Unknown';
  }
  const role = answer.rows[0]?.[0];
  return modes.find((mode) => mode === role) ?? 'Unknown';
}
