/**
 * The peer API's receiving side. Nothing is done for anybody who does not hold the key, is no member, or says again
 * what was said before; every answer to a signed request is signed over its nonce. Connections, headers, bodies and
 * times are bounded; a blocked client costs the loop nothing.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { MemberName } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { PeerHandler } from '../../ports/others.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { bodyBytesMax, header, isToken, type RequestParts, sameMac, signAnswer, signRequest } from './sign.ts';
import { decodeFreeze, decodePromise, decodeUnfreeze, encodeState, parseBody } from './wire.ts';

export interface PeerServerOptions {
  self: MemberName;
  address: string;
  port: number;
  key: Buffer;
  handler: PeerHandler;
  /** Whether a sender is a member now. */
  isMember(name: MemberName): boolean;
  /** Told of requests that are not answered as asked; the reason is a bounded word. */
  onRefusal?(refusal: { reason: string; from: string | undefined }): void;
}

export interface PeerServer {
  port: number;
  /** Forgets the sessions of everybody else. */
  keep(members: MemberName[]): void;
  close(): Promise<void>;
}

/**
 * A peer needs four connections, and as many again while old ones die; one address must not take all there are. A request
 * has to be whole within seconds, however slowly its bytes come.
 */
const limits = {
  connections: 128,
  perAddress: 24,
  headerBytes: 4096,
  headersMs: 2000,
  requestMs: 5000,
  keepAliveMs: 30_000,
  checkMs: 1000,
};

type Reply = { status: number; body: object };

function refusal(status: number, kind: Fault['kind'], detail: string): Reply {
  const fault: Fault = { of: 'peer', kind, done: 'no', detail };
  return { status, body: { fault } };
}

/** Starts to answer; a port that cannot be had is a Fault. */
export function servePeers(options: PeerServerOptions): Promise<Result<PeerServer>> {
  const sessions = createSessions();
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkMs,
    },
    (request, response) => void serve(request, response, options, sessions),
  );
  server.maxConnections = limits.connections;
  boundByAddress(server);
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const detail = `cannot listen on ${options.address}:${options.port}: ${error.code ?? error.message}`;
      resolve(
        failed({ of: 'peer', kind: 'refused', done: 'no', ...(error.code === undefined ? {} : { code: error.code }), detail }),
      );
    });
    server.listen({ host: options.address, port: options.port }, () => {
      resolve(
        ok({
          port: (server.address() as AddressInfo).port,
          keep: sessions.keep,
          close: () =>
            new Promise((done) => {
              server.close(() => done());
              server.closeAllConnections();
            }),
        }),
      );
    });
  });
}

function boundByAddress(server: Server): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = socket.remoteAddress ?? '';
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
    if (count > limits.perAddress) socket.destroy();
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: PeerServerOptions,
  sessions: Sessions,
): Promise<void> {
  request.on('error', () => {});
  const body = await readBody(request);
  if (body === undefined) return void response.socket?.destroy();
  const parts = requestParts(request, body);
  const stranger = (reason: string) => {
    options.onRefusal?.({ reason, from: parts?.from });
    // Nothing is signed for somebody who has not shown the key, and no reason is given away.
    response.writeHead(401, { connection: 'close', 'content-length': 0 }).end();
  };
  if (parts === undefined) return stranger('unsigned');
  if (!sameMac(signRequest(options.key, parts), String(request.headers[header.mac] ?? ''))) return stranger('bad-signature');
  const reply = await answer(parts, options, sessions);
  if (reply.status !== 200) options.onRefusal?.({ reason: `status-${reply.status}`, from: parts.from });
  if (response.destroyed) return;
  const text = Buffer.from(JSON.stringify(reply.body));
  const mac = signAnswer(options.key, {
    status: reply.status,
    from: options.self,
    to: parts.from,
    nonce: parts.nonce,
    body: text,
  });
  response.sendDate = false;
  response.writeHead(reply.status, { 'content-type': 'application/json', 'content-length': text.length, [header.mac]: mac });
  response.end(text);
}

/** The whole body; undefined when it is too long or its sender went away. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
  // Gossip has none; a stream that is read to learn so costs more than all the rest.
  if (length === '0' && encoding === undefined) return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}

function requestParts(request: IncomingMessage, body: Buffer): RequestParts | undefined {
  const read = (name: string) => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : '';
  };
  const counter = /^\d{1,15}$/.test(read(header.counter)) ? Number(read(header.counter)) : undefined;
  const nonce = read(header.nonce);
  const from = read(header.from);
  if (counter === undefined || !isToken(nonce) || from === '') return undefined;
  const { method = '', url: path = '' } = request;
  return { method, path, from, to: read(header.to), session: read(header.session), counter, nonce, body };
}

async function answer(parts: RequestParts, options: PeerServerOptions, sessions: Sessions): Promise<Reply> {
  if (parts.to !== options.self) return refusal(403, 'denied', 'the request is for another member');
  if (parts.from === options.self) return refusal(403, 'denied', 'the request comes from this member itself');
  if (!options.isMember(parts.from)) return refusal(403, 'denied', 'the sender is not a member');
  const route = `${parts.method} ${parts.path}`;
  if (route === 'POST /v1/hello') return { status: 200, body: { session: sessions.open(parts.from) } };
  const admission = sessions.admit(parts.from, parts.session, parts.counter);
  if (admission === 'no-session') return refusal(409, 'conflict', 'the session is not known here');
  if (admission === 'replayed') return refusal(403, 'denied', 'the request was seen before');
  return await perform(route, parts, options.handler);
}

async function perform(route: string, parts: RequestParts, handler: PeerHandler): Promise<Reply> {
  switch (route) {
    case 'GET /v1/state': {
      const state = await handler.state();
      return state === undefined
        ? refusal(503, 'absent', 'the first cycle is not done yet')
        : { status: 200, body: encodeState(state) };
    }
    case 'POST /v1/freeze': {
      const ask = decodeFreeze(parseBody(parts.body) ?? {});
      if (!ask.ok) return { status: 400, body: { fault: ask.fault } };
      return outcome(await handler.freeze(ask.value, parts.from));
    }
    case 'POST /v1/unfreeze': {
      const ask = decodeUnfreeze(parseBody(parts.body) ?? {});
      if (!ask.ok) return { status: 400, body: { fault: ask.fault } };
      return outcome(await handler.unfreeze({ term: ask.value.term, from: parts.from }));
    }
    case 'POST /v1/promise': {
      const ask = decodePromise(parseBody(parts.body) ?? {});
      if (!ask.ok) return { status: 400, body: { fault: ask.fault } };
      return outcome(await handler.promise(ask.value, parts.from));
    }
    default:
      return refusal(404, 'absent', 'no such request');
  }
}

function outcome(result: Awaited<ReturnType<PeerHandler['freeze']>>): Reply {
  return result.ok ? { status: 200, body: encodeState(result.value) } : { status: 422, body: { fault: result.fault } };
}
