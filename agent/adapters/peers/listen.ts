/**
 * The receiving end of a peer's lines: HTTP/1.1 as far as members speak it, one request at a time on each connection, a body
 * of told length or none. Everything that a stranger can hold is bounded: connections, those of one address, bytes, time.
 * What it does not understand ends its connection. It knows no routes and believes nothing: server.ts does.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { bodyBytesMax } from './sign.ts';

/** A whole request; header names in lower case. */
export interface Request {
  method: string;
  path: string;
  headers: ReadonlyMap<string, string>;
  body: Buffer;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  /** Nothing more is taken from that connection. */
  last?: boolean;
}

/**
 * A peer needs four connections, and as many again while old ones die; one address must not take all there are. A request
 * has to be whole within seconds, however slowly its bytes come.
 */
const limits = {
  connections: 128,
  perAddress: 24,
  headBytes: 4096,
  headMs: 2000,
  requestMs: 5000,
  idleMs: 30_000,
};

interface Caller {
  socket: Socket;
  /** Ends what is not whole in time, or says nothing for too long. */
  timer: NodeJS.Timeout | undefined;
  chunks: Buffer[];
  bytes: number;
  /** Looking at fewer bytes than these is of no use. */
  wanted: number;
  /** One is being answered, or the last one was. */
  busy: boolean;
}

/** Answers by `onRequest`; not listening yet. */
export function createListener(onRequest: (request: Request) => Promise<Reply>): Server & { endAll(): void } {
  const callers = new Set<Caller>();
  const server = createServer({ noDelay: true }, (socket) => {
    const from = socket.remoteAddress;
    socket.on('error', () => {});
    if ([...callers].filter((one) => one.socket.remoteAddress === from).length >= limits.perAddress) {
      socket.destroy();
      return;
    }
    const caller: Caller = { socket, timer: undefined, chunks: [], bytes: 0, wanted: 0, busy: false };
    callers.add(caller);
    allow(caller, limits.headMs);
    socket.once('close', () => {
      clearTimeout(caller.timer);
      callers.delete(caller);
    });
    socket.on('data', (chunk) => take(caller, chunk, onRequest));
  });
  server.maxConnections = limits.connections;
  return Object.assign(server, {
    endAll() {
      for (const { socket } of callers) socket.destroy();
    },
  });
}

function take(caller: Caller, chunk: Buffer, onRequest: (request: Request) => Promise<Reply>): void {
  // A member waits for an answer before it asks again.
  if (caller.busy) {
    caller.socket.destroy();
    return;
  }
  const first = caller.bytes === 0;
  caller.chunks.push(chunk);
  caller.bytes += chunk.length;
  // What comes whole at once, as a peer sends it, needs no time of its own.
  if (caller.bytes < caller.wanted) return;
  const request = readRequest(first ? chunk : Buffer.concat(caller.chunks));
  if (typeof request === 'number') {
    if (request > caller.bytes + 1) allow(caller, limits.requestMs);
    else if (first) allow(caller, limits.headMs);
    caller.wanted = request;
  } else if (request === 'none') answer(caller, { ...nothing, status: 400 });
  else if (request === 'too long') caller.socket.destroy();
  else {
    caller.busy = true;
    clearTimeout(caller.timer);
    const last = request.headers.get('connection')?.toLowerCase() === 'close';
    void onRequest(request).then((reply) => answer(caller, { last, ...reply }));
  }
}

const nothing: Reply = { status: 0, headers: {}, body: Buffer.alloc(0), last: true };

function allow(caller: Caller, ms: number): void {
  clearTimeout(caller.timer);
  caller.timer = setTimeout(() => tooLate(caller), ms);
}

function tooLate(caller: Caller): void {
  if (caller.bytes > 0) answer(caller, { ...nothing, status: 408 });
  else caller.socket.destroy();
}

function answer(caller: Caller, { status, headers, body, last = false }: Reply): void {
  const { socket } = caller;
  Object.assign(caller, { chunks: [], bytes: 0, wanted: 0, busy: last });
  if (socket.destroyed) return;
  allow(caller, limits.idleMs);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const end = last ? 'connection: close\r\n\r\n' : '\r\n';
  const head = `HTTP/1.1 ${status} \r\n${lines.join('')}content-length: ${body.length}\r\n${end}`;
  socket.write(Buffer.concat([Buffer.from(head, 'latin1'), body]));
  if (last) socket.destroySoon();
}

/** A number: at so many bytes it is worth another look. Two headers of one name are no request. */
export function readRequest(text: Buffer): Request | number | 'none' | 'too long' {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0 && text.length <= limits.headBytes) return text.length + 1;
  if (end < 0 || end > limits.headBytes) return 'too long';
  const [first = '', ...lines] = text.toString('latin1', 0, end).split('\r\n');
  const [, method, path] = /^([A-Z]{1,16}) (\/\S*) HTTP\/1\.1$/.exec(first) ?? [];
  const headers = readHeaders(lines);
  const length = headers?.get('content-length') ?? '0';
  if (method === undefined || path === undefined || headers === undefined || !/^\d{1,9}$/.test(length)) return 'none';
  if (headers.has('transfer-encoding')) return 'none';
  if (Number(length) > bodyBytesMax) return 'too long';
  const whole = end + 4 + Number(length);
  if (text.length < whole) return whole;
  return text.length > whole ? 'none' : { method, path, headers, body: text.subarray(end + 4) };
}

function readHeaders(lines: string[]): Map<string, string> | undefined {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!/^[a-z0-9-]+$/.test(name) || headers.has(name)) return undefined;
    headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}
