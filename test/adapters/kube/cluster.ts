/**
 * An embedded API server with one cluster's objects and a service account that has exactly the rights of rights.ts, and
 * adapters that talk to it. Every test adapter reads its token from a directory, as in a pod.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKube } from '../../../agent/adapters/kube/kube.ts';
import { rights } from '../../../agent/adapters/kube/rights.ts';
import { createClock } from '../../../agent/adapters/os/clock.ts';
import type { Fault, Result } from '../../../agent/core/result.ts';
import type { HandPort, KubeHint, KubePort, LeaseWrite } from '../../../agent/ports/kube.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../../kube/server.ts';

const account = 'system:serviceaccount:default:og-demo';

export interface Sample {
  verb: string;
  resource: string;
  code: string;
  seconds: number;
}

export interface TestCluster {
  server: ApiServer;
  url: string;
  /** Where the adapters' token lies. */
  accountDir: string;
  token: string;
  samples: Sample[];
  adapter(options?: { url?: string; pod?: string; accountDir?: string }): KubePort & HandPort;
  addPod(index: number): { name: string; uid: string };
}

/** A server on loopback with namespace, role, and no other object; all is closed after the test. */
export async function startCluster(t: TestContext, options: Partial<ApiServerOptions> = {}): Promise<TestCluster> {
  const token = 'first-token';
  const metadata = { name: 'og-demo', namespace: 'default' };
  const rbac = [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: rights('demo') },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'og-demo' },
      subjects: [{ kind: 'ServiceAccount', name: 'og-demo', namespace: 'default' }],
    },
  ];
  const server = createApiServer({ rbac, tokens: [{ token, user: account }], ...options });
  const { url } = await server.listen('127.0.0.1', 0, {});
  const accountDir = mkdtempSync(join(tmpdir(), 'og-sa-'));
  writeFileSync(join(accountDir, 'token'), token);
  if (options.tls !== undefined) writeFileSync(join(accountDir, 'ca.crt'), options.tls.cert);
  const adapters: KubePort[] = [];
  const samples: Sample[] = [];
  t.after(async () => {
    await Promise.all(adapters.map((adapter) => adapter.close()));
    await server.close();
    rmSync(accountDir, { recursive: true, force: true });
  });

  return {
    server,
    url,
    accountDir,
    token,
    samples,
    adapter(ask = {}) {
      const kube = createKube({
        url: ask.url ?? url,
        serviceAccountDir: ask.accountDir ?? accountDir,
        namespace: 'default',
        cluster: 'demo',
        pod: { name: ask.pod ?? 'og-demo-0', uid: 'uid-0' },
        version: '0.1.0',
        telemetry: { observeKubeRequest: (sample) => samples.push(sample) },
        clock: createClock(),
      });
      adapters.push(kube);
      return kube;
    },
    addPod(index) {
      const name = `og-demo-${index}`;
      const labels = { 'opengauss.cluster': 'demo' };
      const spec = { nodeName: `node-${index}`, containers: [{ name: 'og', image: 'og' }] };
      const pod = server.store.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec });
      return { name, uid: pod.metadata.uid };
    },
  };
}

/** A lease as its first holder writes it. */
export function aWrite(over: string | undefined, change: Partial<LeaseWrite['record']> = {}): LeaseWrite {
  return {
    over,
    record: {
      holder: 'og-demo-0/uid-0/one',
      term: 1,
      durationSeconds: 8,
      entries: [],
      syncMode: 'quorum',
      promoting: undefined,
      heir: undefined,
      containerId: undefined,
      ...change,
    },
  };
}

/** The value, or the fault as an error. */
export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.fault.kind}: ${result.fault.detail}`);
  return result.value;
}

/** The fault, or an error because there is none. */
export function mustFail<T>(result: Result<T>): Fault {
  if (result.ok) throw new Error('it succeeded');
  return result.fault;
}

/** Waits for a condition; throws with its name when the deadline passes. */
export async function eventually(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await sleep(5);
  }
}

/** Watches and keeps what comes. */
export function listen(t: TestContext, kube: KubePort): KubeHint[] {
  const hints: KubeHint[] = [];
  const watch = kube.watch((hint) => hints.push(hint));
  t.after(() => watch.stop());
  return hints;
}

export interface Relay {
  url: string;
  /** Connections made so far. */
  connections(): number;
  /** Breaks every open connection. */
  cut(): void;
  /** Passes nothing on any more, in connections old and new, and closes none. */
  silence(silent: boolean): void;
}

/** A TCP relay in front of a server, to break what is open. */
export async function relayTo(t: TestContext, target: string): Promise<Relay> {
  const { hostname, port, protocol } = new URL(target);
  const open = new Set<Socket>();
  let count = 0;
  let silent = false;
  const server = createServer((near) => {
    count += 1;
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.on('data', (chunk) => silent || to.write(chunk));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  const address = server.address() as { port: number };
  return {
    url: `${protocol}//127.0.0.1:${address.port}`,
    connections: () => count,
    cut,
    silence(on) {
      silent = on;
    },
  };
}
