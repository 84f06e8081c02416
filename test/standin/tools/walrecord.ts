// The last WAL record of a data directory, and the bytes that source and target have at a position: how a build, like
// openGauss's, tells a common history from a diverged one without timelines.
import { execFile } from 'node:child_process';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { postgresData, requirePostgres, walDirectory, walSegmentMb } from '../shared/postgres.ts';
import { single } from './buildsource.ts';
import type { Wire } from './wire.ts';

const run = promisify(execFile);
const SEGMENT = BigInt(walSegmentMb) * 1024n * 1024n;

/** Where a record lies. */
export interface Place {
  lsn: bigint;
  length: number;
}

/** `%X/%X` as a number. */
export function parseLsn(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** A number as `%X/%X`. */
export const formatLsn = (lsn: bigint): string =>
  `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;

/** The part of a WAL file's name that follows the timeline. */
export function segmentName(lsn: bigint): string {
  const hex = (n: bigint): string => n.toString(16).toUpperCase().padStart(8, '0');
  return hex(lsn >> 32n) + hex((lsn & 0xffffffffn) / SEGMENT);
}

/** The fields of pg_controldata that a build reads. */
export interface ControlData {
  systemId: string;
  state: string;
  checkpoint: string;
  redo: string;
  timeline: number;
}

/** Reads the control file of a target. */
export async function controlData(data: string): Promise<ControlData | undefined> {
  try {
    const { stdout } = await run(join(requirePostgres().bin, 'pg_controldata'), [postgresData(data)], {
      env: { ...process.env, LC_ALL: 'C' },
    });
    const field = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(stdout)?.[1] ?? '';
    return {
      systemId: field('Database system identifier'),
      state: field('Database cluster state'),
      checkpoint: field('Latest checkpoint location'),
      redo: field("Latest checkpoint's REDO location"),
      timeline: Number(field("Latest checkpoint's TimeLineID")),
    };
  } catch {
    return undefined;
  }
}

const segmentFile = /^[0-9A-F]{24}$/;

/** The stretch of files of a timeline, without a gap, that begins at a position or, when the timeline begins later, at its first file. */
function stretch(files: ReadonlySet<string>, timeline: number, from: bigint): { start: bigint; end: bigint } {
  const prefix = timeline.toString(16).toUpperCase().padStart(8, '0');
  const first = [...files].filter((file) => file.startsWith(prefix) && file.slice(8) >= segmentName(from)).sort()[0];
  let start = from;
  if (first !== undefined && first.slice(8) !== segmentName(from))
    start = (BigInt(`0x${first.slice(8, 16)}`) << 32n) | (BigInt(`0x${first.slice(16)}`) * SEGMENT);
  let end = start - (start % SEGMENT);
  while (files.has(prefix + segmentName(end))) end += SEGMENT;
  return { start, end };
}

/** The last record from a checkpoint's redo point on; undefined when there is no WAL to read. */
export async function lastRecord(data: string, from: string, timeline: number): Promise<Place | undefined> {
  const files = new Set(readdirSync(walDirectory(data)).filter((file) => segmentFile.test(file)));
  const read = async (tli: number): Promise<string> => {
    const { start, end } = stretch(files, tli, parseLsn(from));
    if (end <= start) return '';
    // Without an end pg_waldump would wait five seconds for a next file.
    const words = ['-p', walDirectory(data), '-t', String(tli), '-s', formatLsn(start), '-e', formatLsn(end)];
    const { stdout } = await run(join(requirePostgres().bin, 'pg_waldump'), words, { maxBuffer: 1 << 30 }).catch(
      (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }),
    );
    return stdout;
  };
  // A standby may have followed its primary to a newer timeline since its last restart point.
  const newest = Math.max(timeline, ...[...files].map((file) => Number.parseInt(file.slice(0, 8), 16)));
  for (let tli = newest; tli >= timeline; tli--) {
    const matches = [...(await read(tli)).matchAll(/len \(rec\/tot\):\s+\d+\/\s*(\d+),.*?lsn: ([0-9A-F]+\/[0-9A-F]+)/g)];
    const last = matches.at(-1);
    if (last !== undefined) return { lsn: parseLsn(last[2] ?? '0/0'), length: Number(last[1]) };
  }
  return undefined;
}

/** A record never has to be compared beyond its first bytes; it ends with its segment at the latest. */
function extent({ lsn, length }: Place): { offset: bigint; length: number } {
  const offset = lsn % SEGMENT;
  return {
    offset,
    length: Number(BigInt(Math.min(length, 8192)) < SEGMENT - offset ? BigInt(Math.min(length, 8192)) : SEGMENT - offset),
  };
}

/** CRC of the bytes the target has there. */
export function targetCrc(data: string, place: Place): number | undefined {
  const directory = walDirectory(data);
  const name = readdirSync(directory)
    .filter((file) => segmentFile.test(file) && file.endsWith(segmentName(place.lsn)))
    .sort()
    .at(-1);
  if (name === undefined) return undefined;
  const { offset, length } = extent(place);
  const bytes = Buffer.alloc(length);
  const file = openSync(join(directory, name), 'r');
  try {
    return readSync(file, bytes, 0, length, Number(offset)) === length ? crc32(bytes) : undefined;
  } finally {
    closeSync(file);
  }
}

/** CRC of the bytes the source has there; undefined when its WAL does not reach back, or forward, so far. */
export async function sourceCrc(connection: Wire, place: Place): Promise<number | undefined> {
  const { offset, length } = extent(place);
  const name = await single(
    connection,
    `select f from pg_ls_dir('pg_wal') f where f ~ '^[0-9A-F]{24}$' and substr(f, 9) = '${segmentName(place.lsn)}' order by f desc limit 1`,
  );
  if (name === undefined) return undefined;
  const hex = await single(connection, `select encode(pg_read_binary_file('pg_wal/${name}', ${offset}, ${length}), 'hex')`);
  return hex === undefined || hex.length !== length * 2 ? undefined : crc32(Buffer.from(hex, 'hex'));
}
