/**
 * The log: JSON lines on stdout through pino, with a bounded asynchronous destination. With a synchronous one a
 * reader that stops reading stops the event loop, and with it the lease; here lines are dropped and counted instead.
 * Nor may such a reader hold up the way out: a write that blocks in a thread keeps even process.exit from ending.
 */
import { constants, openSync } from 'node:fs';
import { type DestinationStream, destination as fileDestination, type Logger, pino, stdTimeFunctions } from 'pino';

export type Log = Logger;

export interface LogOptions {
  level: string;
  pod: string;
  cluster: string;
  /** File descriptor to write to; stdout by default. */
  fd?: number;
  /** Told how many lines were dropped since it was last told. */
  onDrop?(lines: number): void;
}

export interface LogSink {
  log: Log;
  /** Changes the level of this logger and of all its children made later; false when there is no such level. */
  setLevel(level: string): boolean;
  /** Writes what waits, synchronously; for the way out only. */
  flush(): void;
}

/** Most bytes that wait for a reader. */
const bufferBytesMax = 1 << 20;

/** How long the way out waits for a reader. */
const flushMs = 500;

/**
 * The same pipe opened anew, as only then it can be made non-blocking without doing the same to everybody else who
 * writes to it. A socket, or a pipe of another user, cannot be opened so and is written to as it is.
 */
function nonBlocking(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
  }
}

/** Values that never reach the log, wherever a field of that name stands. */
const secretNames = ['password', 'token', 'authorization', 'peerKey', 'secret'];

/** Makes the agent's log. */
export function createLog(options: LogOptions): LogSink {
  let flushEnd = Number.POSITIVE_INFINITY;
  const hurry = () => {
    flushEnd = Math.min(flushEnd, performance.now() + flushMs);
  };
  const stream = fileDestination({
    fd: nonBlocking(options.fd ?? 1),
    sync: false,
    minLength: 0,
    maxLength: bufferBytesMax,
    retryEAGAIN: () => performance.now() < flushEnd,
  });
  const flushSync = stream.flushSync.bind(stream);
  // The destination calls this by itself at the exit, where an error would only spoil the exit code.
  stream.flushSync = () => {
    hurry();
    try {
      flushSync();
    } catch {
      // The destination is not open yet or nobody reads: there is nobody to tell.
    }
  };
  stream.on('drop', () => options.onDrop?.(1));
  // A reader that is gone is no reason to stop: the lines are lost, the lease is not.
  stream.on('error', () => options.onDrop?.(1));
  const log = pino(
    {
      level: options.level,
      base: { pod: options.pod, cluster: options.cluster },
      messageKey: 'msg',
      errorKey: 'err',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    },
    stream as unknown as DestinationStream,
  );
  return {
    log,
    setLevel(level) {
      if (!Object.hasOwn(log.levels.values, level)) return false;
      log.level = level;
      return true;
    },
    flush: () => stream.flushSync(),
  };
}

type Line = (msg: string, fields?: Record<string, unknown>) => void;

/** The same log for those who say the message first; `component` names them in every line. */
export function wordFirst(log: Log, component: string): { debug: Line; info: Line; warn: Line; error: Line } {
  const child = log.child({ component });
  return {
    debug: (msg, fields = {}) => child.debug(fields, msg),
    info: (msg, fields = {}) => child.info(fields, msg),
    warn: (msg, fields = {}) => child.warn(fields, msg),
    error: (msg, fields = {}) => child.error(fields, msg),
  };
}
