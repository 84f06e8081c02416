/**
 * The API server behind KubePort: which call reads and writes what, and what its answers mean to the loop. Typed by the
 * client library's models, carried by our own transport (docs/decisions). It decides nothing, retries nothing but
 * watches and Events, and changes nothing that it was not given the version or the uid of.
 */
import type { V1ConfigMap, V1Lease, V1Node, V1Pod, V1PodList } from '@kubernetes/client-node';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { HandPort, KubeHint, KubePort } from '../../ports/kube.ts';
import type { Clock } from '../../ports/others.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { mountedAccount } from './account.ts';
import { type Data, decodeFacts, decodeRequest, encodeFacts, encodeRequest } from './configmaps.ts';
import { createEvents } from './events.ts';
import { malformedFault } from './faults.ts';
import { decodeLease, encodeLease } from './lease.ts';
import { type ObjectNames, objectNames, pathOf, type ResourceName } from './names.ts';
import { decodeNode } from './nodes.ts';
import { decodePod } from './pods.ts';
import { type Ask, createTransport, type Transport } from './transport.ts';
import { startWatch } from './watch.ts';
import type { Wire } from './wire.ts';

export interface KubeOptions {
  /** Of the API server, `http://` or `https://`; an IP literal. */
  url: string;
  serviceAccountDir: string;
  namespace: string;
  cluster: string;
  /** The own pod; Events are about it. */
  pod: { name: string; uid: string };
  version: string;
  telemetry: Pick<Telemetry, 'observeKubeRequest'>;
  clock: Pick<Clock, 'now' | 'wall'>;
}

/** A lease watch hears the holder's renewals; silent for longer, the connection or the holder is dead. */
const leaseQuietMs = 10_000;
/** What Events may take on the way out. */
const farewellMs = 1_000;

type Lease = Wire<V1Lease>;
type ConfigMap = Wire<V1ConfigMap>;

/** Connects to nothing until the first call. */
export function createKube(options: KubeOptions): KubePort & HandPort {
  const { namespace, clock } = options;
  const names = objectNames(options.cluster);
  const account = mountedAccount(options.serviceAccountDir);
  const userAgent = `opengauss-agent/${options.version}`;
  const now = (): number => clock.now();
  const transport = createTransport({ url: options.url, account, userAgent, telemetry: options.telemetry, now });
  const events = createEvents({ transport, namespace, pod: options.pod, wall: clock.wall, now });
  const ask = asker(namespace);

  const port: KubePort & HandPort = {
    async readLease(deadlineMs) {
      const found = await orAbsent(transport.call<Lease>(ask('get', 'leases', names.lease, 'lease', deadlineMs)));
      return map(found, (lease) => (lease === undefined ? undefined : decodeLease(lease)));
    },

    async writeLease(write, deadlineMs) {
      const at = { name: names.lease, namespace, labels: names.labels };
      const body = encodeLease(write, at, clock.wall());
      if (typeof body === 'string') return failed(refused(`update leases ${names.lease}: ${body}`));
      const verb = write.over === undefined ? 'create' : 'update';
      const written = await transport.call<Lease>(ask(verb, 'leases', names.lease, 'lease', deadlineMs, body));
      return map(written, decodeLease);
    },

    async listPods(deadlineMs) {
      const query = `?${new URLSearchParams({ labelSelector: names.selector })}`;
      const call = ask('list', 'pods', names.selector, 'calls', deadlineMs);
      const found = await transport.call<Wire<V1PodList>>({ ...call, path: pathOf(namespace, 'pods') + query });
      return map(found, (list) => list.items.map(decodePod).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)));
    },

    async patchPod(pod, change, deadlineMs) {
      const version = pod.resourceVersion === undefined ? {} : { resourceVersion: pod.resourceVersion };
      const body = { metadata: { uid: pod.uid, ...version, ...change } };
      const patched = await transport.call<Wire<V1Pod>>(ask('patch', 'pods', pod.name, 'calls', deadlineMs, body));
      // Another uid is refused as a change of a field that cannot change.
      if (!patched.ok && patched.fault.code === '422') return failed({ ...patched.fault, kind: 'conflict' });
      return map(patched, decodePod);
    },

    async readConfig(deadlineMs) {
      const found = await readMap(transport, ask, names.config, deadlineMs);
      return map(found, (config) => ({
        text: config?.data?.['config.yaml'],
        resourceVersion: config?.metadata?.resourceVersion,
      }));
    },

    async writeConfig(text, over, deadlineMs) {
      const written = await writeMap(transport, ask, names, names.config, { 'config.yaml': text }, over, deadlineMs);
      return map(written, () => undefined);
    },

    async readFacts(deadlineMs) {
      return map(await readMap(transport, ask, names.state, deadlineMs), decodeFacts);
    },

    async writeFacts(facts, deadlineMs) {
      const over = facts.resourceVersion;
      return map(await writeMap(transport, ask, names, names.state, encodeFacts(facts), over, deadlineMs), decodeFacts);
    },

    async readNode(name, deadlineMs) {
      const found = await orAbsent(transport.call<Wire<V1Node>>(ask('get', 'nodes', name, 'calls', deadlineMs)));
      return map(found, (node) => (node === undefined ? undefined : decodeNode(node)));
    },

    async readRequest(deadlineMs) {
      const found = await readMap(transport, ask, names.request, deadlineMs);
      if (!found.ok) return found;
      const request = decodeRequest(found.value);
      return typeof request === 'string' ? failed(malformedRequest(names.request, request)) : ok(request);
    },

    async writeRequest(request, deadlineMs) {
      const over = request.resourceVersion === '' ? undefined : request.resourceVersion;
      const data = encodeRequest(request);
      const written = await writeMap(transport, ask, names, names.request, data, over, deadlineMs);
      return map(written, (found) => ({ ...request, resourceVersion: found.metadata?.resourceVersion ?? '' }));
    },

    event: (note) => events.add(note),
    watch: (onChange) => watchAll(transport, namespace, names, onChange),

    async close() {
      await events.close(farewellMs);
      await transport.close();
    },
  };
  return port;
}

type Asker = ReturnType<typeof asker>;

function asker(namespace: string) {
  return (
    verb: Ask['verb'],
    resource: ResourceName,
    name: string,
    pool: Ask['pool'],
    deadlineMs: number,
    body?: unknown,
  ): Ask => {
    const path = pathOf(namespace, resource, verb === 'create' ? undefined : name);
    return { verb, resource, name, path, pool, deadlineMs, ...(body === undefined ? {} : { body }) };
  };
}

async function readMap(
  transport: Transport,
  ask: Asker,
  name: string,
  deadlineMs: number,
): Promise<Result<ConfigMap | undefined>> {
  return await orAbsent(transport.call<ConfigMap>(ask('get', 'configmaps', name, 'calls', deadlineMs)));
}

/** Creates the ConfigMap, or merges the keys into exactly that version: keys of others stay as they are. */
async function writeMap(
  transport: Transport,
  ask: Asker,
  names: ObjectNames,
  name: string,
  data: Data,
  over: string | undefined,
  deadlineMs: number,
): Promise<Result<ConfigMap>> {
  if (over !== undefined) {
    const patch = { metadata: { resourceVersion: over }, data };
    return await transport.call<ConfigMap>(ask('patch', 'configmaps', name, 'calls', deadlineMs, patch));
  }
  const present = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: names.labels }, data: present };
  return await transport.call<ConfigMap>(ask('create', 'configmaps', name, 'calls', deadlineMs, body));
}

function watchAll(
  transport: Transport,
  namespace: string,
  names: ObjectNames,
  onChange: (hint: KubeHint) => void,
): { stop(): void } {
  const onGap = (): void => onChange({ of: 'resync' });
  const named = (name: string) => ({ kind: 'fieldSelector', text: `metadata.name=${name}` }) as const;
  const map = (name: string, of: 'config' | 'facts' | 'request') => {
    const onObject = (): void => onChange({ of });
    return startWatch({ transport, namespace, resource: 'configmaps', select: named(name), onObject, onGap });
  };
  const watches = [
    startWatch({
      transport,
      namespace,
      resource: 'leases',
      select: named(names.lease),
      quietMs: leaseQuietMs,
      onGap,
      onObject: (type, lease) => onChange({ of: 'lease', record: type === 'DELETED' ? undefined : decodeLease(lease as Lease) }),
    }),
    startWatch({
      transport,
      namespace,
      resource: 'pods',
      select: { kind: 'labelSelector', text: names.selector },
      onGap,
      onObject: (type, pod) => onChange({ of: 'pods', pod: decodePod(pod as Wire<V1Pod>), deleted: type === 'DELETED' }),
    }),
    map(names.config, 'config'),
    map(names.state, 'facts'),
    map(names.request, 'request'),
  ];
  return {
    stop() {
      for (const watch of watches) watch.stop();
    },
  };
}

/** Answered 404 is a value for what may be missing; unreachable is not (I2). */
async function orAbsent<T>(reading: Promise<Result<T>>): Promise<Result<T | undefined>> {
  const result = await reading;
  return !result.ok && result.fault.kind === 'absent' ? ok(undefined) : result;
}

function map<T, U>(result: Result<T>, to: (value: T) => U): Result<U> {
  return result.ok ? ok(to(result.value)) : result;
}

function refused(detail: string): Fault {
  return { of: 'kube', kind: 'refused', done: 'no', detail };
}

function malformedRequest(name: string, why: string): Fault {
  const asked = { verb: 'get', resource: 'configmaps', name, writes: false };
  return malformedFault(asked, why, `Correct or delete the ConfigMap ${name}.`);
}
