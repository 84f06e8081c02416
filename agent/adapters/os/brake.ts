/**
 * The mark that says who set the server read-only, in `agent/brake` on the data volume. It is overwritten in place, in a
 * file made beforehand, because it has to be written when the volume has not a block left; a torn or foreign text is
 * no mark, and then a human is taken for the owner. Every call ends at its deadline; one write at a time.
 */
import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrakeMark, BrakeOwner } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { BrakePort } from '../../ports/others.ts';

/** One block: whole or not at all on any disk. */
const size = 512;
const owners: readonly string[] = ['agent', 'switchover', 'human'] satisfies BrakeOwner[];

/** The mark under `<dataDir>/agent`. */
export function createBrake(options: { dataDir: string; deadlineMs?: number }): BrakePort {
  const directory = join(options.dataDir, 'agent');
  const file = join(directory, 'brake');
  const deadlineMs = options.deadlineMs ?? 2000;
  let busy = false;

  async function once<T>(work: () => Promise<T>): Promise<Result<T>> {
    if (busy) return failed(fault('timeout', 'an earlier call has not come back'));
    busy = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Result<T>>((resolve) => {
      timer = setTimeout(() => resolve(failed(fault('timeout', `no answer within ${deadlineMs} ms`))), deadlineMs);
    });
    const done = work()
      .then(
        (value): Result<T> => ok(value),
        (error: NodeJS.ErrnoException): Result<T> =>
          failed({ ...fault('refused', error.message), code: error.code ?? 'unknown' }),
      )
      .finally(() => {
        busy = false;
      });
    const result = await Promise.race([done, late]);
    clearTimeout(timer);
    return result;
  }

  async function load(): Promise<BrakeMark | undefined> {
    const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (handle === undefined) return undefined;
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
      return decodeMark(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await handle.close();
    }
  }

  async function save(mark: BrakeMark): Promise<void> {
    await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      await handle.write(Buffer.from(encodeMark(mark)), 0, size, 0);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  return { load: () => once(load), save: (mark) => once(() => save(mark)) };
}

/** One line, filled up to the file's size. */
export function encodeMark({ term, owner }: BrakeMark): string {
  return `${`brake ${term} ${owner ?? 'off'}`.padEnd(size - 1)}\n`;
}

/** The mark in that text; undefined when it is none. */
export function decodeMark(text: string): BrakeMark | undefined {
  const match = text.length === size ? /^brake (\d{1,10}) ([a-z]+) +\n$/.exec(text) : null;
  const [, term, word = ''] = match ?? [];
  if (term === undefined) return undefined;
  if (word === 'off') return { term: Number(term), owner: undefined };
  return owners.includes(word) ? { term: Number(term), owner: word as BrakeOwner } : undefined;
}

function fault(kind: Fault['kind'], detail: string): Fault {
  return { of: 'disk', kind, done: 'maybe', detail: `the mark of the read-only switch: ${detail}` };
}
