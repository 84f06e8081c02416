/**
 * `gaussdb.state`, the 72 bytes in which the server and its build tool note what they are doing. It is never cleared:
 * after a crash and after a clean stop it still says "Primary/Normal", so it is only used for the progress of a build.
 */
import { join } from 'node:path';
import type { DbState, Role } from '../../core/model.ts';
import { readBytes } from './files.ts';

export interface ServerState {
  role: Role;
  state: DbState;
  build: { mode: number; doneKb: bigint; totalKb: bigint; percent: number };
}

const bytesExpected = 72;
const roles: Role[] = [
  'Unknown',
  'Normal',
  'Primary',
  'Standby',
  'Cascade Standby',
  'Pending',
  'Unknown',
  'Unknown',
  'Main Standby',
];
const states: DbState[] = [
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
];

/** Offsets as executed on 5.0.3 and 6.0.2 (opengauss-interface 3.5). */
export function parseState(bytes: Buffer): ServerState | undefined {
  if (bytes.length < bytesExpected) return undefined;
  return {
    role: roles[bytes.readInt32LE(0)] ?? 'Unknown',
    state: states[bytes.readInt32LE(8)] ?? 'Unknown',
    build: {
      mode: bytes.readInt32LE(32),
      doneKb: bytes.readBigUInt64LE(40),
      totalKb: bytes.readBigUInt64LE(48),
      percent: bytes.readInt32LE(56),
    },
  };
}

/** How far a running build is, 0 to 1; undefined while it cannot tell. */
export async function readBuildRatio(pgdata: string): Promise<number | undefined> {
  const bytes = await readBytes(join(pgdata, 'gaussdb.state'));
  const state = bytes.ok && bytes.value !== undefined ? parseState(bytes.value) : undefined;
  if (state === undefined || state.state !== 'Building' || state.build.totalKb <= 0n) return undefined;
  return Math.min(1, Math.max(0, state.build.percent / 100));
}
