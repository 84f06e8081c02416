/**
 * One look at one volume, and one small write to it. A look is a few calls, one after the other, so that a hung volume
 * holds one thread only; which file system lies there is told by the kernel's table of mounts, which touches no volume.
 * The write goes to a file that exists, so that a full volume is not taken for a broken one.
 */
import { constants, openSync, readSync } from 'node:fs';
import { open, realpath, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeFault } from '../../core/model.ts';

/** What a look found. */
export interface Seen {
  /** Of the file system, as the kernel numbers it. */
  id: string;
  capacityBytes: number;
  availableBytes: number;
  usedRatio: number;
  /** Undefined where the file system does not count them. */
  inodes: { all: number; free: number } | undefined;
  readOnly: boolean;
  device: string | undefined;
  fileSystem: string | undefined;
  /** Where it lies, links followed. */
  path?: string;
}

/** Undefined: there is nothing at that path; `nothing`: the look failed for a reason that says nothing about the volume. */
export type Look = (path: string) => Promise<Seen | VolumeFault | 'nothing' | undefined>;
/** Undefined: the write is on the volume. */
export type Write = (directory: string) => Promise<VolumeFault | undefined>;

/** What the system says of a volume that is broken; other errors are the agent's own trouble. */
const broken = ['EIO', 'EUCLEAN', 'ENXIO', 'ESHUTDOWN', 'ESTALE', 'ENODEV', 'EBADMSG'];

/** Looks at what lies at a path. */
export async function lookAt(path: string): ReturnType<Look> {
  try {
    const { dev, ino } = await stat(path);
    const place = await placeOf(path, `${dev}:${ino}`);
    const { blocks, bfree, bavail, bsize, files, ffree } = await statfs(path);
    const used = (blocks - bfree) * bsize;
    const availableBytes = bavail * bsize;
    const mounted = mounts().get(kernelNumber(BigInt(dev)));
    return {
      id: String(dev),
      capacityBytes: blocks * bsize,
      availableBytes,
      // As df has it: what is reserved for root is of no use to the server.
      usedRatio: used + availableBytes === 0 ? 0 : used / (used + availableBytes),
      // CephFS has no number of free ones and answers with the largest there is.
      inodes: files === 0 || ffree > files ? undefined : { all: files, free: ffree },
      readOnly: mounted?.readOnly ?? false,
      device: mounted?.device,
      fileSystem: mounted?.fileSystem,
      path: place,
    };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return broken.includes(code) ? 'failed' : 'nothing';
  }
}

const places = new Map<string, { found: string; place: string }>();

/** Links are followed anew only when something else lies at the path. */
async function placeOf(path: string, found: string): Promise<string> {
  const known = places.get(path);
  if (known?.found === found) return known.place;
  const place = await realpath(path);
  places.set(path, { found, place });
  return place;
}

interface Mounted {
  device: string;
  fileSystem: string;
  readOnly: boolean;
}

/** `8:16`, as the table of mounts has it. */
function kernelNumber(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

const tableBytesMax = 1 << 20;
const table = { file: -1, text: Buffer.alloc(0), room: Buffer.alloc(1 << 10), mounts: new Map<string, Mounted>() };

/**
 * File systems by kernel number. A table that cannot be read tells nothing; the figures are good without it. Read
 * synchronously, as the kernel answers from memory, by a file that stays open, and parsed anew only when it has changed.
 */
function mounts(): Map<string, Mounted> {
  try {
    if (table.file < 0) table.file = openSync('/proc/self/mountinfo', 'r');
    const text = readTable();
    if (!text.equals(table.text)) Object.assign(table, { text: Buffer.from(text), mounts: parseMounts(text.toString('utf8')) });
    return table.mounts;
  } catch {
    return new Map();
  }
}

/** The kernel gives a page at a time. */
function readTable(): Buffer {
  let length = 0;
  for (;;) {
    const read = readSync(table.file, table.room, length, table.room.length - length, length);
    length += read;
    if (read === 0) return table.room.subarray(0, length);
    if (length < table.room.length) continue;
    if (length >= tableBytesMax) throw new Error('the table of mounts is too long');
    table.room = Buffer.concat([table.room], table.room.length * 2);
  }
}

/** The table's lines: numbers, root and place, options, optional fields up to `-`, type, source, super options. */
export function parseMounts(text: string): Map<string, Mounted> {
  const found = new Map<string, Mounted>();
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const number = before.split(' ')[2];
    const [fileSystem, device, options] = after.split(' ');
    if (number === undefined || fileSystem === undefined || device === undefined) continue;
    // The file system's own state counts, not that of one of its mounts: that is what errors change.
    const readOnly = (options ?? '').split(',').includes('ro');
    found.set(number, { device: unescaped(device), fileSystem, readOnly });
  }
  return found;
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

const marker = 'volume-probe';
const page = Buffer.alloc(512, 0x2e);

/** Overwrites a small file in place and waits until it is on the volume. */
export async function writeTo(directory: string): ReturnType<Write> {
  try {
    const file = await open(join(directory, marker), constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      await file.write(page, 0, page.length, 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    return undefined;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EROFS') return 'read-only';
    // Full is told by the figures, and a directory that is not there yet is nobody's fault.
    return broken.includes(code) ? 'failed' : undefined;
  }
}
