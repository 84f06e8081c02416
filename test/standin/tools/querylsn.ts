// gs_ctl query -L: looks a position up in the local WAL. The server need not run.
import { existsSync } from 'node:fs';
import { walDirectory } from '../shared/postgres.ts';
import { raw } from './messages.ts';
import { controlData, formatLsn, lastRecord, targetCrc } from './walrecord.ts';

/** Prints the last record's position and whether there is WAL at the given one; always exit 0. */
export async function queryLsn(data: string, lsn: bigint): Promise<number> {
  const control = existsSync(walDirectory(data)) ? await controlData(data) : undefined;
  const last = control === undefined ? undefined : await lastRecord(data, control.redo, control.timeline);
  raw(`LSN query result:\n   MAX_LSN: ${formatLsn(last?.lsn ?? 0n)}\n`);
  const found = last !== undefined && lsn <= last.lsn && targetCrc(data, { lsn, length: 24 }) !== undefined;
  raw(
    found
      ? `   Input LSN ${formatLsn(lsn)} check success, and is not a checkpoint\n`
      : `It's not a valid WAL record start at ${formatLsn(lsn)}\n`,
  );
  return 0;
}
