/**
 * Faults are values. Nothing that can be expected to fail throws across a floor; a throw is a bug.
 * `done` answers the question that matters after a failed write: may it have happened all the same?
 */

export type FaultKind =
  | 'timeout'
  | 'unreachable'
  | 'refused'
  | 'denied'
  | 'absent'
  | 'exists'
  | 'conflict'
  | 'throttled'
  | 'exited'
  | 'malformed'
  | 'cancelled';

/** An expected failure. */
export interface Fault {
  of: 'kube' | 'sql' | 'command' | 'disk' | 'peer' | 'fence';
  kind: FaultKind;
  /** 'maybe': the effect may have taken place although we saw an error. */
  done: 'no' | 'maybe';
  /** HTTP status, SQLSTATE, exit code or errno. */
  code?: string;
  /** One line, no secrets. */
  detail: string;
  /** What an operator can try. */
  hint?: string;
}

export type Result<T> = { ok: true; value: T } | { ok: false; fault: Fault };

export function ok(): Result<void>;
export function ok<T>(value: T): Result<T>;
export function ok<T>(value?: T): Result<T | undefined> {
  return { ok: true, value };
}

export function failed<T = never>(fault: Fault): Result<T> {
  return { ok: false, fault };
}

/** A remote fact: known with the moment it was seen, or unknown. Unknown is never taken for absent (I2). */
export type Observed<T> = { known: true; value: T; at: number } | { known: false; fault: Fault };

export function known<T>(value: T, at: number): Observed<T> {
  return { known: true, value, at };
}

export function unknown<T = never>(fault: Fault): Observed<T> {
  return { known: false, fault };
}
