/**
 * Room held back on the data volume in a file, given free when a server would otherwise not start again on a full
 * volume, and taken anew when there is room. Written out, not only promised: a sparse file holds nothing. Best effort;
 * one act at a time, and nobody waits for one that hangs.
 */
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { ReservePort } from '../../ports/others.ts';

const chunk = Buffer.alloc(1 << 20);
const shortMs = 1_000;
const writeMs = 60_000;

/** The reserve under `<dataDir>/agent`. */
export function createReserve(options: { dataDir: string }): ReservePort {
  const directory = join(options.dataDir, 'agent');
  const file = join(directory, 'reserve');
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
        held = await sizeOf(file);
      }),
    hold: (bytes) =>
      once(writeMs, async () => {
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
        await rm(file, { force: true });
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
