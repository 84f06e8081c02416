/**
 * The API server of a lab: the embedded one of test/kube, with a token for the administrator and one for the members'
 * service account, a kubeconfig for `kubectl`, and the rights that the manifests give. It changes nothing of them but
 * the names of namespace and cluster.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { parseAllDocuments } from 'yaml';
import type { Faults } from '../kube/faults.ts';
import { kubeconfig, selfSigned } from '../kube/kubeconfig.ts';
import type { Draft } from '../kube/objects.ts';
import type { RecordedRequest } from '../kube/requests.ts';
import { createApiServer } from '../kube/server.ts';
import { setName } from './objects.ts';
import { root } from './place.ts';
import type { ProcessId } from './processes.ts';
import { type Endpoint, listen } from './proxy.ts';

export interface KubeServer {
  url: string;
  /** PEM of what its HTTPS shows; undefined for plain HTTP. */
  ca: string | undefined;
  adminToken: string;
  /** The members' token, once their account exists. */
  memberToken(): Promise<string>;
  /** Whether the manifests' rights are enforced. */
  enforced: boolean;
  /** Whether `kubectl` may log in: it sends its token over TLS only, and a certificate takes openssl. */
  secure: boolean;
  /** Faults of the API server; a member's requests carry its pod's name as the client. */
  faults: Faults;
  /** Requests of the members' account so far. */
  requests(): { all: number; writes: number };
  /** The latest of them, oldest first, with the pod's name as the client; none where the server does not tell. */
  latest(): RecordedRequest[];
  /** The rights that these requests took, as `verb group/resource`, each with the codes of the answers. */
  rightsUsed(): Map<string, Set<number>>;
  /** Programs of its own that run now. */
  processes(): ProcessId[];
  /** A node has power or not; where nothing watches nodes this does nothing. */
  nodePower(node: string, on: boolean): void;
  stop(): Promise<void>;
}

export interface KubeOptions {
  namespace: string;
  cluster: string;
  /** Plain HTTP, for the members' proxies and the lab itself. */
  listen: Endpoint;
  /** Plain HTTP for one member each, in order. */
  members: { pod: string; listen: Endpoint }[];
  /** HTTPS, for `kubectl`. */
  secure: Endpoint;
  /** Where a certificate may be put. */
  certificates: string;
  /** Where to write the kubeconfig. */
  kubeconfig: string;
  /** The text that `kubectl logs` shows for a member. */
  logOf(pod: string): string | undefined;
  /** Of the embedded server, where it is not the machine's. */
  clock: { now(): number } | undefined;
}

/** The verbs that change something. */
export const writes = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** Starts the server and writes the kubeconfig; rejects when the address is taken. */
export async function startKube(options: KubeOptions): Promise<KubeServer> {
  const token = () => randomBytes(24).toString('base64url');
  const [adminToken, memberToken] = [token(), token()];
  const member = `system:serviceaccount:${options.namespace}:${setName(options)}`;
  const rights = manifestRights(options);
  const server = createApiServer({
    namespace: options.namespace,
    tokens: [
      { token: adminToken, user: 'admin' },
      { token: memberToken, user: member },
    ],
    ...(rights.length > 0 ? { rbac: rights } : {}),
    podLog: (pod) => options.logOf(pod.metadata.name),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  const { url } = await server.listen(options.listen.host, options.listen.port);
  for (const { pod, listen: own } of options.members) await server.listen(own.host, own.port, { client: pod });
  const front = await startSecureFront(options);
  const open = kubeconfig({
    url: front?.url ?? url,
    token: adminToken,
    namespace: options.namespace,
    ...(front === undefined ? {} : { ca: front.ca }),
  });
  writeFileSync(options.kubeconfig, open, { mode: 0o600 });
  return {
    url,
    ca: undefined,
    adminToken,
    memberToken: () => Promise.resolve(memberToken),
    enforced: rights.length > 0,
    secure: front !== undefined,
    faults: server.faults,
    requests() {
      const own = server.requests.counts().filter(({ user }) => user === member);
      const sum = (some: { count: number }[]) => some.reduce((total, { count }) => total + count, 0);
      return { all: sum(own), writes: sum(own.filter(({ verb }) => writes.includes(verb))) };
    },
    latest: () => server.requests.recent().filter(({ user }) => user === member),
    rightsUsed() {
      const used = new Map<string, Set<number>>();
      for (const { user, verb, group, resource, code } of server.requests.counts())
        if (user === member) noteRight(used, { verb, group, resource, code });
      return used;
    },
    processes: () => [],
    nodePower: () => undefined,
    async stop() {
      front?.close();
      await server.close();
    },
  };
}

/** What every account may ask, such as its version or its own rights, takes no right. */
export function noteRight(
  used: Map<string, Set<number>>,
  { verb, group, resource, code }: { verb: string; group: string; resource: string; code: number },
): void {
  if (resource === '' || group === 'authorization.k8s.io') return;
  const key = `${verb} ${group}/${resource}`;
  used.set(key, (used.get(key) ?? new Set()).add(code));
}

/** TLS for people's `kubectl`; the members come through plain TCP proxies and need none. Undefined without openssl. */
async function startSecureFront(options: KubeOptions): Promise<{ url: string; ca: string; close(): void } | undefined> {
  const { host } = options.secure;
  const own = await selfSigned(options.certificates, [host]);
  if (own === undefined) return undefined;
  const sockets = new Set<Socket>();
  const server = createTlsServer({ ...own, noDelay: true }, (client) => {
    const inner = createConnection({ ...options.listen, noDelay: true });
    for (const [from, to] of [
      [client, inner],
      [inner, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.on('tlsClientError', () => undefined);
  await listen(server, options.secure);
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: `https://${host}:${options.secure.port}`, ca: own.cert, close };
}

/** The base speaks of a cluster called `demo`. */
function named(text: string, cluster: string): string {
  return text
    .replaceAll(/\bog-demo\b/g, `og-${cluster}`)
    .replaceAll(/^(\s+(?:app\.kubernetes\.io\/instance|opengauss\.cluster): )demo$/gm, `$1${cluster}`);
}

/** Roles and bindings of the kustomize base, for this namespace and this cluster's service account. */
export function manifestRights(options: KubeOptions): Draft[] {
  const base = join(root, 'manifests', 'base');
  const files = existsSync(base) ? readdirSync(base).filter((name) => name.endsWith('.yaml')) : [];
  const documents = files.flatMap((name) => parseAllDocuments(named(readFileSync(join(base, name), 'utf8'), options.cluster)));
  return documents
    .map(
      (document) => document.toJS() as (Draft & { kind?: string; metadata: Record<string, unknown>; subjects?: object[] }) | null,
    )
    .filter((object) => object !== null)
    .filter(({ kind }) => kind === 'Role' || kind === 'RoleBinding')
    .map((object) => ({
      ...object,
      metadata: { ...object.metadata, namespace: options.namespace },
      ...(object.subjects === undefined
        ? {}
        : { subjects: [{ kind: 'ServiceAccount', name: setName(options), namespace: options.namespace }] }),
    }));
}
