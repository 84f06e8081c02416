/**
 * One HTTP request from arrival to answer: who asks, is it allowed, which faults strike, what is the answer. The
 * order of checks is the API server's: unknown token 401, refused 403, then everything else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { stringify as toYaml } from 'yaml';
import type { AnswerForm } from './bodies.ts';
import { answerForm, parseBody, readBody } from './bodies.ts';
import { discover } from './discovery.ts';
import type { FaultEffect, Faults, Sighting } from './faults.ts';
import type { Dict } from './json.ts';
import type { KubeObject } from './objects.ts';
import type { Ask, ResourceAsk } from './paths.ts';
import { parseAsk } from './paths.ts';
import type { Authorizer } from './rbac.ts';
import type { Requests } from './requests.ts';
import type { Answer, Exchange } from './resources.ts';
import { badVersion, includedOf, selectedName, selectionOf } from './resources.ts';
import { review } from './reviews.ts';
import * as status from './status.ts';
import type { ObjectStore } from './store.ts';
import type { Tokens, User } from './tokens.ts';
import { userNamed } from './tokens.ts';
import { viewOf } from './views.ts';
import { startWatch } from './watch.ts';

export interface PipelineParts {
  store: ObjectStore;
  tokens: Tokens;
  authorizer: Authorizer;
  faults: Faults;
  requests: Requests;
  answer(exchange: Exchange): Answer;
  now(): number;
  bookmarkMs: number;
}

/** A client that reads so slowly loses its watch, as in Kubernetes. */
const WATCH_BACKLOG_BYTES = 8 * 1024 * 1024;
const WATCH_DEFAULT_SECONDS = 1800;

/** The last step of a request: the answer, or what a fault makes of it. */
type Ending = 'answer' | 'destroy' | 'silence';

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** `kubectl --as`: who may do everything may also ask as somebody else. */
function impersonated(user: User | undefined, request: IncomingMessage): User | undefined {
  const name = request.headers['impersonate-user'];
  if (typeof name !== 'string' || user?.groups.includes('system:masters') !== true) return user;
  const groups = request.headersDistinct['impersonate-group'];
  return groups === undefined ? userNamed(name, []) : { name, groups: [...groups, 'system:authenticated'] };
}

function errorAnswer(error: unknown): Answer {
  if (error instanceof status.ApiError) return { code: error.code, body: error.body, headers: error.headers };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 500, body: new status.ApiError(500, 'InternalError', `Internal error occurred: ${message}`).body };
}

const PLAIN = 'text/plain; charset=utf-8';
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const OPENAPI = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

function encoded({ body }: Answer, form: AnswerForm): { payload: string | Buffer; type: string } {
  if (Buffer.isBuffer(body)) return { payload: body, type: OPENAPI };
  if (typeof body === 'string') return { payload: body, type: PLAIN };
  if (form.yaml) return { payload: toYaml(body), type: 'application/yaml' };
  return { payload: `${JSON.stringify(body)}\n`, type: form.as === 'discovery' ? AGGREGATED : 'application/json' };
}

function send(response: ServerResponse, answer: Answer, form: AnswerForm, head: boolean): void {
  const { payload, type } = encoded(answer, form);
  response.writeHead(answer.code, {
    'Cache-Control': 'no-cache, private',
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(payload),
    ...answer.headers,
  });
  response.end(head ? undefined : payload);
}

function faultAnswer(effect: Extract<FaultEffect, { do: 'error' | 'throttle' }>): Answer {
  if (effect.do === 'throttle') {
    const headers = { 'Retry-After': String(effect.retryAfterSeconds) };
    return { code: 429, body: 'Too many requests, please try again later.\n', headers };
  }
  const made = new status.ApiError(effect.code, effect.reason ?? 'InternalError', effect.message ?? 'a fault was injected');
  return {
    code: effect.code,
    body: effect.body ?? made.body,
    ...(effect.headers === undefined ? {} : { headers: effect.headers }),
  };
}

/** What is known of a client by the address it came to. */
export interface Label {
  client?: string;
  anonymousUser?: string;
}

/** As Go writes durations; here every request is done at once, so that one that makes sense is always met. */
const DURATION = /^(0|[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+)$/;

function refuseTimeout(ask: Ask, query: URLSearchParams): void {
  const timeout = query.get('timeout');
  if (timeout === null || timeout === '' || ask.verb === 'watch' || DURATION.test(timeout)) return;
  throw status.badRequest(`invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(timeout)}`);
}

/** The handler of requests that arrive at one listener. */
export function createPipeline(
  parts: PipelineParts,
): (request: IncomingMessage, response: ServerResponse, label: Label) => Promise<void> {
  const { store, tokens, authorizer, faults, requests, now } = parts;

  function sightingOf(ask: Ask, path: string, user: User | undefined, label: Label): Sighting {
    const clients = [label.client ?? '', user?.name ?? ''].filter((name) => name !== '');
    if (ask.of === 'path') return { clients, verb: ask.verb, resource: '', subresource: '', name: '', path };
    return { clients, verb: ask.verb, resource: ask.resource, subresource: ask.subresource, name: ask.name, path };
  }

  function record(seen: Sighting, ask: Ask, user: User | undefined, started: number, code: number): void {
    requests.record({
      at: now(),
      client: seen.clients[0] ?? '',
      user: user?.name ?? '',
      verb: seen.verb,
      group: ask.of === 'resource' ? ask.group : '',
      resource: seen.resource,
      subresource: seen.subresource,
      namespace: ask.of === 'resource' ? (ask.namespace ?? '') : '',
      name: seen.name,
      path: seen.path,
      code,
      ms: performance.now() - started,
    });
  }

  function demandUser(user: User | undefined, ask: Ask, query: URLSearchParams): User {
    if (user === undefined) throw status.unauthorized();
    const refusal = authorizer.refusal(user, ask, ask.of === 'resource' ? selectedName(query) : '');
    if (refusal !== undefined) throw refusal;
    return user;
  }

  function plainAnswer(path: string, form: AnswerForm): Answer {
    const found = discover(path, form.as === 'discovery');
    return found === undefined ? { code: 404, body: '404 page not found\n' } : { code: 200, body: found };
  }

  function openWatch(exchange: Exchange, response: ServerResponse, seen: Sighting): void {
    const { ask, query, form } = exchange;
    const kind = ask.kind;
    if (kind === undefined) throw status.unknownResource();
    const version = query.get('resourceVersion') ?? '';
    if (!/^\d*$/.test(version)) throw status.internal(badVersion(version));
    const selects = selectionOf(kind, query);
    const initial = query.get('sendInitialEvents') === 'true';
    if (initial && query.get('resourceVersionMatch') !== 'NotOlderThan') {
      const error = {
        type: 'Forbidden',
        field: 'resourceVersionMatch',
        detail: 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      } as const;
      throw status.invalid({ group: 'meta.k8s.io', plural: '', kind: 'ListOptions' }, '', [error]);
    }
    response.writeHead(200, { 'Cache-Control': 'no-cache, private', 'Content-Type': 'application/json' });
    response.flushHeaders();
    let headers = true;
    const view = (object: KubeObject): Dict => {
      const shown = viewOf(kind, form, includedOf(query), now(), object, headers);
      headers = false;
      return shown;
    };
    // Half open: once it has kept something back it stays silent, and the client has to find out by itself.
    let mute = false;
    const sink = {
      send(event: { type: string; object: unknown }): boolean {
        mute ||= faults.muted(seen);
        if (mute) return true;
        response.write(`${JSON.stringify(event)}\n`);
        return response.writableLength < WATCH_BACKLOG_BYTES;
      },
      end(): void {
        if (!mute && !faults.muted(seen)) response.end();
      },
    };
    const stop = startWatch(store, watchAsk(ask, query, initial, selects, view), sink, { bookmarkMs: parts.bookmarkMs });
    response.on('close', stop);
  }

  function watchAsk(
    ask: ResourceAsk,
    query: URLSearchParams,
    initial: boolean,
    selects: (object: KubeObject) => boolean,
    view: (object: KubeObject) => Dict,
  ): Parameters<typeof startWatch>[1] {
    const seconds = Number(query.get('timeoutSeconds') ?? WATCH_DEFAULT_SECONDS * (1 + Math.random()));
    return {
      kind: ask.kind as NonNullable<typeof ask.kind>,
      namespace: ask.namespace,
      resourceVersion: query.get('resourceVersion') ?? undefined,
      bookmarks: query.get('allowWatchBookmarks') === 'true',
      sendInitialEvents: initial,
      timeoutMs: seconds * 1000,
      selects,
      view,
    };
  }

  /** What faults do before the work: undefined goes on, an Answer is given instead, `hang` and `drop` end it. */
  async function strike(effects: FaultEffect[]): Promise<Answer | 'hang' | 'drop' | undefined> {
    for (const effect of effects) {
      if (effect.do === 'delay') await pause(effect.ms);
      else if (effect.do === 'hang' || effect.do === 'drop') return effect.do;
      else if (effect.do === 'error' || effect.do === 'throttle') return faultAnswer(effect);
    }
    return undefined;
  }

  async function handle(request: IncomingMessage, response: ServerResponse, label: Label): Promise<void> {
    const started = performance.now();
    const url = new URL(request.url ?? '/', 'http://server');
    const query = url.searchParams;
    const ask = parseAsk(request.method ?? 'GET', url.pathname, query);
    const user = impersonated(tokens.userOf(request.headers.authorization, label.anonymousUser), request);
    const form = answerForm(request.headers.accept);
    const seen = sightingOf(ask, url.pathname, user, label);
    const effects = faults.take(seen);
    const body = await readBody(request).catch(errorAnswer);
    const struck = await strike(effects);
    if (struck === 'hang' || struck === 'drop') {
      record(seen, ask, user, started, 0);
      if (struck === 'drop') request.socket.destroy();
      return;
    }
    const ending: Ending = effects.some((effect) => effect.do === 'lose-answer')
      ? 'destroy'
      : effects.some((effect) => effect.do === 'hold-answer')
        ? 'silence'
        : 'answer';
    const answer =
      struck ?? (body instanceof Buffer ? work(ask, user, query, { request, response, body, form, seen }) : (body as Answer));
    record(seen, ask, user, started, answer === undefined ? 200 : ending === 'answer' ? answer.code : 0);
    if (ending === 'destroy') request.socket.destroy();
    else if (ending === 'answer' && answer !== undefined) send(response, answer, form, request.method === 'HEAD');
  }

  interface Work {
    request: IncomingMessage;
    response: ServerResponse;
    body: Buffer;
    form: AnswerForm;
    seen: Sighting;
  }

  /** Undefined: a watch was opened and answers by itself. Synchronous, so that a write is one step. */
  function work(
    ask: Ask,
    user: User | undefined,
    query: URLSearchParams,
    { request, response, body, form, seen }: Work,
  ): Answer | undefined {
    try {
      refuseTimeout(ask, query);
      const who = demandUser(user, ask, query);
      if (ask.of === 'path') return plainAnswer(seen.path, form);
      const exchange: Exchange = { ask, query, request, body, form };
      const reviewed = ask.kind === undefined ? review(ask, who, parseBody(request, body), authorizer, now()) : undefined;
      if (reviewed !== undefined) return { code: 201, body: reviewed };
      if (ask.verb !== 'watch') return parts.answer(exchange);
      openWatch(exchange, response, seen);
      return undefined;
    } catch (error) {
      return errorAnswer(error);
    }
  }

  return handle;
}
