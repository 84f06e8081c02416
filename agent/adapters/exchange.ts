/**
 * HTTP requests over a few kept connections to one place, by Node's own client. Who asks is told when his request leaves
 * on a connection that stands, so that he knows what was perhaps done; what is abandoned before is never sent. It sets
 * no deadline of its own on an exchange, repeats nothing and follows nothing.
 */
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';

export interface ConnectionsOptions {
  host: string;
  port: number;
  /** How many are open at once; further requests wait for one. */
  most: number;
  /** An idle one is closed after this, or before the other side would. */
  idleMs: number;
  /** Begins a connection; one that does not come about in time is destroyed by it. */
  connect(): Socket;
  /** What a connection emits once it stands. */
  ready: 'connect' | 'secureConnect';
}

/** What is sent. */
export interface Sending {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Buffer | undefined;
}

/** Who is told; after `onEnd` or `onError`, which come once, nothing more. */
export interface Receiver {
  onSent(): void;
  onAnswer(status: number, headers: IncomingHttpHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: Error): void;
}

export interface Connections {
  /** Sends it on a connection that is free; `abandon` ends it wherever it is, and nobody is told any more. */
  send(sending: Sending, receiver: Receiver): { abandon(): void };
  /** Ends every connection and every exchange. */
  close(): void;
}

/** Between two probes of TCP on an idle connection. */
const probeMs = 5_000;

/** Opens nothing until the first request. */
export function openConnections(options: ConnectionsOptions): Connections {
  const { host, port, most, idleMs, ready } = options;
  const agent = new Agent({
    ...{ keepAlive: true, keepAliveMsecs: probeMs, timeout: idleMs },
    ...{ maxSockets: most, maxFreeSockets: most, scheduling: 'lifo' },
  });
  const standing = new WeakSet<Socket>();
  agent.createConnection = () => {
    const socket = options.connect();
    socket.once(ready, () => standing.add(socket));
    return socket;
  };
  const under = new Set<() => void>();
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;

  function send({ method, path, headers, body }: Sending, receiver: Receiver): { abandon(): void } {
    let over = false;
    const finish = (tell: () => void): void => {
      if (over) return;
      over = true;
      under.delete(breakOff);
      tell();
    };
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request({ agent, host, port, method, path, headers: { host: authority, ...length, ...headers } });
    const breakOff = (): void => {
      finish(() => receiver.onError(new Error('the connections were closed')));
      sent.destroy();
    };
    under.add(breakOff);
    const left = (): void => {
      if (!over) receiver.onSent();
    };
    sent.on('socket', (socket: Socket) => {
      if (standing.has(socket)) left();
      else socket.once(ready, left);
    });
    sent.on('error', (error) => finish(() => receiver.onError(error)));
    sent.on('close', () => finish(() => receiver.onError(new Error('the connection ended without an answer'))));
    sent.on('response', (answer) => {
      if (!over) receiver.onAnswer(answer.statusCode ?? 0, answer.headers);
      pass(answer, () => over, finish, receiver);
    });
    sent.end(body);
    return {
      abandon() {
        finish(() => {});
        sent.destroy();
      },
    };
  }

  return {
    send,
    close() {
      for (const breakOff of [...under]) breakOff();
      agent.destroy();
    },
  };
}

function pass(answer: IncomingMessage, isOver: () => boolean, finish: (tell: () => void) => void, receiver: Receiver): void {
  answer.on('data', (chunk: Buffer) => {
    if (!isOver()) receiver.onData(chunk);
  });
  answer.on('end', () => finish(() => receiver.onEnd()));
  answer.on('error', (error) => finish(() => receiver.onError(error)));
}
