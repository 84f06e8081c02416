/**
 * Room held back on a volume in a file, given free when a server would otherwise not start again on a full
 * volume, and taken anew when there is room. Written out, not only promised: a sparse file holds nothing. Best effort;
 * one act at a time, and nobody waits for one that hangs.
 */
import { mkdir, open, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { ReservePort } from '../../ports/others.ts';

const name = 'reserve';
const chunk = Buffer.alloc(1 << 20);
const shortMs = 1_000;
const writeMs = 60_000;

/**
 * Where the WAL's volume has its reserve: beside the WAL's directory, as nobody else's files belong into it; nowhere while
 * the WAL is on the data's volume, or its directory is the root of its own.
 */
export function walReserve(walPath: string, dataDir: string): () => Promise<string | undefined> {
  return async () => {
    const wal = await realpath(walPath).catch(() => undefined);
    if (wal === undefined) return undefined;
    const beside = dirname(wal);
    const [own, above, data] = await Promise.all([wal, beside, dataDir].map((path) => stat(path)));
    return own?.dev === above?.dev && own?.dev !== data?.dev ? join(beside, 'opengauss-agent') : undefined;
  };
}

/** The reserve in that directory, which is made; without one nothing is held and nothing given. */
export function createReserve(options: { directory(): Promise<string | undefined> }): ReservePort {
  let held: number | undefined;
  let busy = false;

  /** Answers by the deadline; an act that hangs goes on alone, and no other is begun beside it. */
  async function once(deadlineMs: number, work: () => Promise<void>): Promise<Result<void>> {
    if (busy) return failed(fault({ message: 'an earlier act has not come back' }));
    busy = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Result<void>>((resolve) => {
      timer = setTimeout(() => resolve(failed(fault({ message: `no answer within ${deadlineMs} ms` }))), deadlineMs);
    });
    const done = work()
      .then(
        () => ok(),
        (error: NodeJS.ErrnoException) => failed<void>(fault(error)),
      )
      .finally(() => {
        busy = false;
      });
    const result = await Promise.race([done, late]);
    clearTimeout(timer);
    return result;
  }

  return {
    held: () => held,
    look: () =>
      once(shortMs, async () => {
        const directory = await options.directory();
        held = directory === undefined ? undefined : await sizeOf(join(directory, name));
      }),
    hold: (bytes) =>
      once(writeMs, async () => {
        const directory = await options.directory();
        if (directory === undefined) return;
        const file = join(directory, name);
        await mkdir(directory, { mode: 0o700, recursive: false }).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
        });
        try {
          await fill(file, bytes);
          held = bytes;
        } catch (error) {
          // A reserve that takes the last room is none.
          await rm(file, { force: true });
          held = 0;
          throw error;
        }
      }),
    release: () =>
      once(shortMs, async () => {
        const directory = await options.directory();
        if (directory !== undefined) await rm(join(directory, name), { force: true });
        held = 0;
      }),
  };
}

async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    (found) => found.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
}

async function fill(file: string, bytes: number): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    for (let at = 0; at < bytes; at += chunk.length) await handle.write(chunk, 0, Math.min(chunk.length, bytes - at), at);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fault(error: { message: string; code?: string | undefined }): Fault {
  const coded = error.code === undefined ? {} : { code: error.code };
  return { of: 'disk', kind: 'refused', done: 'maybe', ...coded, detail: `the reserve: ${error.message}` };
}
