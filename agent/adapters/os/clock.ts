/**
 * Time. Boot time in milliseconds: `/proc/uptime` counts on through a suspend but has only hundredths, `performance` has
 * nanoseconds but stands still, so each reading of the file pulls the finer clock forward. The result never steps back
 * and is never ahead of the truth: a permit counted with it can only end too early. Wall time is for display.
 */
import { openSync, readSync } from 'node:fs';
import type { Mono } from '../../core/model.ts';
import type { Clock } from '../../ports/others.ts';

/** Timers stand still in a suspend; a wait is looked at again this often, at the same moments as all others. */
const longestTimerMs = 1000;
const readings = 8;
/** One reading serves what is asked within the same moment. A suspend that begins right after it is as one right after the answer. */
const readingMs = 1;

/** Replaced in tests only. */
export interface ClockSources {
  /** Text of /proc/uptime, or undefined when it cannot be read. */
  uptime(): string | undefined;
  /** Monotonic milliseconds with a fraction. */
  steady(): number;
}

/** The clock of this machine. */
export function createClock(sources: ClockSources = machine()): Clock {
  let offset = Number.NEGATIVE_INFINITY;
  let first: number | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  function now(): Mono {
    const steady = sources.steady();
    return steady - readAt < readingMs ? steady + offset : read();
  }

  function read(): Mono {
    // The file first: a process that is held up between the two readings must come out behind the truth, never ahead.
    const up = parseUptime(sources.uptime());
    const steady = sources.steady();
    // The file is rounded down: its value is a lower bound, and the best one seen so far counts.
    if (up !== undefined) offset = Math.max(offset, up - steady);
    else if (!Number.isFinite(offset)) throw new Error('/proc/uptime cannot be read');
    readAt = steady;
    return steady + offset;
  }

  /** Boot time runs ahead of the steady clock by what was slept through; counted from the first question on. */
  function suspended(): number {
    // A reading that is held up between the two clocks seems too low, and the next one to have slept: the best of some counts.
    for (let reading = 0; reading < (first === undefined ? readings : 1); reading += 1) read();
    first ??= offset;
    return offset - first;
  }

  async function until(moment: Mono, signal?: AbortSignal): Promise<void> {
    while (signal?.aborted !== true) {
      const left = moment - now();
      if (left <= 0) return;
      await pause(left > longestTimerMs ? longestTimerMs - (Date.now() % longestTimerMs) : Math.ceil(left), signal);
    }
  }

  return { now, wall: () => new Date().toISOString(), until, suspended };
}

/** Milliseconds from the first field of /proc/uptime. */
export function parseUptime(text: string | undefined): number | undefined {
  const match = /^(\d+)\.(\d{2}) /.exec(text ?? '');
  return match === null ? undefined : Number(match[1]) * 1000 + Number(match[2]) * 10;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

function machine(): ClockSources {
  // Kept open: a reading then costs two microseconds, and does not fail when descriptors have run out.
  const file = openSync('/proc/uptime', 'r');
  const buffer = Buffer.alloc(64);
  return {
    uptime() {
      try {
        return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0));
      } catch {
        return undefined;
      }
    },
    steady: () => performance.now(),
  };
}
