/**
 * An embedded Kubernetes API server: in memory, over real HTTP or HTTPS, with bearer tokens, watches, RBAC from the
 * objects themselves, EndpointSlice and disruption controllers, and faults on demand. It answers for the kinds in
 * kinds.ts what a kube-apiserver 1.36 answers; it schedules, runs and stops nothing: the harness plays kubelet.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { startBudgets } from './budgets.ts';
import { startClaims } from './claims.ts';
import { startEndpointSlices } from './endpointslices.ts';
import { startEventExpiry } from './expiry.ts';
import type { Faults } from './faults.ts';
import { createFaults } from './faults.ts';
import type { HarnessStore } from './harness.ts';
import { createHarness } from './harness.ts';
import type { Draft } from './objects.ts';
import { createPipeline } from './pipeline.ts';
import { createAuthorizer } from './rbac.ts';
import { createRegistry } from './registry.ts';
import type { Requests } from './requests.ts';
import { createRequests } from './requests.ts';
import { createResources } from './resources.ts';
import { createStore } from './store.ts';
import { startStatefulSets } from './statefulsets.ts';
import type { PodLog } from './subresources.ts';
import { createSubresources } from './subresources.ts';
import type { TokenGrant, Tokens } from './tokens.ts';
import { createTokens } from './tokens.ts';

export interface ApiServerOptions {
  /** Exists from the start, beside `default` and `kube-system`; what a harness means when it names none. */
  namespace?: string;
  /** Role and RoleBinding objects; enforced when given, otherwise every known token may do everything. */
  rbac?: Draft[];
  tokens: TokenGrant[];
  /** Serves HTTPS when given. */
  tls?: { cert: string; key: string };
  clock?: { now(): number };
  /** Between bookmarks of a watch; Kubernetes sends one a minute. */
  bookmarkMs?: number;
  /** Pods of StatefulSets are made and renewed by the server; otherwise by whoever plays their controller. */
  statefulSets?: boolean;
  /** What `kubectl logs` shows. */
  podLog?: PodLog;
}

export interface ListenerLabel {
  /** Names what comes in at this address, for faults and records. */
  client?: string;
  /**
   * Who a request without a token is. kubectl sends no token over plain HTTP, so a listener for it says `admin` here;
   * without it such requests are `system:anonymous`.
   */
  anonymousUser?: string;
  /** For this address alone, instead of what the server has. */
  tls?: { cert: string; key: string };
}

export interface ApiServer {
  /** May be called several times, for instance with one address for each client. */
  listen(host: string, port: number, label?: ListenerLabel): Promise<{ url: string; port: number }>;
  store: HarnessStore;
  faults: Faults;
  requests: Requests;
  tokens: Tokens;
  close(): Promise<void>;
}

/** Idle connections are kept this long, longer than clients keep theirs. */
const KEEP_ALIVE_MS = 90_000;

/** An API server that listens nowhere yet. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const now = (): number => options.clock?.now() ?? Date.now();
  const namespace = options.namespace ?? 'default';
  const store = createStore();
  const registry = createRegistry({ store, now });
  const tokens = createTokens(options.tokens, now);
  const faults = createFaults();
  const requests = createRequests();
  const harness = createHarness(store, registry, namespace, now);
  const subresources = createSubresources({ store, registry, tokens, podLog: options.podLog ?? (() => undefined), now });
  const handle = createPipeline({
    store,
    tokens,
    authorizer: createAuthorizer(store, options.rbac !== undefined),
    faults,
    requests,
    answer: createResources({ store, registry, subresources, now }),
    now,
    bookmarkMs: options.bookmarkMs ?? 60_000,
  });
  const stops = [startEndpointSlices(store, now), startBudgets(store, now), startClaims(store), startEventExpiry(store)];
  if (options.statefulSets === true) stops.push(startStatefulSets(store, registry, now));
  const servers: Server[] = [];

  for (const name of new Set(['default', 'kube-system', namespace]))
    harness.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  for (const object of options.rbac ?? []) harness.apply(object);

  function newServer(tls: ListenerLabel['tls'], listener: (request: IncomingMessage, response: ServerResponse) => void): Server {
    const settings = { keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true };
    return tls === undefined ? createHttpServer(settings, listener) : createHttpsServer({ ...settings, ...tls }, listener);
  }

  async function listen(host: string, port: number, label: ListenerLabel = {}): Promise<{ url: string; port: number }> {
    const tls = label.tls ?? options.tls;
    const server = newServer(tls, (request, response) => {
      handle(request, response, label).catch(() => request.socket.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    servers.push(server);
    const bound = (server.address() as AddressInfo).port;
    return { url: `${tls === undefined ? 'http' : 'https'}://${host}:${bound}`, port: bound };
  }

  async function close(): Promise<void> {
    for (const stop of stops) stop();
    const closing = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const server of servers) server.closeAllConnections();
    await Promise.all(closing);
  }

  return { listen, store: harness, faults, requests, tokens, close };
}
