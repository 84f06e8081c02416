/**
 * The log: JSON lines on stdout through pino, with a bounded asynchronous destination. With a synchronous one a
 * reader that stops reading stops the event loop, and with it the lease; here lines are dropped and counted instead.
 */
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

/** Values that never reach the log, wherever a field of that name stands. */
const secretNames = ['password', 'token', 'authorization', 'peerKey', 'secret'];

/** Makes the agent's log. */
export function createLog(options: LogOptions): LogSink {
  const stream = fileDestination({ fd: options.fd ?? 1, sync: false, minLength: 0, maxLength: bufferBytesMax });
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
    flush() {
      try {
        stream.flushSync();
      } catch {
        // The destination is not open yet or its reader is gone: there is nobody to tell.
      }
    },
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
