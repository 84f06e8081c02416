/**
 * The HTTP port: the routes of routes.ts over node:http, for the kubelet, Prometheus and load balancers. Reads only,
 * and with a bound on everything a stranger can hold: connections, headers, time. A blocked client costs the loop
 * nothing.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Result } from '../../core/result.ts';
import type { Clock } from '../../ports/others.ts';
import { type Listening, listenOn } from '../listening.ts';
import type { ReadableBoard } from './board.ts';
import type { Metrics } from './metrics.ts';
import { type Answer, json, routes } from './routes.ts';

export interface HttpOptions {
  address: string;
  port: number;
  board: Pick<ReadableBoard, 'last'>;
  metrics: Pick<Metrics, 'render' | 'contentType'>;
  clock: Pick<Clock, 'now'>;
  /** Told of an answer that could not be made. */
  onBug?(error: unknown): void;
}

export type HttpServer = Listening;

const limits = { connections: 64, headerBytes: 8192, headersMs: 2000, requestMs: 5000, keepAliveMs: 5000, checkMs: 1000 };

/** Starts to answer; a port that cannot be had is a Fault. */
export function serveHttp(options: HttpOptions): Promise<Result<HttpServer>> {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkMs,
    },
    (request, response) => {
      // A body has no meaning on any route; it is not read, and its connection is not used again.
      if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
        response.shouldKeepAlive = false;
      }
      void answerTo(request, options)
        .catch((error: unknown) => broken(options, error))
        .then((answer) => send(request, response, answer));
    },
  );
  server.maxConnections = limits.connections;
  server.timeout = limits.requestMs + limits.keepAliveMs;
  return listenOn(server, options, () => server.closeAllConnections());
}

/** Elsewhere a broken assumption ends the agent. An answer for people is not worth the lease. */
function broken(options: HttpOptions, error: unknown): Answer {
  options.onBug?.(error);
  return json(500, { ok: false, reason: 'the answer could not be made; the log says why' });
}

async function answerTo(request: IncomingMessage, options: HttpOptions): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return json(405, { ok: false, reason: 'only GET and HEAD are answered here' });
  const url = URL.parse(request.url ?? '/', 'http://agent');
  const route = routes.find((one) => one.path === url?.pathname);
  if (url === null || route === undefined) {
    return json(404, { ok: false, reason: `no such path; there are ${routes.map((one) => one.path).join(' ')}` });
  }
  return await route.answer({
    snapshot: options.board.last(),
    now: options.clock.now(),
    query: url.searchParams,
    accept: request.headers.accept,
    metrics: options.metrics,
  });
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
