/**
 * The lab's own client of the API server, with administrator rights: what the StatefulSet controller, the kubelet and
 * the node controller do in a real cluster is done through it. Plain requests with a deadline and a watch that
 * reconnects; it knows nothing of openGauss.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** As much of a Kubernetes object as the lab reads. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    creationTimestamp?: string;
    [field: string]: unknown;
  };
  // biome-ignore lint/suspicious/noExplicitAny: the lab reads many kinds of objects, each at one or two places.
  [field: string]: any;
}

export interface Answer {
  status: number;
  body: KubeObject;
}

export type Change = { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: KubeObject };

export interface Api {
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer>;
  /** Creates the object, or leaves the one that exists. */
  ensure(collection: string, object: object): Promise<void>;
  /** A merge patch; the status subresource when the path ends in `/status`. */
  merge(path: string, patch: object): Promise<Answer>;
  /** Tells of everything there is and of every change, until stopped. */
  watch(path: string, onChange: (change: Change) => void): { stop(): void };
  close(): Promise<void>;
}

const requestDeadlineMs = 5000;

/** Plain requests, and one that goes on streaming. */
interface Client {
  call: Api['call'];
  /** The lines of a watch, one chunk after the other; undefined when it is refused. */
  stream(path: string): Promise<AsyncIterable<string> | undefined>;
  stopping: AbortSignal;
  close(): Promise<void>;
}

/** Where a server is and who asks; `ca` is the PEM to trust. */
export interface Way {
  url: string;
  token: string;
  ca?: string | undefined;
}

function createClient(server: Way): Client {
  const agent = new Agent({ connections: 32, ...(server.ca === undefined ? {} : { connect: { ca: server.ca } }) });
  const stopping = new AbortController();
  const headers = (contentType: string) => ({
    authorization: `Bearer ${server.token}`,
    accept: 'application/json',
    'content-type': contentType,
  });
  return {
    stopping: stopping.signal,
    async call(method, path, body, contentType = 'application/json') {
      const response = await request(`${server.url}${path}`, {
        method: method as 'GET',
        dispatcher: agent,
        headers: headers(contentType),
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(requestDeadlineMs),
      });
      return { status: response.statusCode, body: (await response.body.json()) as KubeObject };
    },
    async stream(path) {
      const { statusCode, body } = await request(`${server.url}${path}`, {
        dispatcher: agent,
        headers: headers('application/json'),
        headersTimeout: requestDeadlineMs,
        bodyTimeout: 0,
        signal: stopping.signal,
      });
      if (statusCode === 200) return body.setEncoding('utf8');
      await body.dump();
      return undefined;
    },
    async close() {
      stopping.abort();
      await agent.destroy();
    },
  };
}

/** A client for that server and bearer token. */
export function createApi(server: Way): Api {
  const client = createClient(server);
  const { call, stopping } = client;
  return {
    call,
    async ensure(collection, object) {
      const { status, body } = await call('POST', collection, object);
      if (status >= 300 && status !== 409) throw new Error(`create ${collection}: ${status} ${String(body['message'] ?? '')}`);
    },
    merge: (path, patch) => call('PATCH', path, patch, 'application/merge-patch+json'),
    watch(path, onChange) {
      const own = new AbortController();
      const seen = new Map<string, KubeObject>();
      const run = async () => {
        while (!own.signal.aborted && !stopping.aborted) {
          await follow(client, path, seen, (change) => !own.signal.aborted && onChange(change)).catch(() => undefined);
          await sleep(200, undefined, { signal: stopping }).catch(() => undefined);
        }
      };
      void run();
      return { stop: () => own.abort() };
    },
    close: client.close,
  };
}

/** One list and one watch from there; returns when the stream ends. */
async function follow(client: Client, path: string, seen: Map<string, KubeObject>, onChange: (change: Change) => void) {
  const list = await client.call('GET', path);
  if (list.status !== 200) throw new Error(`list ${path}: ${list.status}`);
  reconcile(list.body['items'] ?? [], seen, onChange);
  const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${list.body.metadata.resourceVersion ?? ''}`;
  const stream = await client.stream(`${path}${path.includes('?') ? '&' : '?'}${query}`);
  let rest = '';
  for await (const chunk of stream ?? []) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter(Boolean)) {
      const event = JSON.parse(line) as { type: string; object: KubeObject };
      if (event.type === 'ERROR') return;
      if (event.type !== 'BOOKMARK') note({ type: event.type, object: event.object } as Change, seen, onChange);
    }
  }
}

function reconcile(items: KubeObject[], seen: Map<string, KubeObject>, onChange: (change: Change) => void) {
  const names = new Set(items.map((item) => item.metadata.name));
  for (const [name, object] of [...seen]) if (!names.has(name)) note({ type: 'DELETED', object }, seen, onChange);
  for (const object of items) note({ type: seen.has(object.metadata.name) ? 'MODIFIED' : 'ADDED', object }, seen, onChange);
}

function note(change: Change, seen: Map<string, KubeObject>, onChange: (change: Change) => void) {
  const { name } = change.object.metadata;
  if (change.type === 'DELETED') seen.delete(name);
  else seen.set(name, change.object);
  onChange(change);
}
