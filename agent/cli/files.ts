/**
 * The preflight's look at files: data directory, Secret, installation, run and socket directories. It reads and never
 * changes anything; what it refuses, it refuses with the command that mends it.
 */
import { access, constants, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { keyBytesMin } from '../adapters/peers/sign.ts';
import { formatBytes } from '../core/quantity.ts';
import type { Settings } from '../settings/table.ts';
import { failure, type Finding, fine, warning, why } from './checks.ts';

/** Less than this and not even a crash recovery is sure to end. */
const freeBytesMin = 64 << 20;
const secretBytesMax = 1024;
const programs = ['gaussdb', 'gs_ctl', 'gs_guc', 'gs_initdb', 'gs_basebackup', 'gsql'];

/** Whether openGauss could work on the data mount as it is. */
export async function checkData(settings: Settings): Promise<Finding[]> {
  const check = 'data directory';
  const { dataDir } = settings;
  try {
    if (!(await stat(dataDir)).isDirectory())
      return [failure(check, `${dataDir} is not a directory`, 'Mount the data volume there, or mend OG_DATA_DIR.')];
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    return [
      failure(
        check,
        `${dataDir} cannot be used: ${why(error)}`,
        `It must exist and be writable for uid ${uid()}: set fsGroup and runAsUser, or chown it.`,
      ),
    ];
  }
  const space = await statfs(dataDir);
  const free = space.bavail * space.bsize;
  const found = await checkPgdata(join(dataDir, 'pgdata'));
  if (free < freeBytesMin)
    found.push(
      warning(
        'free space',
        `${dataDir} has ${formatBytes(free)} left`,
        'Grow the volume: the server may not start without room for WAL.',
      ),
    );
  else found.push(fine('free space', `${formatBytes(free)} on ${dataDir}`));
  return found;
}

function uid(): number {
  return process.getuid?.() ?? -1;
}

async function checkPgdata(pgdata: string): Promise<Finding[]> {
  const check = 'data directory';
  try {
    const found = await stat(pgdata);
    if (!found.isDirectory()) return [failure(check, `${pgdata} is not a directory`, 'Move it away; it is left alone.')];
    if (found.uid !== uid()) {
      return [
        failure(
          check,
          `${pgdata} belongs to uid ${found.uid}, not to ${uid()}`,
          `Run the container as that user, or chown -R ${uid()} ${pgdata}.`,
        ),
      ];
    }
    if ((found.mode & 0o077) !== 0) {
      const mode = (found.mode & 0o7777).toString(8).padStart(4, '0');
      return [
        failure(
          check,
          `${pgdata} has mode ${mode}; openGauss takes 0700 only`,
          `chmod 0700 ${pgdata}, and set fsGroupChangePolicy: OnRootMismatch so that it stays.`,
        ),
      ];
    }
    const entries = await readdir(pgdata);
    return [
      fine(
        check,
        entries.length === 0
          ? `${pgdata} is empty`
          : entries.includes('PG_VERSION')
            ? `${pgdata} holds a database`
            : `${pgdata} holds files`,
      ),
    ];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [fine(check, `${pgdata} does not exist yet`)];
    return [failure(check, `${pgdata} cannot be read: ${why(error)}`, `It must belong to uid ${uid()}.`)];
  }
}

/** Passwords that everybody tries first, and their usual decorations. */
const defaultLike =
  /^(password|passwd|changeme|change-me|secret|admin|root|omm|repl|test|gauss|gaussdb|opengauss|enmo|postgres|mogdb)[^a-z]{0,6}$/i;

/** Whether the Secret is there and its values are somebody's own. */
export async function checkSecret(settings: Settings): Promise<Finding[]> {
  const hint = `Create the Secret og-${settings.cluster}-auth with superuser-password, replication-password and peer-key, and mount it at ${settings.authDir}.`;
  const found: Finding[] = [];
  for (const name of ['superuser-password', 'replication-password', 'peer-key']) {
    const check = `secret ${name}`;
    let value: string;
    try {
      value = (await readFile(join(settings.authDir, name), 'utf8')).trimEnd();
    } catch (error) {
      found.push(failure(check, `${join(settings.authDir, name)} cannot be read: ${why(error)}`, hint));
      continue;
    }
    found.push(name === 'peer-key' ? judgeKey(check, value) : judgePassword(check, value, settings.superuser));
  }
  return found;
}

function judgeKey(check: string, value: string): Finding {
  const bytes = Buffer.byteLength(value);
  const hint = 'Put the output of `openssl rand -hex 32` there.';
  if (bytes < keyBytesMin) return failure(check, `has ${bytes} bytes; at least ${keyBytesMin} are needed`, hint);
  if (bytes > secretBytesMax) return failure(check, `has ${bytes} bytes; at most ${secretBytesMax} are taken`, hint);
  if (new Set(value).size < 8) return failure(check, 'repeats itself', hint);
  return fine(check, `${bytes} bytes`);
}

/** openGauss takes no shorter or simpler one; a default is as good as none. */
function judgePassword(check: string, value: string, superuser: string): Finding {
  const hint = 'Use 8 to 32 characters of at least three kinds: upper case, lower case, digits, others.';
  if (value === '') return failure(check, 'is empty', hint);
  if (defaultLike.test(value))
    return failure(check, 'is one that everybody tries first', 'Make one up: `openssl rand -base64 18`.');
  if (value.toLowerCase().includes(superuser.toLowerCase()) && value.length < superuser.length + 6)
    return failure(check, 'is the name of the user', hint);
  const kinds = [/[A-Z]/, /[a-z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((kind) => kind.test(value)).length;
  if (value.length < 8 || value.length > 32 || kinds < 3)
    return failure(check, `has ${value.length} characters of ${kinds} kinds`, hint);
  if (/[\p{Cc}'"\\]/u.test(value)) return failure(check, 'has quotes, backslashes or control characters', 'Leave them out.');
  return fine(check, 'is set');
}

/** Whether openGauss's programs are there. */
export async function checkInstallation(settings: Settings): Promise<Finding[]> {
  const bin = join(settings.gaussHome, 'bin');
  const missing: string[] = [];
  for (const program of programs) {
    try {
      await access(join(bin, program), constants.X_OK);
    } catch {
      missing.push(program);
    }
  }
  const check = 'openGauss';
  if (missing.length === 0) return [fine(check, bin)];
  return [failure(check, `${bin} lacks ${missing.join(', ')}`, 'Point GAUSSHOME to an openGauss installation.')];
}

/** Whether the server's socket, the fence and the records have a place. */
export async function checkPlaces(settings: Settings): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [check, path, name] of [
    ['socket directory', settings.socketDir, 'OG_SOCKET_DIR'],
    ['run directory', settings.runDir, 'OG_RUN_DIR'],
  ] as const) {
    try {
      await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
      found.push(fine(check, path));
    } catch (error) {
      found.push(
        failure(
          check,
          `${path} cannot be used: ${why(error)}`,
          `Mount an emptyDir there that uid ${uid()} may write, or mend ${name}.`,
        ),
      );
    }
  }
  const fifo = join(settings.runDir, 'fence');
  try {
    const isFifo = (await stat(fifo)).isFIFO();
    found.push(
      isFifo
        ? fine('fence', fifo)
        : failure('fence', `${fifo} is not a FIFO`, 'Empty the run directory and start the container by entrypoint.sh.'),
    );
  } catch {
    found.push(
      warning('fence', `${fifo} does not exist: PID 1 does not guard the server`, 'Start the container by entrypoint.sh.'),
    );
  }
  return found;
}
