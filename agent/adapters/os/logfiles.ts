/**
 * Keeps the server's log files within bounds: by age, then by size, oldest first. It knows log directories and nothing
 * else: links are never followed, the newest file of a directory and what somebody writes now is never deleted, and only
 * files that look like logs are. WAL, data and archives are none of its business, wherever a mistaken setting points.
 */
import { copyFile, lstat, readdir, truncate, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';

export interface LogBounds {
  retentionDays: number;
  maxBytes: bigint;
}

export interface Swept {
  files: number;
  bytes: number;
  /** What is left. */
  keptBytes: number;
}

interface LogFile {
  path: string;
  directory: string;
  bytes: number;
  modifiedAt: number;
}

const dayMs = 86_400_000;
/** `postgresql-2026-11-21_091500.log`, `gaussdb.log.1`, `audit.csv`, `…log.gz`; a WAL segment or a table never. */
const looksLikeLog = /\.(log|csv|trc|out)(\.\d+)?(\.gz)?$/;
/** A directory with one of these is somebody's data, whatever it is called. */
const marks = ['PG_VERSION', 'pg_control', 'pg_xlog', 'archive_status'];
/** Held open by the server and its tools, which append: cut when they are too long, never deleted. */
const held = ['gaussdb.log', 'gs_ctl_build.log'];
const heldBytesMax = 64 << 20;
const depthMax = 3;
const filesMax = 10_000;

/** Sweeps the directories; what does not exist is nothing to do. */
export async function sweepLogs(directories: string[], bounds: LogBounds, wallMs: number): Promise<Result<Swept>> {
  const files: LogFile[] = [];
  try {
    for (const directory of new Set(directories)) await collect(directory, depthMax, files);
    for (const file of files.filter((one) => isHeld(one) && one.bytes > heldBytesMax)) {
      await copyFile(file.path, `${file.path}.1`);
      await truncate(file.path);
      file.bytes = 0;
    }
  } catch (error) {
    return failed(faultOf(error));
  }
  files.sort((a, b) => a.modifiedAt - b.modifiedAt);
  const newest = new Map(files.map((file) => [file.directory, file.path]));
  const swept: Swept = { files: 0, bytes: 0, keptBytes: files.reduce((sum, file) => sum + file.bytes, 0) };
  for (const file of files) {
    const old = wallMs - file.modifiedAt > bounds.retentionDays * dayMs;
    if (!old && BigInt(swept.keptBytes) <= bounds.maxBytes) continue;
    if (newest.get(file.directory) === file.path || isHeld(file)) continue;
    try {
      await unlink(file.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      return failed(faultOf(error));
    }
    swept.files += 1;
    swept.bytes += file.bytes;
    swept.keptBytes -= file.bytes;
  }
  return ok(swept);
}

function isHeld(file: LogFile): boolean {
  return held.includes(basename(file.path));
}

async function collect(directory: string, depth: number, into: LogFile[]): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (entries.some((entry) => marks.includes(entry.name))) return;
  for (const entry of entries) {
    if (into.length >= filesMax) return;
    const path = join(directory, entry.name);
    if (entry.isDirectory() && depth > 1) await collect(path, depth - 1, into);
    if (!entry.isFile() || !looksLikeLog.test(entry.name)) continue;
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile()) into.push({ path, directory, bytes: found.size, modifiedAt: found.mtimeMs });
  }
}

function faultOf(error: unknown): Fault {
  const { code, message } = error as NodeJS.ErrnoException;
  const kind = code === 'EACCES' || code === 'EPERM' ? 'denied' : 'refused';
  return { of: 'disk', kind, done: 'maybe', detail: message, ...(code === undefined ? {} : { code }) };
}

export interface Janitor {
  stop(): void;
}

const firstMs = 60_000;
const everyMs = 600_000;

/** Sweeps now and then, one sweep at a time: one that hangs on its volume is not followed by another. */
export function startJanitor(options: {
  directories: string[];
  /** Undefined before the configuration is known: nothing is swept by a guess. */
  bounds(): LogBounds | undefined;
  onSwept(result: Result<Swept>): void;
  wallMs?: () => number;
}): Janitor {
  const { directories, bounds, onSwept, wallMs = Date.now } = options;
  let timer: NodeJS.Timeout;
  const sweep = async (): Promise<void> => {
    const now = bounds();
    if (now !== undefined) onSwept(await sweepLogs(directories, now, wallMs()));
    timer = setTimeout(() => void sweep(), everyMs).unref();
  };
  timer = setTimeout(() => void sweep(), firstMs).unref();
  return { stop: () => clearTimeout(timer) };
}
