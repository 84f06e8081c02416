/**
 * Where the output of the server and of its tools goes: to a log file each, where one can be had. Nothing needs these files, so nothing
 * waits for them: a log volume that is full, read-only or hung costs the output, and never a start, a promotion or a build.
 */
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bounded, type Budget } from './files.ts';
import type { InstanceOptions } from './options.ts';

/** How long a log file is waited for: a promotion may stand behind it. */
const waitMs = 1_000;

/** One that hangs says enough, and says nothing of the data volume. */
const logVolume: Budget = { max: 1, stuck: 0 };

/** A log file never grows over this; one older file is kept. */
const bytesMax = 16 << 20;

/** By directory: the log files that could not be had. */
const missing = new Map<string, Set<string>>();

/** Opens a log file for appending; undefined where the output has to be let go. */
export async function openOutput(
  { logDir, note }: Pick<InstanceOptions, 'logDir' | 'note'>,
  name: string,
): Promise<FileHandle | undefined> {
  const path = join(logDir, name);
  let late = false;
  const begin = async (): Promise<FileHandle> => {
    const file = await openAppending(path);
    if (late) await file.close();
    return file;
  };
  const opened = await bounded(begin, `open ${path}`, waitMs, { budget: logVolume });
  late = !opened.ok;
  const unkept = missing.get(logDir) ?? new Set<string>();
  missing.set(logDir, unkept);
  if (opened.ok) {
    if (unkept.delete(name) && unkept.size === 0) note('info', 'output of the server and its tools is kept again', { logDir });
    return opened.value;
  }
  if (unkept.size === 0) note('warn', 'output of the server and its tools is not kept', { logDir, fault: opened.fault });
  unkept.add(name);
  return undefined;
}

/** The child has inherited the descriptor. A file on a volume that hangs may take as long to close as to open. */
export async function closeOutput(file: FileHandle | undefined): Promise<void> {
  if (file === undefined) return;
  const closing = file.close().catch(() => undefined);
  await bounded(() => closing, 'close a log file', waitMs, { budget: logVolume });
}

async function openAppending(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > bytesMax) await rename(path, `${path}.1`);
  return open(path, 'a', 0o640);
}
