/**
 * The peer API's receiving side. Nothing is done for anybody who does not hold the key, is no member, or says again
 * what was said before; every answer to a signed request is signed over its nonce. listen.ts has the connections and
 * their bounds.
 */
import type { MemberName, Mono, PeerState } from '../../core/model.ts';
import { type Fault, ok, type Result } from '../../core/result.ts';
import type { Clock, PeerHandler } from '../../ports/others.ts';
import { type Listening, listenOn } from '../listening.ts';
import { createListener, type Reply as Sent, type Request } from './listen.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { header, isToken, type RequestParts, sameMac, signAnswer, signRequest } from './sign.ts';
import { decodeFreeze, decodePromise, decodeTold, decodeUnfreeze, encodeState, parseBody, statePath } from './wire.ts';

export interface PeerServerOptions {
  self: MemberName;
  address: string;
  port: number;
  key: Buffer;
  handler: PeerHandler;
  /** Whether a sender is a member now. */
  isMember(name: MemberName): boolean;
  clock: Pick<Clock, 'now'>;
  /** Told what a member said of itself with its question, and since when at the latest it was so. */
  onTold?(from: MemberName, state: PeerState, at: Mono): void;
  /** Told of requests that are not answered as asked; the reason is a bounded word. */
  onRefusal?(refusal: { reason: string; from: string | undefined }): void;
}

export interface PeerServer extends Listening {
  /** Forgets the sessions of everybody else. */
  keep(members: MemberName[]): void;
}

/** The last question for the own state that each member asked: which one, and before when its answer was not sent. */
type Answers = Map<MemberName, { session: string; counter: number; at: Mono }>;

interface Minds {
  sessions: Sessions;
  answers: Answers;
}

type Reply = { status: number; body: object };

function refusal(status: number, kind: Fault['kind'], detail: string): Reply {
  const fault: Fault = { of: 'peer', kind, done: 'no', detail };
  return { status, body: { fault } };
}

/** Starts to answer; a port that cannot be had is a Fault. */
export async function servePeers(options: PeerServerOptions): Promise<Result<PeerServer>> {
  const sessions = createSessions();
  const answers: Answers = new Map();
  const server = createListener((request) => serve(request, options, { sessions, answers }));
  const listening = await listenOn(server, options, () => server.endAll());
  if (!listening.ok) return listening;
  const keep = (members: MemberName[]): void => {
    sessions.keep(members);
    for (const name of answers.keys()) if (!members.includes(name)) answers.delete(name);
  };
  return ok({ ...listening.value, keep });
}

const ended = { headers: {}, body: Buffer.alloc(0), last: true };

async function serve(request: Request, options: PeerServerOptions, minds: Minds): Promise<Sent> {
  const parts = requestParts(request);
  const stranger = (reason: string): Sent => {
    options.onRefusal?.({ reason, from: parts?.from });
    // Nothing is signed for somebody who has not shown the key, and no reason is given away.
    return { status: 401, ...ended };
  };
  if (parts === undefined) return stranger('unsigned');
  if (!sameMac(signRequest(options.key, parts), request.headers.get(header.mac) ?? '')) return stranger('bad-signature');
  const reply = await answer(parts, options, minds);
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

async function answer(parts: RequestParts, options: PeerServerOptions, minds: Minds): Promise<Reply> {
  if (parts.to !== options.self) return refusal(403, 'denied', 'the request is for another member');
  if (parts.from === options.self) return refusal(403, 'denied', 'the request comes from this member itself');
  if (!options.isMember(parts.from)) return refusal(403, 'denied', 'the sender is not a member');
  const { sessions } = minds;
  const route = `${parts.method} ${parts.path}`;
  if (route === 'POST /v1/hello') return { status: 200, body: { session: sessions.open(parts.from) } };
  const admission = sessions.admit(parts.from, parts.session, parts.counter);
  if (admission === 'no-session') return refusal(409, 'conflict', 'the session is not known here');
  if (admission === 'replayed') return refusal(403, 'denied', 'the request was seen before');
  return route === `GET ${statePath}` ? await tellState(parts, options, minds) : await perform(route, parts, options.handler);
}

/** What comes with the question is news about the one who asks; what it gets back is the own state. */
async function tellState(parts: RequestParts, options: PeerServerOptions, { answers }: Minds): Promise<Reply> {
  listenTo(parts, options, answers);
  const state = await options.handler.state();
  if (state === undefined) return refusal(503, 'absent', 'the first cycle is not done yet');
  answers.set(parts.from, { session: parts.session, counter: parts.counter, at: options.clock.now() });
  return { status: 200, body: encodeState(state) };
}

/** Durations of another machine's clock; how far clocks may run apart is in the arithmetic of the lease. */
const slowest = 0.98;

/**
 * A message may have been under way for long, so that its coming says nothing about its age. It names an answer of ours that it
 * was sent after, and that long after, by its sender's clock: it cannot be older than our sending of that answer and that time.
 * Nothing is taken from who names another one.
 */
function listenTo({ from, session, body }: RequestParts, options: PeerServerOptions, answers: Answers): void {
  const last = answers.get(from);
  if (body.length === 0 || last === undefined || last.session !== session) return;
  const told = decodeTold(parseBody(body) ?? {});
  if (!told.ok || told.value.after !== last.counter) return;
  const at = Math.min(last.at + told.value.heldMs * slowest, options.clock.now());
  options.onTold?.(from, told.value.state, at);
}

async function perform(route: string, parts: RequestParts, handler: PeerHandler): Promise<Reply> {
  switch (route) {
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
