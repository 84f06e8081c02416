/**
 * Events on the own pod: best effort and never on anybody's path. A note waits in a bounded queue, the same note again
 * raises the count of the one before, and the oldest gives way. While the API server cannot be reached they wait for
 * it, as what happened meanwhile is what people look for afterwards.
 */
import { randomBytes } from 'node:crypto';
import type { EventsV1Event } from '@kubernetes/client-node';
import type { EventNote } from '../../ports/kube.ts';
import type { Ask, Transport } from './transport.ts';
import { pathOf } from './names.ts';
import { microTime, type Wire } from './wire.ts';

const queueLimit = 64;
const noteLimit = 1000;
/** Bucket: this many at once, then one in so many milliseconds. */
const burst = 25;
const refillMs = 2_000;
const sendMs = 2_000;
const retryMs = { first: 500, most: 15_000 };
/** The same note within this time is one Event with a count. */
const seriesMs = 360_000;
const controller = 'opengauss.agent';

export interface EventsOptions {
  transport: Pick<Transport, 'call'>;
  namespace: string;
  pod: { name: string; uid: string };
  wall(): string;
  now(): number;
}

export interface Events {
  add(note: EventNote): void;
  /** Sends what waits for so long at most, then stops. */
  close(deadlineMs: number): Promise<void>;
}

interface Waiting {
  note: EventNote;
  at: string;
}

interface Sent {
  name: string;
  count: number;
  lastAt: number;
}

/** The queue with its sender. */
export function createEvents(options: EventsOptions): Events {
  const queue: Waiting[] = [];
  const series = new Map<string, Sent>();
  let tokens = burst;
  let filledAt = options.now();
  let delayMs = retryMs.first;
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let closed = false;

  function add(note: EventNote): void {
    if (closed) return;
    queue.push({ note: { ...note, note: note.note.slice(0, noteLimit) }, at: microTime(options.wall()) });
    if (queue.length > queueLimit) queue.shift();
    if (timer === undefined) wake(0);
  }

  function wake(afterMs: number): void {
    if (sending !== undefined) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      sending = drain().finally(() => {
        sending = undefined;
        if (queue.length > 0 && !closed) wake(Math.max(delayMs, tokens < 1 ? refillMs : 0));
      });
    }, afterMs);
    timer.unref();
  }

  async function drain(): Promise<void> {
    for (let next = queue[0]; next !== undefined && takeToken(); next = queue[0]) {
      const done = await send(next);
      if (!done) {
        delayMs = Math.min(delayMs * 2, retryMs.most);
        return;
      }
      delayMs = retryMs.first;
      // It may have been the oldest of too many meanwhile.
      if (queue[0] === next) queue.shift();
    }
  }

  function takeToken(): boolean {
    const now = options.now();
    const refilled = Math.floor((now - filledAt) / refillMs);
    if (refilled > 0) {
      tokens = Math.min(burst, tokens + refilled);
      filledAt += refilled * refillMs;
    }
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }

  /** False when it is worth another try. */
  async function send({ note, at }: Waiting): Promise<boolean> {
    const key = `${note.reason}\n${note.action}\n${note.note}`;
    const earlier = series.get(key);
    const now = options.now();
    const repeats = earlier !== undefined && now - earlier.lastAt < seriesMs ? earlier : undefined;
    const name = repeats?.name ?? `${options.pod.name}.${randomBytes(8).toString('hex')}`;
    const count = (repeats?.count ?? 0) + 1;
    const result = await options.transport.call(repeats === undefined ? creation(name, note, at) : repetition(name, count, at));
    if (!result.ok && result.fault.kind === 'absent') series.delete(key);
    if (!result.ok) return !['timeout', 'unreachable', 'throttled', 'absent'].includes(result.fault.kind);
    series.delete(key);
    series.set(key, { name, count, lastAt: now });
    for (const [old] of series) if (series.size > queueLimit) series.delete(old);
    return true;
  }

  function creation(name: string, note: EventNote, at: string): Ask {
    const body: Wire<EventsV1Event> = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace: options.namespace },
      eventTime: at,
      reportingController: controller,
      reportingInstance: options.pod.name.slice(0, 128),
      action: note.action,
      reason: note.reason,
      type: note.type,
      note: note.note,
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace: options.namespace, ...options.pod },
    };
    const path = pathOf(options.namespace, 'events');
    return { verb: 'create', resource: 'events', name, path, body, pool: 'calls', deadlineMs: sendMs };
  }

  function repetition(name: string, count: number, at: string): Ask {
    const body: Pick<Wire<EventsV1Event>, 'series'> = { series: { count, lastObservedTime: at } };
    const path = pathOf(options.namespace, 'events', name);
    return { verb: 'patch', resource: 'events', name, path, body, pool: 'calls', deadlineMs: sendMs };
  }

  async function close(deadlineMs: number): Promise<void> {
    closed = true;
    clearTimeout(timer);
    const rest = (sending ?? Promise.resolve()).then(drain);
    let end: NodeJS.Timeout | undefined;
    await Promise.race([rest, new Promise<void>((resolve) => (end = setTimeout(resolve, deadlineMs)))]);
    clearTimeout(end);
  }

  return { add, close };
}
