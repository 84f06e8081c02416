/**
 * The way to one peer: a small pool of kept connections, a session with a counter, and the proof that answers come
 * from that very member. Every call has a deadline that covers connecting, hello and body; a call that ran out says
 * `maybe`, because the peer may have acted. A peer that does not answer costs nobody else anything.
 */
import { connect, type Socket } from 'node:net';
import type { MemberName } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { Clock } from '../../ports/others.ts';
import { type Connections, openConnections, type Sending } from '../exchange.ts';
import { bodyBytesMax, header, isToken, randomToken, sameMac, signAnswer, signRequest } from './sign.ts';
import { decodeFault, parseBody } from './wire.ts';

export interface ChannelOptions {
  self: MemberName;
  peer: MemberName;
  /** IP and port at which the peer is reached. */
  host: string;
  port: number;
  /** Source address of connections; undefined: the kernel's choice. */
  localAddress: string | undefined;
  key: Buffer;
  clock: Pick<Clock, 'now'>;
}

export interface Channel {
  /** Sends one request; the answer is the body's fields, proven to come from that peer for that request. */
  call(
    method: 'GET' | 'POST',
    path: string,
    body: object | undefined,
    deadlineMs: number,
  ): Promise<Result<Record<string, unknown>>>;
  close(): void;
}

/** Gossip, a refresh and an order may be under way at once; a hung one must not hold up the others. */
const connections = 4;
/** Calls that wait for an answer; more are refused at once. */
const pendingMax = 8;
const connectMs = 1000;
const keepAliveMs = 20_000;
const unconnected = 'ETIMEDOUT';

interface Reply {
  status: number;
  fields: Record<string, unknown> | undefined;
}

function fault(kind: Fault['kind'], done: Fault['done'], detail: string, code?: string): Fault {
  return { of: 'peer', kind, done, detail, ...(code === undefined ? {} : { code }) };
}

/** Opens the way; nothing is sent until the first call. */
export function openChannel(options: ChannelOptions): Channel {
  const { self, peer, host, port, key, clock } = options;
  const pool = openConnections({
    ...{ host, port, most: connections, idleMs: keepAliveMs, ready: 'connect' },
    connect: () => openSocket(options),
  });
  let session = '';
  let counter = 0;
  let pending = 0;

  /** One request and its answer, within what is left of the deadline. */
  async function exchange(method: string, path: string, body: Buffer, token: string, deadline: number): Promise<Result<Reply>> {
    const left = Math.ceil(deadline - clock.now());
    if (left <= 0) return failed(fault('timeout', 'no', 'no time was left'));
    const nonce = randomToken();
    counter += 1;
    const parts = { method, path, from: self, to: peer, session: token, counter, nonce, body };
    const headers = {
      [header.from]: self,
      [header.to]: peer,
      [header.session]: token,
      [header.counter]: String(counter),
      [header.nonce]: nonce,
      [header.mac]: signRequest(key, parts),
      ...(body.length === 0 ? {} : { 'content-type': 'application/json' }),
    };
    const answer = await answerOf(pool, { method, path, headers, body: body.length === 0 ? undefined : body }, left);
    if (!answer.ok) return answer;
    const { status, mac, text } = answer.value;
    if (status === 401) return failed(fault('denied', 'no', 'the peer does not accept the signature', '401'));
    const expected = signAnswer(key, { status, from: peer, to: self, nonce, body: text });
    if (typeof mac !== 'string' || !sameMac(expected, mac)) {
      return failed(fault('denied', 'maybe', 'the answer is not signed by the peer', String(status)));
    }
    return ok({ status, fields: parseBody(text) });
  }

  async function hello(deadline: number): Promise<Result<string>> {
    const reply = await exchange('POST', '/v1/hello', Buffer.alloc(0), '', deadline);
    if (!reply.ok) return reply;
    const token = reply.value.fields?.['session'];
    if (reply.value.status !== 200 || typeof token !== 'string' || !isToken(token)) return failed(replyFault(reply.value));
    return ok(token);
  }

  async function attempt(method: string, path: string, body: Buffer, deadline: number): Promise<Result<Reply>> {
    if (session === '') {
      const greeted = await hello(deadline);
      // Nothing but a hello was sent: whatever went wrong, the peer did nothing.
      if (!greeted.ok) return failed({ ...greeted.fault, done: 'no' });
      // A call beside this one may have got a session meanwhile; either is good, the counter is common to both.
      session = greeted.value;
    }
    const used = session;
    const reply = await exchange(method, path, body, used, deadline);
    if (reply.ok && reply.value.status === 409 && session === used) session = '';
    return reply;
  }

  async function call(
    method: 'GET' | 'POST',
    path: string,
    content: object | undefined,
    deadlineMs: number,
  ): Promise<Result<Record<string, unknown>>> {
    if (pending >= pendingMax) return failed(fault('throttled', 'no', 'too many calls to this peer are waiting'));
    const deadline = clock.now() + deadlineMs;
    const body = content === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(content));
    pending += 1;
    try {
      let reply = await attempt(method, path, body, deadline);
      // The peer's agent has restarted and knows no session: it refused before it acted, so this is no repetition.
      if (reply.ok && reply.value.status === 409) reply = await attempt(method, path, body, deadline);
      if (!reply.ok) return reply;
      const { status, fields } = reply.value;
      return status === 200 && fields !== undefined ? ok(fields) : failed(replyFault(reply.value));
    } finally {
      pending -= 1;
    }
  }

  return { call, close: () => pool.close() };
}

function openSocket({ host, port, localAddress }: ChannelOptions): Socket {
  const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  const late = Object.assign(new Error(`no connection within ${connectMs} ms`), { code: unconnected });
  const timer = setTimeout(() => socket.destroy(late), connectMs);
  socket.setNoDelay(true);
  socket.once('connect', () => clearTimeout(timer));
  socket.once('close', () => clearTimeout(timer));
  return socket;
}

interface Answer {
  status: number;
  mac: string | string[] | undefined;
  text: Buffer;
}

/** The whole answer within that time, not yet proven. */
function answerOf(pool: Connections, sending: Sending, leftMs: number): Promise<Result<Answer>> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const answer: Answer = { status: 0, mac: undefined, text: Buffer.alloc(0) };
    let bytes = 0;
    const finish = (result: Result<Answer>): void => {
      clearTimeout(timer);
      resolve(result);
    };
    const exchange = pool.send(sending, {
      onSent() {},
      onAnswer(status, headers) {
        answer.status = status;
        answer.mac = headers[header.mac];
      },
      onData(chunk) {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > bodyBytesMax) giveUp(fault('malformed', 'maybe', 'the answer is too long'));
      },
      onEnd: () => finish(ok({ ...answer, text: Buffer.concat(chunks) })),
      onError: (error) => finish(failed(networkFault(error))),
    });
    const giveUp = (why: Fault): void => {
      exchange.abandon();
      finish(failed(why));
    };
    const timer = setTimeout(() => giveUp(fault('timeout', 'maybe', 'the peer did not answer in time')), leftMs);
  });
}

function replyFault(reply: Reply): Fault {
  return decodeFault(reply.fields) ?? fault('malformed', 'maybe', `the peer answered ${reply.status}`, String(reply.status));
}

/** Refused and unreachable: nothing was sent. Everything else may have arrived. */
function networkFault(error: NodeJS.ErrnoException): Fault {
  const { code } = error;
  const detail = error.message.split('\n')[0] ?? '';
  if (code === 'ECONNREFUSED') return fault('refused', 'no', detail, code);
  if (code === unconnected || code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL') {
    return fault('unreachable', 'no', detail, code);
  }
  return fault('unreachable', 'maybe', detail, code);
}
