/**
 * The agent's own records on the data mount, beside the server's directory: what this member granted, its freeze, an
 * unfinished build. A save has happened only when file and directory are fsynced; a file that cannot be understood is a
 * fault and never the defaults, because a forgotten grant would let two members lead. Asynchronous: a hung
 * volume costs a fault at the deadline, and one stuck thread at most.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalRecords } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { RecordsPort } from '../../ports/others.ts';

const sizeLimit = 64 * 1024;
const waitingLimit = 8;

/** What a member without a past has. */
export const emptyRecords: LocalRecords = { granted: 0, freeze: undefined, build: undefined };

/** The records under `<dataDir>/agent`. Operations run one after another; each answers by its deadline. */
export function createRecords(options: { dataDir: string; deadlineMs?: number }): RecordsPort {
  const directory = join(options.dataDir, 'agent');
  const file = join(directory, 'records.json');
  const deadlineMs = options.deadlineMs ?? 3000;
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  function inTurn<T>(work: () => Promise<Result<T>>, done: Fault['done']): Promise<Result<T>> {
    if (waiting >= waitingLimit) return Promise.resolve(failed(timeout('no', 'the volume does not answer')));
    waiting += 1;
    let begun = false;
    let late = false;
    const mine = last.then(async () => {
      // What nobody waits for any more is not begun: an old save must not follow a newer one.
      if (late) return failed<T>(timeout('no', 'given up before it was begun'));
      begun = true;
      return work().catch((error: unknown) => failed<T>(diskFault(error, done)));
    });
    last = mine.finally(() => {
      waiting -= 1;
    });
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        late = true;
        resolve(failed(timeout(begun ? done : 'no', `no answer within ${deadlineMs} ms`)));
      }, deadlineMs);
      void mine.then((result) => {
        clearTimeout(timer);
        resolve(result);
      });
    });
  }

  async function load(): Promise<Result<LocalRecords>> {
    const size = await stat(file)
      .then((found) => found.size)
      .catch(absentIsUndefined);
    if (size === undefined) return ok({ ...emptyRecords, fresh: true });
    if (size > sizeLimit) return failed(malformed(file, 'it is too large'));
    return decodeRecords(await readFile(file, 'utf8'), file);
  }

  async function save(records: LocalRecords): Promise<Result<void>> {
    // Not recursive: the mount must be there, and Node's recursive mkdir spins for ever where a parent cannot be made.
    await mkdir(directory, { mode: 0o700 }).catch(existsIsFine);
    const handle = await open(`${file}.new`, 'w', 0o600);
    try {
      await handle.writeFile(encodeRecords(records));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    await syncDirectory(directory);
    // The directory itself may have just been made.
    await syncDirectory(options.dataDir);
    return ok();
  }

  return { load: () => inTurn(load, 'no'), save: (records) => inTurn(() => save(records), 'maybe') };
}

/** One line of JSON: the records and a checksum over their text. */
export function encodeRecords(records: LocalRecords): string {
  const text = JSON.stringify({ ...records, fresh: undefined });
  return `${JSON.stringify({ version: 1, sum: checksum(text), records: text })}\n`;
}

/** The records in that text, or a fault that says what is wrong with it. */
export function decodeRecords(text: string, file: string): Result<LocalRecords> {
  let records: unknown;
  try {
    const outer = JSON.parse(text) as { version?: unknown; sum?: unknown; records?: unknown };
    if (outer.version !== 1 || typeof outer.records !== 'string') return failed(malformed(file, 'its form is unknown'));
    if (checksum(outer.records) !== outer.sum) return failed(malformed(file, 'its checksum is wrong'));
    records = JSON.parse(outer.records);
  } catch {
    return failed(malformed(file, 'it is not JSON'));
  }
  const found = records as Partial<LocalRecords> | null;
  if (!Number.isSafeInteger(found?.granted)) return failed(malformed(file, 'the granted term is missing'));
  return ok({
    granted: found?.granted ?? 0,
    freeze: found?.freeze ?? undefined,
    build: found?.build ?? undefined,
    ...(found?.promise === undefined ? {} : { promise: found.promise }),
    ...(found?.undone === undefined ? {} : { undone: found.undone }),
    ...(found?.peers === undefined ? {} : { peers: found.peers }),
    ...(typeof found?.config === 'string' ? { config: found.config } : {}),
  });
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function absentIsUndefined(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}

function existsIsFine(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
}

function timeout(done: Fault['done'], detail: string): Fault {
  return { of: 'disk', kind: 'timeout', done, detail: `the agent's records: ${detail}` };
}

function malformed(file: string, why: string): Fault {
  const hint = 'Remove the file only when no other member could be waiting for this one: it holds what was promised.';
  return { of: 'disk', kind: 'malformed', done: 'no', detail: `${file} cannot be used: ${why}`, hint };
}

function diskFault(error: unknown, done: Fault['done']): Fault {
  const { code = 'unknown', message } = error as NodeJS.ErrnoException;
  const kind = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'denied' : 'refused';
  return { of: 'disk', kind, done, code, detail: message };
}
