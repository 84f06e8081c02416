/**
 * The server under test. The same sentences hold for the embedded server and for a real one: with KUBE_TEST_URL and
 * KUBE_TEST_TOKEN (a cluster administrator's; KUBE_TEST_CA names a PEM file) they are put to that server, which needs
 * kube-controller-manager beside it. Each test works in a namespace of its own.
 */
import { readFileSync } from 'node:fs';
import type { Client } from './client.ts';
import { createClient } from './client.ts';
import type { Dict } from './json.ts';
import { textAt } from './json.ts';
import { selfSigned } from './kubeconfig.ts';
import { rejectByPriority, signToken } from './real/access.ts';
import { createApiServer } from './server.ts';

export interface Subject {
  /** Its administrator. */
  admin: Client;
  /** A client without any token. */
  anonymous: Client;
  real: boolean;
  /** A new namespace. */
  namespace(): Promise<string>;
  /** A new service account with a token of its own. */
  account(namespace: string, name: string): Promise<Client>;
  /** A token of an account that ends at that time, which may be past. */
  token(namespace: string, name: string, expiresAt: number): Promise<string>;
  /** Answers every request of an account with 429, until undone. */
  throttle(namespace: string, name: string): Promise<() => Promise<void>>;
  /** Forgets all history; undefined where the server cannot be told to. */
  compact: (() => void) | undefined;
  client(token: string): Client;
  /** How other programs find it as its administrator. */
  way: { url: string; token: string; ca?: string };
  close(): Promise<void>;
}

/** A node for the pods of tests: pods on nodes that do not exist get no endpoints. */
export const NODE = 'kube-test-node';

type Sign = (admin: Client, namespace: string, name: string, expiresAt: number) => Promise<string>;
type Throttle = (admin: Client, namespace: string, name: string) => Promise<() => Promise<void>>;

interface Base {
  url: string;
  token: string;
  ca: string | undefined;
  compact: (() => void) | undefined;
  sign: Sign;
  throttle: Throttle;
  close(): Promise<void>;
}

async function embedded(secure: string | undefined): Promise<Base> {
  const tls = secure === undefined ? undefined : await selfSigned(secure, ['127.0.0.1']);
  const tokens = [{ token: 'admin-of-tests', user: 'admin' }];
  const server = createApiServer({ tokens, rbac: [], statefulSets: true, ...(tls === undefined ? {} : { tls }) });
  const { url } = await server.listen('127.0.0.1', 0);
  const account = (namespace: string, name: string) => `system:serviceaccount:${namespace}:${name}`;
  return {
    url,
    token: 'admin-of-tests',
    ca: tls?.cert,
    compact: server.store.compact,
    sign: (_admin, namespace, name, expiresAt) => Promise.resolve(server.tokens.issue(account(namespace, name), expiresAt)),
    throttle(_admin, namespace, name) {
      const effect = { do: 'throttle', retryAfterSeconds: 1 } as const;
      const fault = server.faults.add({ match: { client: account(namespace, name) }, effect });
      return Promise.resolve(() => Promise.resolve(fault.remove()));
    },
    close: server.close,
  };
}

function external(url: string): Base {
  const file = process.env['KUBE_TEST_CA'];
  const token = process.env['KUBE_TEST_TOKEN'] ?? '';
  return {
    url,
    token,
    ca: file === undefined ? undefined : readFileSync(file, 'utf8'),
    compact: undefined,
    sign: signToken,
    throttle: rejectByPriority,
    close: () => Promise.resolve(),
  };
}

let last = 0;

/** Starts or finds the server under test; `secure` is a directory for the certificate of one that must speak HTTPS. */
export async function startSubject(ask: { secure?: string } = {}): Promise<Subject> {
  const url = process.env['KUBE_TEST_URL'];
  const base = url === undefined || url === '' ? await embedded(ask.secure) : external(url);
  const clients: Client[] = [];
  const namespaces: string[] = [];

  function newClient(token: string | undefined): Client {
    const client = createClient(base.url, token, base.ca);
    clients.push(client);
    return client;
  }
  const admin = newClient(base.token);

  async function namespace(): Promise<string> {
    last += 1;
    const name = `kube-test-${process.pid}-${last}`;
    const reply = await admin.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    if (reply.code !== 201) throw new Error(`no namespace: ${reply.text}`);
    namespaces.push(name);
    return name;
  }

  async function account(space: string, name: string): Promise<Client> {
    const path = `/api/v1/namespaces/${space}/serviceaccounts`;
    await admin.post(path, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } });
    const ask: Dict = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
    const reply = await admin.post(`${path}/${name}/token`, ask);
    return newClient(textAt(reply.body, 'status', 'token'));
  }

  const token = (space: string, name: string, expiresAt: number) => base.sign(admin, space, name, expiresAt);
  await admin.post('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE } });
  return {
    admin,
    anonymous: newClient(undefined),
    real: url !== undefined && url !== '',
    namespace,
    account,
    token,
    throttle: (space, name) => base.throttle(admin, space, name),
    compact: base.compact,
    client: newClient,
    way: { url: base.url, token: base.token, ...(base.ca === undefined ? {} : { ca: base.ca }) },
    async close() {
      for (const name of namespaces) await admin.delete(`/api/v1/namespaces/${name}`);
      for (const client of clients) client.close();
      await base.close();
    },
  };
}
