/**
 * The way to one peer: a small pool of kept connections, a session with a counter, and the proof that answers come
 * from that very member. Every call has a deadline that covers connecting, hello and body; a call that ran out says
 * `maybe`, because the peer may have acted. A peer that does not answer costs nobody else anything.
 */
import type { MemberName, Mono } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { Clock } from '../../ports/others.ts';
import { fault, openLines } from './lines.ts';
import { header, isToken, randomToken, sameMac, signAnswer, signRequest } from './sign.ts';
import { decodeFault, parseBody, statePath } from './wire.ts';

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
    body: string | undefined,
    deadlineMs: number,
  ): Promise<Result<Record<string, unknown>>>;
  /** The last question for its state that was answered: its counter, and when the answer was here. */
  answered(): { counter: number; at: Mono } | undefined;
  close(): void;
}

/** Calls that wait for an answer; more are refused at once. */
const pendingMax = 8;

interface Reply {
  status: number;
  fields: Record<string, unknown> | undefined;
}

/** Opens the way; nothing is sent until the first call. */
export function openChannel(options: ChannelOptions): Channel {
  const { self, peer, host, port, key, clock } = options;
  const lines = openLines(options);
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  let session = '';
  let counter = 0;
  let pending = 0;
  let answered: { counter: number; at: Mono } | undefined;

  /** One request and its answer, within what is left of the deadline. */
  async function exchange(method: string, path: string, body: Buffer, token: string, deadline: number): Promise<Result<Reply>> {
    const left = Math.ceil(deadline - clock.now());
    if (left <= 0) return failed(fault('timeout', 'no', 'no time was left'));
    const nonce = randomToken();
    counter += 1;
    const parts = { method, path, from: self, to: peer, session: token, counter, nonce, body };
    const head = [
      `${method} ${path} HTTP/1.1`,
      `host: ${authority}`,
      `${header.from}: ${self}`,
      `${header.to}: ${peer}`,
      `${header.session}: ${token}`,
      `${header.counter}: ${counter}`,
      `${header.nonce}: ${nonce}`,
      `${header.mac}: ${signRequest(key, parts)}`,
      ...(body.length === 0 && method === 'GET' ? [] : [`content-length: ${body.length}`]),
    ];
    const answer = await lines.send(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]), left);
    if (!answer.ok) return answer;
    const { status, mac, body: text } = answer.value;
    if (status === 401) return failed(fault('denied', 'no', 'the peer does not accept the signature', '401'));
    const expected = signAnswer(key, { status, from: peer, to: self, nonce, body: text });
    if (!sameMac(expected, mac)) {
      return failed(fault('denied', 'maybe', 'the answer is not signed by the peer', String(status)));
    }
    if (status === 200 && path === statePath) answered = { counter: parts.counter, at: clock.now() };
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
    content: string | undefined,
    deadlineMs: number,
  ): Promise<Result<Record<string, unknown>>> {
    if (pending >= pendingMax) return failed(fault('throttled', 'no', 'too many calls to this peer are waiting'));
    const deadline = clock.now() + deadlineMs;
    const body = content === undefined ? Buffer.alloc(0) : Buffer.from(content);
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

  return { call, answered: () => answered, close: () => lines.close() };
}

function replyFault(reply: Reply): Fault {
  return decodeFault(reply.fields) ?? fault('malformed', 'maybe', `the peer answered ${reply.status}`, String(reply.status));
}
