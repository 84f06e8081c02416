/**
 * One watch that never gives up: a hint for every change, a new connection whenever the old one ends, falls silent or
 * grows old, and `onGap` when changes may have been missed. Correctness never rests on it (K24): a connection can be
 * alive and deliver nothing, so each is ended after less than a minute whatever it does.
 */
import type { Result } from '../../core/result.ts';
import { pathOf, type ResourceName } from './names.ts';
import type { Transport } from './transport.ts';

/** The server ends a watch after this; a little later we do. */
const ageSeconds = { least: 40, most: 50 };
const graceMs = 5_000;
const openMs = 2_000;
const retryMs = { first: 50, most: 1_000 };
/** A connection that lasted so long was a good one, whether anything happened or not. */
const goodMs = 5_000;
const lineLimit = 2 << 20;
/** A version that is gone, or none, or larger than any ("Too large resource version"). */
const refusals = ['410', '400', '504'];

export interface WatchOptions {
  transport: Pick<Transport, 'stream'>;
  namespace: string;
  resource: ResourceName;
  /** `fieldSelector=…` or `labelSelector=…`. */
  select: { kind: 'fieldSelector' | 'labelSelector'; text: string };
  /** No bytes for so long: the connection is taken for dead. For what changes often only. */
  quietMs?: number;
  onObject(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: unknown): void;
  onGap(): void;
}

/** Starts it at once. */
export function startWatch(options: WatchOptions): { stop(): void } {
  let version: string | undefined;
  let hadOne = false;
  let delayMs: number = retryMs.first;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  let current: { stop(): void } | undefined;

  function open(): void {
    const seconds = Math.round(ageSeconds.least + Math.random() * (ageSeconds.most - ageSeconds.least));
    const lines = lineReader((line) => take(line));
    const openedAt = performance.now();
    let ended = false;
    let quiet: NodeJS.Timeout | undefined;
    const age = setTimeout(() => connection.stop(), seconds * 1000 + graceMs);
    const heard = (): void => {
      if (options.quietMs === undefined || ended) return;
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        // From a version that is still to come, as after a restore from a backup, the server sends nothing until then.
        version = undefined;
        connection.stop();
      }, options.quietMs);
    };
    const connection = options.transport.stream(
      {
        verb: 'watch',
        resource: options.resource,
        name: options.select.text,
        path: `${pathOf(options.namespace, options.resource)}?${query(seconds)}`,
        pool: 'watch',
        deadlineMs: openMs,
      },
      {
        onOpen() {
          // Without a version the server sends everything there is, but nobody tells what was deleted meanwhile.
          if (version === undefined && hadOne) options.onGap();
          hadOne = true;
          heard();
        },
        onText(text) {
          heard();
          if (lines(text)) return;
          version = undefined;
          connection.stop();
        },
        onEnd(result) {
          ended = true;
          clearTimeout(age);
          clearTimeout(quiet);
          if (performance.now() - openedAt > goodMs) delayMs = retryMs.first;
          again(result);
        },
      },
    );
    current = connection;
  }

  function query(seconds: number): string {
    const { kind, text } = options.select;
    const parts = new URLSearchParams({ watch: '1', allowWatchBookmarks: 'true', timeoutSeconds: String(seconds), [kind]: text });
    if (version !== undefined) parts.set('resourceVersion', version);
    return parts.toString();
  }

  function again(result: Result<void>): void {
    if (stopped) return;
    if (!result.ok && refusals.includes(result.fault.code ?? '')) version = undefined;
    clearTimeout(retry);
    retry = setTimeout(open, delayMs * (0.5 + Math.random() / 2));
    delayMs = Math.min(delayMs * 2, retryMs.most);
  }

  /** False when the stream can no longer be trusted. */
  function take(line: string): boolean {
    const event = parse(line);
    if (event === undefined || event.type === 'ERROR') return false;
    delayMs = retryMs.first;
    version = event.object.metadata?.resourceVersion ?? version;
    if (event.type === 'ADDED' || event.type === 'MODIFIED' || event.type === 'DELETED') {
      options.onObject(event.type, event.object);
    }
    return true;
  }

  open();
  return {
    stop() {
      stopped = true;
      clearTimeout(retry);
      current?.stop();
    },
  };
}

interface WatchEvent {
  type: string;
  object: { metadata?: { resourceVersion?: string } };
}

function parse(line: string): WatchEvent | undefined {
  try {
    const event = JSON.parse(line) as Partial<WatchEvent> | null;
    if (typeof event?.type !== 'string' || typeof event.object !== 'object' || event.object === null) return undefined;
    return { type: event.type, object: event.object };
  } catch {
    return undefined;
  }
}

/** Cuts text into lines; the answer is false once a line is refused or longer than the limit. */
export function lineReader(onLine: (line: string) => boolean): (text: string) => boolean {
  let rest = '';
  let broken = false;
  return (text) => {
    if (broken) return false;
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    broken = !lines.every((line) => line.trim() === '' || onLine(line)) || rest.length > lineLimit;
    return !broken;
  };
}
