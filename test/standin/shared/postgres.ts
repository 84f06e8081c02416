// Where the PostgreSQL behind the stand-in lives and how its programs are run: its binaries, its data directory inside an openGauss
// PGDATA, and the prefix that makes them believe they are an ordinary user. Starts nothing by itself.
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, chmodSync, chownSync, constants, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';

/** Size of a WAL segment: small, as a follower streams its current segment anew at every attachment. */
export const walSegmentMb = 1;

/** The oldest PostgreSQL that will do. */
export const oldestPostgres = 13;

/** PostgreSQL's programs: their directory and major version. */
export interface Postgres {
  bin: string;
  major: number;
}

/** PostgreSQL's own data directory inside a PGDATA: everything of PostgreSQL is under it, everything else of PGDATA is openGauss's. */
export function postgresData(pgdata: string): string {
  return join(pgdata, 'base');
}

/** Where the WAL is; `base/pg_wal` is a link to it. */
export function walDirectory(pgdata: string): string {
  return join(pgdata, 'pg_xlog');
}

function major(bin: string): number {
  try {
    accessSync(join(bin, 'initdb'), constants.X_OK);
    const text = execFileSync(join(bin, 'postgres'), ['-V'], {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number(/(\d+)/.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function children(directory: string): string[] {
  try {
    return readdirSync(directory).sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')));
  } catch {
    return [];
  }
}

function behindLink(place: string): string {
  try {
    return dirname(realpathSync(join(place, 'postgres')));
  } catch {
    return place;
  }
}

/** Finds PostgreSQL: $OG_STANDIN_POSTGRES, PATH, Debian's and Red Hat's places; undefined when there is none new enough. */
export function findPostgres(): Postgres | undefined {
  const chosen = process.env['OG_STANDIN_POSTGRES'];
  const places = [
    ...(chosen === undefined ? [] : [chosen]),
    ...(process.env['PATH'] ?? '').split(delimiter).filter((place) => place !== ''),
    ...children('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`),
    ...children('/usr')
      .filter((name) => name.startsWith('pgsql-'))
      .map((name) => `/usr/${name}/bin`),
    '/usr/local/pgsql/bin',
  ];
  for (const place of places) {
    // A link to one program says where the others are; the place of the link need not have them.
    const bin = behindLink(place);
    const version = major(bin);
    if (version >= oldestPostgres) return { bin, major: version };
  }
  return undefined;
}

/** PostgreSQL, or one line on stderr and exit 1. */
export function requirePostgres(): Postgres {
  const found = findPostgres();
  if (found !== undefined) return found;
  process.stderr.write(
    `no PostgreSQL server of version ${oldestPostgres} or newer in PATH or /usr/lib/postgresql; install the package postgresql-15\n`,
  );
  process.exit(1);
}

let ordinaryUid: number | undefined;

/** An ordinary user with a name (PostgreSQL's initdb wants one): what a root or nameless caller is mapped to, or becomes. */
export function namedUid(): number {
  if (ordinaryUid !== undefined) return ordinaryUid;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .flatMap((fields) => (Number(fields[2]) > 0 ? [{ name: fields[0] ?? '', uid: Number(fields[2]) }] : []));
  const pick = users.find((user) => user.uid === process.getuid?.()) ?? users.find((user) => user.name === 'nobody') ?? users[0];
  ordinaryUid = pick?.uid ?? 65534;
  return ordinaryUid;
}

let userNamespaces: boolean | undefined;

function mapping(): string[] {
  return ['--user', `--map-user=${namedUid()}`, `--map-group=${namedUid()}`];
}

/** Can this process make user and pid namespaces? */
export function namespacesAllowed(): boolean {
  if (process.env['OG_STANDIN_NAMESPACES'] === 'off') return false;
  userNamespaces ??= spawnSync('unshare', [...mapping(), ...isolation, 'true'], { stdio: 'ignore', timeout: 5_000 }).status === 0;
  return userNamespaces;
}

const isolation = ['--pid', '--ipc', '--fork', '--kill-child'];

/** Does this process need a mapping before PostgreSQL's tools accept it? */
function presentable(): boolean {
  const uid = process.getuid?.() ?? 0;
  return uid !== 0 && namedUid() === uid;
}

/**
 * The words to put before a PostgreSQL program so that it sees an ordinary user with a name; nothing for such a user.
 * In a user namespace files keep their owner. Without one, root's data directory must have been given to `namedUid()`.
 */
export function ordinaryUser(): string[] {
  if (presentable()) return [];
  if (namespacesAllowed()) return ['unshare', ...mapping()];
  return process.getuid?.() === 0 ? becomeOrdinary() : [];
}

function becomeOrdinary(): string[] {
  return ['setpriv', `--reuid=${namedUid()}`, `--regid=${namedUid()}`, '--clear-groups'];
}

/** The words to put before the server: own namespaces where allowed, and death with its parent. */
export function serverPrefix(): string[] {
  const withParent = ['setpriv', '--pdeathsig', 'KILL'];
  if (namespacesAllowed()) return [...withParent, 'unshare', ...mapping(), ...isolation];
  return process.getuid?.() === 0 ? [...becomeOrdinary(), '--pdeathsig', 'KILL'] : withParent;
}

/** Gives a file or directory to the user PostgreSQL runs as; nothing to do where PostgreSQL runs as the caller. */
export function giveToPostgres(path: string): void {
  if (process.getuid?.() === 0 && !namespacesAllowed()) chownSync(path, namedUid(), namedUid());
}

/**
 * Lets PostgreSQL's user pass through the directories above a path where it is not the caller: those below the system's temporary
 * directory are opened for passing. Others are left as they are.
 */
export function openTheWay(path: string): void {
  if (process.getuid?.() !== 0 || namespacesAllowed()) return;
  const top = tmpdir();
  for (let above = dirname(resolve(path)); above.startsWith(`${top}/`); above = dirname(above))
    chmodSync(above, statSync(above).mode | 0o011);
}
