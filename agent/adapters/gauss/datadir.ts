/**
 * Looks at the data directory without the server: empty, unusable, half built, or data of some cluster. It changes
 * nothing there. What it cannot understand is `unusable` with a hint, never `empty`.
 */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataState } from '../../core/model.ts';
import { failed, ok, type Result } from '../../core/result.ts';
import { type ControlData, readControlData } from './controldata.ts';
import { bounded, readText } from './files.ts';
import { readIdentity } from './identity.ts';
import type { InstanceOptions } from './options.ts';
import { argumentsOf } from './proc.ts';

/** What lies in the data directory. */
export type DataDirectory =
  | { is: 'empty' }
  | { is: 'unusable'; detail: string; hint: string }
  | { is: 'unfinished'; mode: 'full' | 'incremental' }
  | { is: 'data'; data: DataState };

/** What a new file system brings along. */
const ignored = new Set(['lost+found']);

export interface DataReader {
  /** Looks afresh, but starts pg_controldata only when the control file has changed. */
  inspect(deadlineMs: number): Promise<Result<DataDirectory>>;
}

/** Reads one data directory; remembers the last control data by the control file's inode, size and time. */
export function createDataReader(options: InstanceOptions): DataReader {
  let cached: { key: string; control: ControlData } | undefined;

  async function control(deadlineMs: number): Promise<Result<ControlData>> {
    const found = await bounded(
      () => lstat(join(options.pgdata, 'global', 'pg_control'), { bigint: true }),
      'look at pg_control',
      deadlineMs,
    );
    if (!found.ok && found.fault.kind !== 'absent') return found;
    const key = found.ok ? `${found.value.ino} ${found.value.size} ${found.value.mtimeNs}` : undefined;
    if (key !== undefined && cached?.key === key) return ok(cached.control);
    // Where there is no control file the program says so in its own words.
    const read = await readControlData(options, deadlineMs);
    cached = read.ok && key !== undefined ? { key, control: read.value } : undefined;
    return read;
  }

  async function inspect(deadlineMs: number): Promise<Result<DataDirectory>> {
    const shape = await bounded(() => shapeOf(options), `look at ${options.pgdata}`, deadlineMs);
    if (!shape.ok) return shape;
    if (shape.value.is !== 'data') return ok(shape.value);
    const facts = await control(deadlineMs);
    if (!facts.ok) {
      if (facts.fault.kind === 'timeout' || facts.fault.of === 'disk') return failed(facts.fault);
      const hint = 'Look at the output of pg_controldata; restore the directory, or empty it to have it built anew.';
      return ok({ is: 'unusable', detail: facts.fault.detail, hint: facts.fault.hint ?? hint });
    }
    const identity = await readIdentity(options.pgdata);
    if (!identity.ok) return identity;
    return ok({ is: 'data', data: { ...facts.value, ...identity.value } });
  }

  return { inspect };
}

/** Lies beside the directory while gs_initdb works in it: what is there then is nobody's data. */
export function initialisingMark(pgdata: string): string {
  return `${pgdata}.initialising`;
}

/** What a member that was never built has: its settings, so that the build knows whom to ask. */
export const seedFiles = ['postgresql.conf', 'pg_hba.conf'];

type Shape = Exclude<DataDirectory, { is: 'data' }> | { is: 'data' };

async function shapeOf(options: InstanceOptions): Promise<Shape> {
  const { pgdata } = options;
  const found = await lstat(pgdata).catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? undefined : Promise.reject(error),
  );
  if (found === undefined) return { is: 'empty' };
  if (!found.isDirectory())
    return unusable(`${pgdata} is not a directory`, 'Mount the data volume so that the data directory is a directory.');
  const wrong = ownershipFault(pgdata, found, process.getuid?.() ?? 0);
  const names = (await readdir(pgdata)).filter((name) => !ignored.has(name));
  const marked = await lstat(initialisingMark(pgdata)).then(
    () => true,
    () => false,
  );
  // An empty directory is replaced, so its mode does not matter; its owner does.
  if (marked || names.every((name) => seedFiles.includes(name)))
    return wrong !== undefined && found.uid !== (process.getuid?.() ?? 0) ? wrong : { is: 'empty' };
  if (wrong !== undefined) return wrong;
  if (names.includes('build_completed.start')) return { is: 'unfinished', mode: 'full' };
  if (names.includes('PG_VERSION') && names.includes('global')) return { is: 'data' };
  if (names.includes('gs_build.pid') && (await builtUnfinished(options))) return { is: 'unfinished', mode: 'full' };
  return unusable(
    `${pgdata} holds files, but no database (${names.slice(0, 3).join(', ')})`,
    'Move the files away to have the member built anew.',
  );
}

/** The window of a full build in which the directory is wiped and not yet marked (opengauss-interface 5.5). */
async function builtUnfinished({ pgdata, proc }: InstanceOptions): Promise<boolean> {
  const text = await readText(join(pgdata, 'gs_build.pid'));
  const pid = text.ok ? Number.parseInt(text.value ?? '', 10) : Number.NaN;
  if (!Number.isInteger(pid) || pid === 0) return false;
  const args = await argumentsOf(pid, 'gs_ctl', proc);
  return args.ok && !args.value.some((arg) => arg.endsWith('gs_ctl'));
}

/** gaussdb refuses a foreign owner and any access of group and world; a volume's fsGroup is the usual cause. */
export function ownershipFault(
  pgdata: string,
  found: { uid: number; mode: number },
  uid: number,
): Extract<DataDirectory, { is: 'unusable' }> | undefined {
  if (found.uid !== uid) {
    return unusable(
      `${pgdata} belongs to uid ${found.uid}, the server runs as uid ${uid}`,
      `Give it to the server's user: chown -R ${uid} ${pgdata}`,
    );
  }
  const mode = found.mode & 0o777;
  if ((mode & 0o077) === 0) return undefined;
  return unusable(
    `${pgdata} has mode 0${mode.toString(8)}, the server wants 0700`,
    `Take the access of group and world away: chmod 0700 ${pgdata}`,
  );
}

function unusable(detail: string, hint: string): Extract<DataDirectory, { is: 'unusable' }> {
  return { is: 'unusable', detail, hint };
}
