// Fault switches of the stand-in: a file of the fault's name in the directory $OG_STANDIN_FAULTS forces that trap.
// The file's text is the fault's argument (often milliseconds). A switch stays on until its file is removed; `takeFault` removes it.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Every trap that can be forced. */
export type FaultName =
  | 'switchover-timeout' // the switchover request is ignored: gs_ctl times out and exits 0
  | 'switchover-headless' // the standby gives up, the primary demotes itself all the same
  | 'failover-late' // the promotion waits <ms> (default 5000) before it begins
  | 'failover-lost' // one failover request is swallowed
  | 'query-hang' // new connections are accepted and never answered
  | 'stale-pid' // a stop leaves postmaster.pid behind
  | 'lock-conflict' // tools behave as if another one held pg_ctl.lock
  | 'slow-start' // the server recovers for <ms> (default 5000) before it answers
  | 'start-late'; // gs_ctl start gives up with 1 although the server comes up

/** The argument of a fault that is switched on, undefined when it is off. */
export function fault(name: FaultName): string | undefined {
  const directory = process.env['OG_STANDIN_FAULTS'];
  if (directory === undefined || directory === '') return undefined;
  try {
    return readFileSync(join(directory, name), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Like `fault`, and switches it off. */
export function takeFault(name: FaultName): string | undefined {
  const argument = fault(name);
  if (argument !== undefined) rmSync(join(process.env['OG_STANDIN_FAULTS'] ?? '', name), { force: true });
  return argument;
}

/** The milliseconds a fault asks for, 0 when it is off. */
export function faultMs(name: FaultName, standard = 5_000): number {
  const argument = fault(name);
  if (argument === undefined) return 0;
  const ms = Number(argument);
  return argument !== '' && Number.isFinite(ms) ? ms : standard;
}
