/**
 * What a command works with: the environment, two streams and the exit codes. Commands never touch
 * `process` themselves, so that a test can run them in its own.
 */

export interface Stream {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
}

export interface Io {
  env: Record<string, string | undefined>;
  out: Stream;
  err: Stream;
  /** Aborts when the user has had enough. */
  signal: AbortSignal;
}

/** The exit codes that docs/OPERATIONS.md explains. */
export const exit = { done: 0, failed: 1, degraded: 2, noPrimary: 3, unreachable: 4, refused: 5, settings: 78 } as const;

/** Prints `error: …` and `hint: …`, and passes the exit code on. Where nobody gave a hint, what looks at everything is one. */
export function complain(io: Io, code: number, error: string, hint: string | undefined): number {
  io.err.write(`error: ${error}\nhint: ${hint ?? 'agent doctor says what is wrong and what cures it.'}\n`);
  return code;
}

/** Waits, and ends early when the user has had enough. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
