// The files by which an openGauss instance and its tools know each other: gaussdb.state, postmaster.pid, term_file, disable_conn_file,
// and the prefix of tool messages. Layouts are openGauss's own, byte for byte. Reads never throw for a missing or short file;
// nothing here decides what a state means.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Roles by their number in gaussdb.state, as words of `gs_ctl query`. */
export const modes = [
  'Unknown',
  'Normal',
  'Primary',
  'Standby',
  'Cascade Standby',
  'Pending',
  'Recovery',
  'StandbyCluster',
  'Main Standby',
] as const;
/** A role of an instance, in openGauss's words. */
export type Mode = (typeof modes)[number];

/** Database states by their number in gaussdb.state. */
export const dbStates = [
  'Unknown',
  'Normal',
  'Need repair',
  'Starting',
  'Wait promoting',
  'Demoting',
  'Promoting',
  'Building',
  'Catchup',
  'Coredump',
] as const;
/** A database state, in openGauss's words. */
export type DbState = (typeof dbStates)[number];

/** Rebuild reasons by their number in gaussdb.state, as detail_information prints them (0 = none). */
export const rebuildReasons = [
  'Normal',
  'WAL segment removed',
  'Disconnected',
  'Timeline not matched',
  'System id not matched',
  'Version not matched',
  'Mode not matched',
  'DCF log loss',
] as const;
/** Why a standby is not attached, in openGauss's words. */
export type RebuildReason = (typeof rebuildReasons)[number];

/** The content of gaussdb.state. */
export interface GaussState {
  mode: Mode;
  connections: number;
  state: DbState;
  sync: boolean;
  lsn: bigint;
  term: bigint;
  buildMode: number;
  totalDone: bigint;
  totalSize: bigint;
  schedulePercent: number;
  estimatedSeconds: number;
  reason: RebuildReason;
  connectIndex: number;
}

/** A state with every field at its zero. */
export const blankState: GaussState = {
  mode: 'Unknown',
  connections: 0,
  state: 'Unknown',
  sync: false,
  lsn: 0n,
  term: 0n,
  buildMode: 0,
  totalDone: 0n,
  totalSize: 0n,
  schedulePercent: 0,
  estimatedSeconds: 0,
  reason: 'Normal',
  connectIndex: 1,
};

/** The 72 bytes of gaussdb.state. */
export function encodeState(state: GaussState): Buffer {
  const out = Buffer.alloc(72);
  out.writeInt32LE(modes.indexOf(state.mode), 0);
  out.writeInt32LE(state.connections, 4);
  out.writeInt32LE(dbStates.indexOf(state.state), 8);
  out.writeUInt8(state.sync ? 1 : 0, 12);
  out.writeBigUInt64LE(state.lsn, 16);
  out.writeBigUInt64LE(state.term, 24);
  out.writeBigUInt64LE(BigInt(state.buildMode), 32);
  out.writeBigUInt64LE(state.totalDone, 40);
  out.writeBigUInt64LE(state.totalSize, 48);
  out.writeInt32LE(state.schedulePercent, 56);
  out.writeInt32LE(state.estimatedSeconds, 60);
  out.writeInt32LE(rebuildReasons.indexOf(state.reason), 64);
  out.writeInt32LE(state.connectIndex, 68);
  return out;
}

/** Reads the 72 bytes; undefined when they are not 72 bytes. */
export function decodeState(bytes: Buffer): GaussState | undefined {
  if (bytes.length !== 72) return undefined;
  return {
    mode: modes[bytes.readInt32LE(0)] ?? 'Unknown',
    connections: bytes.readInt32LE(4),
    state: dbStates[bytes.readInt32LE(8)] ?? 'Unknown',
    sync: bytes.readUInt8(12) !== 0,
    lsn: bytes.readBigUInt64LE(16),
    term: bytes.readBigUInt64LE(24),
    buildMode: Number(bytes.readBigUInt64LE(32)),
    totalDone: bytes.readBigUInt64LE(40),
    totalSize: bytes.readBigUInt64LE(48),
    schedulePercent: bytes.readInt32LE(56),
    estimatedSeconds: bytes.readInt32LE(60),
    reason: rebuildReasons[bytes.readInt32LE(64)] ?? 'Normal',
    connectIndex: bytes.readInt32LE(68),
  };
}

/** The bytes of a file, undefined when it cannot be read. */
export function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** The text of a file, undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  return readBytes(path)?.toString('utf8');
}

/** Replaces a file in one step: temporary name, fsync when `durable`, rename. */
export function replaceFile(path: string, content: string | Buffer, durable = true): void {
  const temporary = `${path}.temp`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    if (typeof content === 'string') writeFileSync(fd, content);
    else writeSync(fd, content);
    if (durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

/** Reads PGDATA/gaussdb.state. */
export function readState(pgdata: string): GaussState | undefined {
  const bytes = readBytes(join(pgdata, 'gaussdb.state'));
  return bytes === undefined ? undefined : decodeState(bytes);
}

/** Writes PGDATA/gaussdb.state. */
export function writeState(pgdata: string, state: GaussState): void {
  replaceFile(join(pgdata, 'gaussdb.state'), encodeState(state));
}

/** The lines of postmaster.pid that the tools use. */
export interface PidFile {
  pid: number;
  dataDirectory: string;
  startEpoch: number;
  port: number;
  socketDirectory: string;
  listenAddress: string;
}

/** Reads PGDATA/postmaster.pid; undefined when missing or without a pid. */
export function readPidFile(pgdata: string): PidFile | undefined {
  const lines = readText(join(pgdata, 'postmaster.pid'))?.split('\n');
  const pid = Number.parseInt(lines?.[0] ?? '', 10);
  if (lines === undefined || !Number.isFinite(pid)) return undefined;
  return {
    pid,
    dataDirectory: lines[1] ?? '',
    startEpoch: Number(lines[2] ?? 0),
    port: Number(lines[3] ?? 0),
    socketDirectory: lines[4] ?? '',
    listenAddress: lines[5] ?? '',
  };
}

/** The seven lines of postmaster.pid. */
export function renderPidFile(file: PidFile): string {
  const shmem = `${String(file.port * 1000 + 1).padStart(9)} ${String(file.pid % 100000).padStart(9)}`;
  return `${[file.pid, file.dataDirectory, file.startEpoch, file.port, file.socketDirectory, file.listenAddress, shmem].join('\n')}\n`;
}

/** Reads the uint32 of PGDATA/term_file; undefined when missing or short. */
export function readTerm(pgdata: string): number | undefined {
  const bytes = readBytes(join(pgdata, 'term_file'));
  return bytes === undefined || bytes.length < 4 ? undefined : bytes.readUInt32LE(0);
}

/** Writes PGDATA/term_file. */
export function writeTerm(pgdata: string, term: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(term >>> 0, 0);
  replaceFile(join(pgdata, 'term_file'), bytes);
}

/** The three connection locks, in the order of their number in disable_conn_file. */
export const lockModes = ['polling_connection', 'specify_connection', 'prohibit_connection'] as const;
/** A connection lock. */
export interface ConnectionLock {
  mode: (typeof lockModes)[number];
  host: string;
  port: number;
}

/** The 72 bytes of disable_conn_file: int32 mode, 64 bytes of host, int32 port. */
export function encodeLock(lock: ConnectionLock): Buffer {
  const out = Buffer.alloc(72);
  out.writeInt32LE(lockModes.indexOf(lock.mode), 0);
  out.write(lock.host.slice(0, 63), 4, 'latin1');
  out.writeInt32LE(lock.port, 68);
  return out;
}

/** Reads PGDATA/disable_conn_file; a missing or short one is the open lock. */
export function readLock(pgdata: string): ConnectionLock {
  const bytes = readBytes(join(pgdata, 'disable_conn_file'));
  if (bytes === undefined || bytes.length < 72) return { mode: 'polling_connection', host: '', port: 0 };
  const host = bytes.subarray(4, 68).toString('latin1');
  return {
    mode: lockModes[bytes.readInt32LE(0)] ?? 'polling_connection',
    host: host.slice(0, host.indexOf('\0')),
    port: bytes.readInt32LE(68),
  };
}

/** A message line as gs_ctl and its kin print it; `node` is empty except after a build has read pgxc_node_name. */
export function messageLine(program: string, message: string, node = '', now: Date = new Date()): string {
  const pad = (value: number, width = 2) => String(value).padStart(width, '0');
  const day = `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
  const time = `${pad(now.getHours())}:${pad(now.getMinutes())}:${pad(now.getSeconds())}.${pad(now.getMilliseconds(), 3)}`;
  return `[${day} ${time}][${process.pid}][${node}][${program}]: ${message}`;
}

/** The state letter and start time of a process, undefined when it does not exist. */
export function processState(pid: number): { state: string; startTime: string } | undefined {
  const text = readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
}
