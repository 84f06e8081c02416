/**
 * Finds the PostgreSQL server programs that the stand-in runs on, or installs them from Debian's packages when we are
 * root on Debian. It never creates or touches a database cluster of this machine.
 */
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const oldest = 13;
const needed = ['postgres', 'initdb', 'pg_ctl', 'pg_basebackup', 'pg_rewind', 'pg_controldata', 'psql'];

/** What is missing and what a person can do about it. */
export class MissingPostgres extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** The directory of the server programs, or undefined. */
export function findPostgres(path = process.env['PATH'] ?? ''): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).filter((name) => /^\d+$/.test(name)) : [];
  const places = versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(debian, version, 'bin'));
  return [...places, ...path.split(':').filter(Boolean)].find(isComplete);
}

function isComplete(place: string): boolean {
  try {
    for (const name of needed) accessSync(join(place, name), constants.X_OK);
    const words = execFileSync(join(place, 'postgres'), ['--version'], { encoding: 'utf8', timeout: 10_000 });
    return Number(/(\d+)/.exec(words)?.[1] ?? 0) >= oldest;
  } catch {
    return false;
  }
}

/** Finds the programs or installs them; throws MissingPostgres when neither works. */
export async function ensurePostgres(say: (line: string) => void): Promise<string> {
  const found = findPostgres();
  if (found !== undefined) return found;
  const hint =
    'install the PostgreSQL server, version 13 or newer (Debian: apt-get install postgresql), or run this once as root';
  if (process.getuid?.() !== 0 || !isDebian()) throw new MissingPostgres('no PostgreSQL server programs found', hint);
  say('PostgreSQL is missing: installing it from the distribution (about a minute)');
  keepClusterAway();
  if ((await aptGet(['update'])) !== 0) say('apt-get update failed; trying with the lists at hand');
  const code = await aptGet(['install', '-y', '--no-install-recommends', 'postgresql']);
  const installed = findPostgres();
  if (installed !== undefined) return installed;
  throw new MissingPostgres(`apt-get install postgresql ended with ${code} and left no server programs`, hint);
}

function isDebian(): boolean {
  try {
    return /^(ID|ID_LIKE)=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8')) && existsSync('/usr/bin/apt-get');
  } catch {
    return false;
  }
}

/** Debian's package makes and starts a server of its own unless told otherwise before. */
function keepClusterAway() {
  const file = '/etc/postgresql-common/createcluster.conf';
  if (existsSync(file)) return;
  mkdirSync('/etc/postgresql-common', { recursive: true });
  writeFileSync(file, 'create_main_cluster = false\n');
}

function aptGet(args: string[]): Promise<number> {
  return new Promise((resolve) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const child = spawn('apt-get', ['-qq', '-o', 'Dpkg::Options::=--force-confold', ...args], {
      stdio: ['ignore', 2, 2],
      env,
      timeout: 600_000,
    });
    child.once('error', () => resolve(127));
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
