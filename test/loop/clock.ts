/**
 * Virtual time: nothing happens between two moments, and whoever waits is woken in order. A whole hour of a cluster
 * passes in seconds, and the same seed gives the same run.
 */
import type { Clock } from '../../agent/ports/others.ts';

export interface VirtualClock extends Clock {
  /** Lets that many milliseconds pass, waking everybody whose moment comes. */
  run(ms: number): Promise<void>;
  /** The same until that holds; false: it did not in all that time. */
  reach(ms: number, holds: () => boolean): Promise<boolean>;
  every(ms: number, work: () => void): void;
  /** Work after which nobody has anything to do at once. */
  quietly(ms: number, work: () => void): void;
  /** The machine sleeps: time passes and no timer runs. */
  suspend(ms: number): void;
  /** Sets the wall clock forward. */
  setWall(ms: number): void;
}

interface Timer {
  at: number;
  order: number;
  quiet: boolean;
  wake(): void;
}

export function createVirtualClock(start = 1_000_000): VirtualClock {
  let now = start;
  let order = 0;
  let suspended = 0;
  let wallAhead = 0;
  const timers: Timer[] = [];

  function at(moment: number, wake: () => void, quiet = false): Timer {
    order += 1;
    const timer = { at: moment, order, wake, quiet };
    timers.push(timer);
    return timer;
  }

  function remove(timer: Timer): void {
    const index = timers.indexOf(timer);
    if (index >= 0) timers.splice(index, 1);
  }

  function repeat(ms: number, work: () => void, quiet: boolean): void {
    const again = (): void => {
      work();
      at(now + ms, again, quiet);
    };
    at(now + ms, again, quiet);
  }

  async function pass(ms: number, holds: () => boolean): Promise<boolean> {
    const end = now + ms;
    await settle();
    while (!holds()) {
      timers.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = timers[0];
      if (next === undefined || next.at > end) {
        now = end;
        return false;
      }
      timers.shift();
      now = Math.max(now, next.at);
      next.wake();
      if (!next.quiet) await settle();
    }
    return true;
  }

  return {
    now: () => now,
    wall: () => new Date(Date.UTC(2026, 0, 1) + now + wallAhead).toISOString(),
    suspended: () => suspended,
    suspend(ms) {
      now += ms;
      suspended += ms;
    },
    setWall(ms) {
      wallAhead += ms;
    },
    until(moment, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted === true) {
          resolve();
          return;
        }
        const timer = at(Math.max(moment, now), done);
        function done(): void {
          remove(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        }
        signal?.addEventListener('abort', done, { once: true });
      });
    },
    every: (ms, work) => repeat(ms, work, false),
    quietly: (ms, work) => repeat(ms, work, true),
    run: async (ms) => void (await pass(ms, () => false)),
    reach: pass,
  };
}

/** Lets everything that waits for nothing but promises run to its next wait. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
