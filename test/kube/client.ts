/**
 * A plain HTTP client of an API server for tests and harnesses: requests with a deadline, and watches that can be
 * waited on. Knows no kinds, retries nothing, hides no answer.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Dict } from './json.ts';
import { isDict } from './json.ts';

export interface Reply {
  code: number;
  headers: IncomingMessage['headers'];
  /** The JSON object of the answer; empty for plain text. */
  body: Dict;
  text: string;
}

export interface SendOptions {
  body?: unknown;
  type?: string;
  accept?: string;
  headers?: Record<string, string>;
  deadlineMs?: number;
}

export interface WatchEvent {
  type: string;
  object: Dict;
}

export interface Watch {
  /** The next event; rejects when none comes in time or the stream ends. */
  next(deadlineMs?: number): Promise<WatchEvent>;
  /** All events up to the first that holds, that one included. */
  until(holds: (event: WatchEvent) => boolean, deadlineMs?: number): Promise<WatchEvent[]>;
  /** All events until the server ends the stream. */
  rest(deadlineMs?: number): Promise<WatchEvent[]>;
  close(): void;
}

export interface Client {
  send(method: string, path: string, options?: SendOptions): Promise<Reply>;
  get(path: string, accept?: string): Promise<Reply>;
  post(path: string, body: unknown): Promise<Reply>;
  put(path: string, body: unknown): Promise<Reply>;
  patch(path: string, type: 'json' | 'merge' | 'strategic' | 'apply', body: unknown): Promise<Reply>;
  delete(path: string, body?: unknown): Promise<Reply>;
  /** Resolves when the server has begun to answer. */
  watch(path: string, accept?: string): Promise<Watch>;
  close(): void;
}

const DEADLINE_MS = 10_000;

const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

function parsed(text: string): Dict {
  try {
    const value = JSON.parse(text) as unknown;
    return isDict(value) ? value : {};
  } catch {
    return {};
  }
}

/** A client with one token; `ca` is the PEM to trust for HTTPS, undefined trusts any. */
export function createClient(base: string, token: string | undefined, ca?: string): Client {
  const secure = base.startsWith('https:');
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, ...(ca === undefined ? { rejectUnauthorized: false } : { ca }) })
    : new HttpAgent({ keepAlive: true });
  const open = secure ? httpsRequest : httpRequest;

  function start(
    method: string,
    path: string,
    options: SendOptions,
  ): Promise<{ request: ClientRequest; response: IncomingMessage }> {
    const body =
      options.body === undefined ? undefined : typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
    return new Promise((resolve, reject) => {
      const headers: Record<string, string> = { accept: options.accept ?? 'application/json', ...options.headers };
      if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
      if (body !== undefined) {
        headers['content-type'] = options.type ?? 'application/json';
        // Node sends no length by itself with a DELETE.
        headers['content-length'] = String(Buffer.byteLength(body));
      }
      const request = open(`${base}${path}`, { method, agent, headers }, (response) => {
        clearTimeout(timer);
        resolve({ request, response });
      });
      const timer = setTimeout(
        () => request.destroy(new Error(`no answer to ${method} ${path} in time`)),
        options.deadlineMs ?? DEADLINE_MS,
      );
      request.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      request.end(body);
    });
  }

  async function send(method: string, path: string, options: SendOptions = {}): Promise<Reply> {
    const { request, response } = await start(method, path, options);
    const timer = setTimeout(
      () => request.destroy(new Error(`no end of the answer to ${method} ${path} in time`)),
      options.deadlineMs ?? DEADLINE_MS,
    );
    try {
      let text = '';
      response.setEncoding('utf8');
      for await (const chunk of response as AsyncIterable<string>) text += chunk;
      return { code: response.statusCode ?? 0, headers: response.headers, body: parsed(text), text };
    } finally {
      clearTimeout(timer);
    }
  }

  async function watch(path: string, accept = 'application/json'): Promise<Watch> {
    const { request, response } = await start('GET', path, { accept });
    return watchOf(request, response);
  }

  return {
    send,
    get: (path, accept) => send('GET', path, accept === undefined ? {} : { accept }),
    post: (path, body) => send('POST', path, { body }),
    put: (path, body) => send('PUT', path, { body }),
    patch: (path, type, body) => send('PATCH', path, { body, type: PATCH_TYPES[type] }),
    delete: (path, body) => send('DELETE', path, body === undefined ? {} : { body }),
    watch,
    close: () => agent.destroy(),
  };
}

function watchOf(request: ClientRequest, response: IncomingMessage): Watch {
  const queue: WatchEvent[] = [];
  let rest = '';
  let ended = false;
  let wake = (): void => {};

  function take(chunk: string): void {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') queue.push(parsed(line) as unknown as WatchEvent);
    wake();
  }
  function finish(): void {
    ended = true;
    wake();
  }
  response.setEncoding('utf8');
  response.on('data', take);
  response.on('end', finish);
  response.on('error', finish);
  response.on('close', finish);

  /** An event, undefined at the end of the stream. */
  async function take1(deadline: number): Promise<WatchEvent | undefined> {
    for (;;) {
      const event = queue.shift();
      if (event !== undefined || ended) return event;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error('no watch event in time');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  return {
    async next(deadlineMs = DEADLINE_MS) {
      const event = await take1(performance.now() + deadlineMs);
      if (event === undefined) throw new Error('the watch ended');
      return event;
    },
    async until(holds, deadlineMs = DEADLINE_MS) {
      const deadline = performance.now() + deadlineMs;
      const events: WatchEvent[] = [];
      for (;;) {
        const event = await take1(deadline);
        if (event === undefined) throw new Error(`the watch ended after ${JSON.stringify(events.map(({ type }) => type))}`);
        events.push(event);
        if (holds(event)) return events;
      }
    },
    async rest(deadlineMs = DEADLINE_MS) {
      const deadline = performance.now() + deadlineMs;
      const events: WatchEvent[] = [];
      for (let event = await take1(deadline); event !== undefined; event = await take1(deadline)) events.push(event);
      return events;
    },
    close: () => void request.destroy(),
  };
}
