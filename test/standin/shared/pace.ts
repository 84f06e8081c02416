// How fast the stand-in goes: `fast` is PostgreSQL's own speed, `real` adds the delays measured on a real openGauss.
// The table holds only what the stand-in itself must wait; it never shortens anything.
import { setTimeout as sleep } from 'node:timers/promises';

/** Delays in milliseconds: at pace `real`, and at pace `fast`. */
const delays = {
  /** redo retries after the end of the stream: a promotion, and redo_finished, come no earlier after it. */
  redoRetryMs: { real: 1_000, fast: 50 },
  /** from the end of the stream until redo_finished reads true. */
  redoFinishedMs: { real: 1_100, fast: 100 },
  /** from the end of the stream until the receive location reads NULL. */
  receiveNullMs: { real: 2_000, fast: 2_000 },
  /** pause between two rounds of a standby over its replconninfo list. */
  reconnectMs: { real: 1_000, fast: 100 },
  /** from process start until the server begins to recover. */
  startMs: { real: 400, fast: 0 },
  /** a fast stop beyond PostgreSQL's own. */
  stopMs: { real: 800, fast: 0 },
  /** demotion of a primary in a switchover beyond PostgreSQL's own. */
  demoteMs: { real: 1_200, fast: 0 },
  /** how often gs_ctl looks during start, stop, failover, switchover and notify. */
  toolPollMs: { real: 1_000, fast: 100 },
  /** a build's wait for its background WAL receiver. */
  buildStreamMs: { real: 5_000, fast: 0 },
} as const;

/** The name of one delay. */
export type Delay = keyof typeof delays;

/** The pace chosen by OG_STANDIN_PACE; `fast` unless it says `real`. */
export function pace(): 'fast' | 'real' {
  return process.env['OG_STANDIN_PACE'] === 'real' ? 'real' : 'fast';
}

/** A delay at the chosen pace, in milliseconds. */
export function delayMs(name: Delay): number {
  return delays[name][pace()];
}

/** Waits a delay of the table. */
export async function paced(name: Delay): Promise<void> {
  const ms = delayMs(name);
  if (ms > 0) await sleep(ms);
}
