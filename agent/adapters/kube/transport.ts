/**
 * Requests to the API server over kept connections. Every call has a deadline that covers connecting, waiting
 * and the body; what was given up before it was sent is never sent later. Three pools: lease traffic never queues
 * behind lists, calls never behind watches. It knows HTTP and Status objects, no Kubernetes kinds, and retries nothing.
 */
import { failed, ok, type Result } from '../../core/result.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { type Connections, openConnections, type Receiver } from '../exchange.ts';
import type { Account } from './account.ts';
import { openSocket, placeOf } from './connect.ts';
import { type Asked, brokenFault, cancelledFault, malformedFault, statusFault, timeoutFault } from './faults.ts';

const bodyLimit = 4 << 20;
const poolSizes = { lease: 2, calls: 4, watch: 8 };
/** Below the API server's own, so that it is we who close an idle connection. */
const idleMs = 30_000;

export type Pool = keyof typeof poolSizes;

export interface TransportOptions {
  /** `https://10.0.0.1:443`; an IP literal, because a hung volume can take every name look-up with it. */
  url: string;
  account: Account;
  userAgent: string;
  telemetry: Pick<Telemetry, 'observeKubeRequest'>;
  now(): number;
}

/** One request. */
export interface Ask {
  verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch';
  resource: string;
  name: string;
  path: string;
  body?: unknown;
  pool: Pool;
  deadlineMs: number;
}

/** Told of a streaming answer: `onText` for every piece, `onEnd` exactly once, with a fault unless it ended in order. */
export interface StreamSink {
  onOpen(): void;
  onText(text: string): void;
  onEnd(result: Result<void>): void;
}

export interface Transport {
  /** The parsed body of a 2xx answer. */
  call<T>(ask: Ask): Promise<Result<T>>;
  /** `deadlineMs` is until the answer begins; the caller stops the stream when it has had enough. */
  stream(ask: Ask, sink: StreamSink): { stop(): void };
  close(): void;
}

const methods = { get: 'GET', list: 'GET', watch: 'GET', create: 'POST', update: 'PUT', patch: 'PATCH' } as const;

/** Opens nothing until the first call. */
export function createTransport(options: TransportOptions): Transport {
  const place = placeOf(options.url);
  const pools = new Map<Pool, Connections>();
  let closed = false;

  function poolOf(pool: Pool): Connections {
    const known = pools.get(pool);
    if (known !== undefined) return known;
    const ready = place.secure ? 'secureConnect' : 'connect';
    const { host, port } = place;
    const connect = () => openSocket(place, options.account);
    const made = openConnections({ host, port, most: poolSizes[pool], idleMs, ready, connect });
    pools.set(pool, made);
    return made;
  }

  function headersOf(ask: Ask): Record<string, string> {
    const token = options.account.token();
    return {
      accept: 'application/json',
      'user-agent': options.userAgent,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(ask.body === undefined ? {} : { 'content-type': contentTypeOf(ask.verb) }),
    };
  }

  function begin(ask: Ask, receiver: Receiver): { abandon(): void } {
    return poolOf(ask.pool).send(
      {
        path: ask.path,
        method: methods[ask.verb],
        headers: headersOf(ask),
        body: ask.body === undefined ? undefined : JSON.stringify(ask.body),
      },
      receiver,
    );
  }

  function call<T>(ask: Ask): Promise<Result<T>> {
    const asked = askedOf(ask);
    if (closed) return Promise.resolve(failed(cancelledFault(asked, false)));
    const startedAt = options.now();
    return new Promise((resolve) => {
      const done = (result: Result<unknown>, code: string): void => {
        const seconds = (options.now() - startedAt) / 1000;
        options.telemetry.observeKubeRequest({ verb: ask.verb, resource: ask.resource, code, seconds });
        resolve(result as Result<T>);
      };
      oneExchange(asked, ask.deadlineMs, (receiver) => begin(ask, receiver), done);
    });
  }

  function stream(ask: Ask, sink: StreamSink): { stop(): void } {
    const asked = askedOf(ask);
    if (closed) {
      sink.onEnd(failed(cancelledFault(asked, false)));
      return { stop() {} };
    }
    const startedAt = options.now();
    const onCode = (code: string): void => {
      const seconds = (options.now() - startedAt) / 1000;
      options.telemetry.observeKubeRequest({ verb: ask.verb, resource: ask.resource, code, seconds });
    };
    return openStream(asked, ask.deadlineMs, (receiver) => begin(ask, receiver), { sink, onCode });
  }

  function close(): void {
    closed = true;
    for (const pool of pools.values()) pool.close();
  }

  return { call, stream, close };
}

function askedOf(ask: Ask): Asked {
  const writes = ask.verb === 'create' || ask.verb === 'update' || ask.verb === 'patch';
  return { verb: ask.verb, resource: ask.resource, name: ask.name, writes };
}

function contentTypeOf(verb: Ask['verb']): string {
  return verb === 'patch' ? 'application/merge-patch+json' : 'application/json';
}

type Begin = (receiver: Receiver) => { abandon(): void };

/** One request with its whole answer under one deadline. */
function oneExchange(
  asked: Asked,
  deadlineMs: number,
  begin: Begin,
  onDone: (result: Result<unknown>, code: string) => void,
): void {
  let sent = false;
  let status = 0;
  let size = 0;
  const chunks: Buffer[] = [];

  const finish = (result: Result<unknown>, code: string): void => {
    clearTimeout(timer);
    onDone(result, code);
  };
  const exchange = begin({
    onSent() {
      sent = true;
    },
    onAnswer(code) {
      status = code;
    },
    onData(chunk) {
      size += chunk.length;
      if (size <= bodyLimit) chunks.push(chunk);
      else giveUp(failed(malformedFault(asked, `the answer is longer than ${bodyLimit} bytes`)), 'malformed');
    },
    onEnd() {
      finish(answer(asked, status, Buffer.concat(chunks).toString('utf8')), String(status));
    },
    onError(error) {
      finish(failed(brokenFault(asked, error, sent)), 'unreachable');
    },
  });
  const giveUp = (result: Result<unknown>, code: string): void => {
    // It may still wait for a connection: after this it never reaches the server.
    exchange.abandon();
    finish(result, code);
  };
  const timer = setTimeout(() => giveUp(failed(timeoutFault(asked, deadlineMs, sent)), 'timeout'), deadlineMs);
}

function answer(asked: Asked, status: number, text: string): Result<unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    if (status >= 200 && status < 300) return failed(malformedFault(asked, 'the answer is not JSON'));
  }
  return status >= 200 && status < 300 ? ok(body) : failed(statusFault(asked, status, body));
}

/** A request whose answer goes on; only its beginning has a deadline. */
function openStream(
  asked: Asked,
  deadlineMs: number,
  begin: Begin,
  { sink, onCode }: { sink: StreamSink; onCode: (code: string) => void },
): { stop(): void } {
  const decoder = new TextDecoder();
  let finished = false;
  let status = 0;
  let refusal = '';

  const finish = (result: Result<void>): void => {
    if (finished) return;
    finished = true;
    clearTimeout(timer);
    if (!result.ok && status !== 200) onCode(status === 0 ? result.fault.kind : String(status));
    sink.onEnd(result);
  };
  const exchange = begin({
    onSent() {},
    onAnswer(code) {
      status = code;
      if (code !== 200) return;
      clearTimeout(timer);
      onCode('200');
      sink.onOpen();
    },
    onData(chunk) {
      const text = decoder.decode(chunk, { stream: true });
      if (status === 200) sink.onText(text);
      else if (refusal.length < 10_000) refusal += text;
    },
    onEnd() {
      if (status === 200) return finish(ok());
      const refused = answer(asked, status, refusal);
      finish(refused.ok ? failed(malformedFault(asked, `status ${status}`)) : refused);
    },
    onError(error) {
      finish(failed(brokenFault(asked, error, false)));
    },
  });
  const abandon = (result: Result<void>): void => {
    exchange.abandon();
    finish(result);
  };
  const timer = setTimeout(() => abandon(failed(timeoutFault(asked, deadlineMs, false))), deadlineMs);
  return { stop: () => abandon(failed(cancelledFault(asked, true))) };
}
