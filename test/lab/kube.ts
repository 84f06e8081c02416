/**
 * The API server of a lab: the embedded one of test/kube, with a token for the administrator and one for the members'
 * service account, a kubeconfig for `kubectl`, and the rights of the manifests.
 */
import { writeFileSync } from 'node:fs';
import type { Placed } from './objects.ts';
import type { Endpoint } from './proxy.ts';

export interface KubeServer {
  url: string;
  adminToken: string;
  memberToken: string;
  /** Role, RoleBinding and what else the manifests grant. */
  rbac: Placed[];
  /** Requests of the members' account so far. */
  requests(): { all: number; writes: number };
  stop(): Promise<void>;
}

export interface KubeOptions {
  namespace: string;
  cluster: string;
  listen: Endpoint;
  kubeconfig: string;
}

/** Starts the server and writes the kubeconfig. */
export async function startKube(options: KubeOptions): Promise<KubeServer> {
  writeKubeconfig(options, '', '');
  throw new Error('not yet');
}

function writeKubeconfig(options: KubeOptions, url: string, token: string) {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server: url } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'admin', namespace: options.namespace } }],
    'current-context': 'lab',
  };
  writeFileSync(options.kubeconfig, JSON.stringify(config, undefined, 2), { mode: 0o600 });
}
