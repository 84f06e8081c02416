/**
 * The freeze: disable_conn() takes a standby away from its primary at once and lets it follow one address only
 * (opengauss-interface 5.4). The lock survives restarts in `disable_conn_file`, but not a build, so that it can be
 * written back before a start. Who is frozen for whom and when a freeze ends is decided in core, never here.
 */
import { isIP } from 'node:net';
import type { ConnectionLock } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import { literal, type Row, type Session, textOf, truthOf } from './sql.ts';

/** The one address a frozen standby follows. */
export interface LockTarget {
  host: string;
  haPort: number;
}

/** Size and layout of `disable_conn_file` in 5.0 and 6.0: int32 mode, 64 bytes of host, int32 port, little-endian. */
const lockBytes = 72;
const hostOffset = 4;
const hostBytes = 64;
const portOffset = 68;
const modes: ConnectionLock['mode'][] = ['polling_connection', 'specify_connection', 'prohibit_connection'];

/** The file that freezes a standby from its first moment on. */
export function encodeLock(target: LockTarget): Result<Buffer> {
  const fault = targetFault(target);
  if (fault !== undefined) return failed(fault);
  const bytes = Buffer.alloc(lockBytes);
  bytes.writeInt32LE(modes.indexOf('specify_connection'), 0);
  bytes.write(target.host, hostOffset, hostBytes - 1, 'ascii');
  bytes.writeInt32LE(target.haPort, portOffset);
  return ok(bytes);
}

/** Reads the file; undefined when it is not one of ours or the server's. */
export function decodeLock(bytes: Buffer): (LockTarget & { mode: ConnectionLock['mode'] }) | undefined {
  if (bytes.length < lockBytes) return undefined;
  const mode = modes[bytes.readInt32LE(0)];
  if (mode === undefined) return undefined;
  const host =
    bytes
      .subarray(hostOffset, hostOffset + hostBytes)
      .toString('latin1')
      .split('\0')[0] ?? '';
  return { mode, host, haPort: bytes.readInt32LE(portOffset) };
}

/** One row of read_disable_conn_file(). */
export function parseLock(row: Row | undefined): ConnectionLock | undefined {
  const mode = modes.find((one) => one === row?.['disconn_mode']);
  if (row === undefined || mode === undefined) return undefined;
  const host = textOf(row['disconn_host']);
  const port = Number(textOf(row['disconn_port']) ?? 0);
  return {
    mode,
    host: host === undefined || host === '' ? undefined : host,
    port: port > 0 ? port : undefined,
    redoFinished: truthOf(row['redo_finished']),
  };
}

/** Streams from nobody but that address from now on; the call cuts the stream within milliseconds. */
export async function pointAt(session: Session, target: LockTarget, deadlineMs: number): Promise<Result<void>> {
  const fault = targetFault(target);
  if (fault !== undefined) return failed(fault);
  return call(session, `'specify_connection', ${literal(target.host)}, ${target.haPort}`, deadlineMs);
}

/** Streams from any configured peer again. */
export async function unlock(session: Session, deadlineMs: number): Promise<Result<void>> {
  return call(session, "'polling_connection', '', 0", deadlineMs);
}

async function call(session: Session, args: string, deadlineMs: number): Promise<Result<void>> {
  const answer = await session.query(`select disable_conn(${args})`, deadlineMs);
  return answer.ok ? ok() : answer;
}

function targetFault(target: LockTarget): Fault | undefined {
  if (isIP(target.host) !== 0 && Number.isInteger(target.haPort) && target.haPort > 0 && target.haPort < 65536) return undefined;
  const detail = `a standby can only be pointed at an IP address and a port, not at ${target.host}:${target.haPort}`;
  return { of: 'sql', kind: 'malformed', done: 'no', detail };
}
