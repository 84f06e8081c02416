/**
 * File operations on the data volume. Each has a bound, because a hung volume blocks a thread of the pool for ever
 * and the caller must go on; none is synchronous, because that would block the agent's only thread (ecosystem 10).
 * What was given up goes on all the same: nothing newer begins at its path until it has come back.
 */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';

/** How long one file operation may take before the volume counts as not answering. */
export const fileBoundMs = 5_000;

/** Turns a thrown file-system error into a Fault. */
export function diskFault(error: unknown, what: string, done: Fault['done'] = 'maybe'): Fault {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
  const kind: Fault['kind'] =
    code === 'ENOENT' || code === 'ENOTDIR'
      ? 'absent'
      : code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
        ? 'denied'
        : 'refused';
  const detail = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  return { of: 'disk', kind, done, detail, ...(code === undefined ? {} : { code }) };
}

/**
 * Operations that passed their bound and have not come back. Each holds a thread of the pool that name look-ups and
 * every other file need too, so that no more are begun once there are `max`.
 */
export interface Budget {
  readonly max: number;
  stuck: number;
}

const dataVolume: Budget = { max: 3, stuck: 0 };

export interface Scope {
  /** What is changed, or read to be changed: one operation at a time at each of these paths, as they were asked for. */
  paths?: readonly string[];
  budget?: Budget;
}

/** How many may wait for one path, those included that have given up. */
const waitingMax = 8;
const queues = new Map<string, { last: Promise<void>; waiting: number }>();

/**
 * Begins `work` when those before it at its paths have come back. One that was given up goes on, and may rename its file as late as the
 * volume likes: without the turn an older text would land on a newer one that has already been verified.
 */
function inTurn<T>(paths: readonly string[], work: () => Promise<T>): Promise<T> {
  const mine = Promise.all(paths.map((path) => queues.get(path)?.last)).then(work);
  const leave = (): void => {
    for (const path of paths) {
      const queue = queues.get(path);
      if (queue !== undefined && --queue.waiting === 0) queues.delete(path);
    }
  };
  const last = mine.then(leave, leave);
  for (const path of paths) queues.set(path, { last, waiting: waitingAt(path) + 1 });
  return mine;
}

/** Begins `work` and waits for it at most `boundMs`; it cannot be stopped then, only left alone. */
export async function bounded<T>(
  work: () => Promise<T>,
  what: string,
  boundMs = fileBoundMs,
  { paths = [], budget = dataVolume }: Scope = {},
): Promise<Result<T>> {
  const refusal = failed<T>(mute(`${what}: not begun, as earlier operations have not come back`, 'no'));
  if (budget.stuck >= budget.max || paths.some((path) => waitingAt(path) >= waitingMax)) return refusal;
  let timer: NodeJS.Timeout | undefined;
  let begun = false;
  let left = false;
  const late = new Promise<Result<T>>((resolve) => {
    timer = setTimeout(() => {
      left = true;
      if (begun) budget.stuck += 1;
      resolve(begun ? failed(mute(`${what}: no answer within ${Math.round(boundMs)} ms`, 'maybe')) : refusal);
    }, boundMs);
  });
  const settled = inTurn(paths, async (): Promise<Result<T>> => {
    // What nobody waits for any more is not begun: it would be the older one.
    if (left || budget.stuck >= budget.max) return refusal;
    begun = true;
    try {
      return ok(await work());
    } catch (error) {
      return failed(diskFault(error, what));
    } finally {
      if (left) budget.stuck -= 1;
    }
  });
  const result = await Promise.race([settled, late]);
  clearTimeout(timer);
  return result;
}

function waitingAt(path: string): number {
  return queues.get(path)?.waiting ?? 0;
}

function mute(detail: string, done: Fault['done']): Fault {
  return { of: 'disk', kind: 'timeout', done, detail };
}

/** The file's text; `undefined` when there is no such file. */
export async function readText(path: string, boundMs = fileBoundMs): Promise<Result<string | undefined>> {
  const read = await bounded(() => readFile(path, 'utf8'), `read ${path}`, boundMs);
  if (!read.ok && read.fault.kind === 'absent') return ok(undefined);
  return read;
}

/** The same once no change of the file is under way, for who writes or starts on the strength of it. */
export async function readSettled(path: string): Promise<Result<string | undefined>> {
  const read = await bounded(() => readFile(path, 'utf8'), `read ${path}`, fileBoundMs, { paths: [path] });
  if (!read.ok && read.fault.kind === 'absent') return ok(undefined);
  return read;
}

/** The file's bytes; `undefined` when there is no such file. */
export async function readBytes(path: string, boundMs = fileBoundMs): Promise<Result<Buffer | undefined>> {
  const read = await bounded(() => readFile(path), `read ${path}`, boundMs);
  if (!read.ok && read.fault.kind === 'absent') return ok(undefined);
  return read;
}

/** True when the path exists. */
export async function exists(path: string, boundMs = fileBoundMs): Promise<Result<boolean>> {
  const found = await bounded(() => stat(path), `look at ${path}`, boundMs);
  if (found.ok) return ok(true);
  return found.fault.kind === 'absent' ? ok(false) : failed(found.fault);
}

/** Changes whenever the file does: replaced, written, or gone. */
export async function stampOf(path: string, boundMs = fileBoundMs): Promise<Result<string>> {
  const found = await bounded(() => stat(path, { bigint: true }), `look at ${path}`, boundMs);
  if (found.ok) return ok(`${found.value.ino}:${found.value.size}:${found.value.mtimeNs}:${found.value.ctimeNs}`);
  return found.fault.kind === 'absent' ? ok('absent') : failed(found.fault);
}

/** Replaces a file so that a crash leaves the old or the new text, never a half; durable when it returns. */
export async function writeDurably(path: string, content: string | Uint8Array, mode = 0o600): Promise<Result<void>> {
  return bounded(() => replaceFile(path, content, mode), `write ${path}`, fileBoundMs, { paths: [path] });
}

async function replaceFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const next = `${path}.${randomBytes(4).toString('hex')}.new`;
  try {
    await writeAndSync(next, content, mode);
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function writeAndSync(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames and removals in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Removes files; those that do not exist are no fault. */
export async function removeFiles(paths: string[]): Promise<Result<void>> {
  const removeAll = async () => void (await Promise.all(paths.map((path) => rm(path, { force: true }))));
  return bounded(removeAll, 'remove files', fileBoundMs, { paths });
}
