/**
 * The peer API's receiving side. Nothing is done for anybody who does not hold the key, is no member, or says again
 * what was said before; every answer to a signed request is signed over its nonce. listen.ts has the connections and
 * their bounds.
 */
import type { MemberName } from '../../core/model.ts';
import { type Fault, ok, type Result } from '../../core/result.ts';
import type { PeerHandler } from '../../ports/others.ts';
import { listenOn } from '../listening.ts';
import { createListener, type Reply as Sent, type Request } from './listen.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { header, isToken, type RequestParts, sameMac, signAnswer, signRequest } from './sign.ts';
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

type Reply = { status: number; body: object };

function refusal(status: number, kind: Fault['kind'], detail: string): Reply {
  const fault: Fault = { of: 'peer', kind, done: 'no', detail };
  return { status, body: { fault } };
}

/** Starts to answer; a port that cannot be had is a Fault. */
export async function servePeers(options: PeerServerOptions): Promise<Result<PeerServer>> {
  const sessions = createSessions();
  const server = createListener((request) => serve(request, options, sessions));
  const listening = await listenOn(server, options, () => server.endAll());
  return listening.ok ? ok({ ...listening.value, keep: sessions.keep }) : listening;
}

const ended = { headers: {}, body: Buffer.alloc(0), last: true };

async function serve(request: Request, options: PeerServerOptions, sessions: Sessions): Promise<Sent> {
  const parts = requestParts(request);
  const stranger = (reason: string): Sent => {
    options.onRefusal?.({ reason, from: parts?.from });
    // Nothing is signed for somebody who has not shown the key, and no reason is given away.
    return { status: 401, ...ended };
  };
  if (parts === undefined) return stranger('unsigned');
  if (!sameMac(signRequest(options.key, parts), request.headers.get(header.mac) ?? '')) return stranger('bad-signature');
  const reply = await answer(parts, options, sessions);
  if (reply.status !== 200) options.onRefusal?.({ reason: `status-${reply.status}`, from: parts.from });
  const body = Buffer.from(JSON.stringify(reply.body));
  const mac = signAnswer(options.key, { status: reply.status, from: options.self, to: parts.from, nonce: parts.nonce, body });
  return { status: reply.status, headers: { 'content-type': 'application/json', [header.mac]: mac }, body };
}

function requestParts({ method, path, headers, body }: Request): RequestParts | undefined {
  const read = (name: string) => headers.get(name) ?? '';
  const counter = /^\d{1,15}$/.test(read(header.counter)) ? Number(read(header.counter)) : undefined;
  const nonce = read(header.nonce);
  const from = read(header.from);
  if (counter === undefined || !isToken(nonce) || from === '') return undefined;
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
