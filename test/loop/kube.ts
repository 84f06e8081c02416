/** An API server in memory for loops under virtual time: compare-and-swap, watches, and cuts per member. */
import type { ClusterFacts, LeaseRecord, NodeSight, PodSight, Request } from '../../agent/core/model.ts';
import { type Fault, failed, ok, type Result } from '../../agent/core/result.ts';
import type { EventNote, KubeHint, KubePort } from '../../agent/ports/kube.ts';
import type { VirtualClock } from './clock.ts';

export interface FakeKube {
  port(member: string): KubePort;
  cut: Set<string>;
  lease: LeaseRecord | undefined;
  pods: Map<string, PodSight>;
  /** Nodes that exist, by name. */
  nodes: Map<string, NodeSight>;
  facts: ClusterFacts;
  request: Request | undefined;
  config: string | undefined;
  events: (EventNote & { member: string; at: number })[];
  ask(request: Partial<Request> & { kind: Request['kind'] }): void;
  setConfig(text: string): void;
  deleteLease(): void;
  /** The whole store goes back to what it was then: this record, and versions that come again. */
  restore(record: LeaseRecord): void;
  /** Deleted with that much time for its containers; by force, with none, the pod is gone at once. */
  deletePod(name: string, graceSeconds: number): void;
  /** What the kubelet writes about the container of a pod. */
  setContainer(name: string, container: PodSight['container']): void;
  /** Writes to the lease as somebody who is no agent does. */
  editLease(change: Partial<LeaseRecord>): void;
  /**
   * What happens to a call instead of its answer: a fault, or `lost`, when it takes effect and nobody hears of it, or
   * for how many ms the answer is held up.
   */
  trouble: (call: { member: string; verb: keyof KubePort }) => Fault | 'lost' | number | undefined;
  /** Members whose watches stay open and deliver nothing. */
  deaf: Set<string>;
  /** A watch delivers an old version of the lease to one member, as a lagging cache does. */
  lag(member: string, record: LeaseRecord | undefined): void;
  primaries(): string[];
}

const latencyMs = 2;
const timeout: Fault = { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'timed out' };
const conflict: Fault = { of: 'kube', kind: 'conflict', done: 'no', detail: 'the object has been modified' };

export function createFakeKube(clock: VirtualClock): FakeKube {
  let version = 1;
  const watchers: { member: string; tell(hint: KubeHint): void }[] = [];
  const next = (): string => {
    version += 1;
    return String(version);
  };

  const kube: FakeKube = {
    cut: new Set(),
    lease: undefined,
    pods: new Map(),
    nodes: new Map(),
    facts: { systemId: undefined, history: [], resourceVersion: undefined },
    request: undefined,
    config: undefined,
    events: [],
    ask(request) {
      kube.request = {
        id: next(),
        target: undefined,
        options: {},
        phase: 'open',
        deadline: undefined,
        result: undefined,
        hint: undefined,
        resourceVersion: next(),
        ...request,
      };
      tell({ of: 'request' });
    },
    deleteLease() {
      kube.lease = undefined;
      tell({ of: 'lease', record: undefined });
    },
    restore(record) {
      kube.lease = record;
      version = Number(record.resourceVersion);
    },
    editLease(change) {
      if (kube.lease === undefined) throw new Error('there is no lease');
      kube.lease = { ...kube.lease, ...change, resourceVersion: next() };
      tell({ of: 'lease', record: kube.lease });
    },
    trouble: () => undefined,
    deaf: new Set(),
    setContainer(name, container) {
      const pod = kube.pods.get(name);
      if (pod === undefined) throw new Error(`no pod ${name}`);
      const changed = { ...pod, container, resourceVersion: next() };
      kube.pods.set(name, changed);
      tell({ of: 'pods', pod: changed, deleted: false });
    },
    deletePod(name, graceSeconds) {
      const pod = kube.pods.get(name);
      if (pod === undefined) throw new Error(`no pod ${name}`);
      const going = { ...pod, terminating: true, graceSeconds, resourceVersion: next() };
      kube.pods.set(name, going);
      tell({ of: 'pods', pod: going, deleted: false });
      if (graceSeconds > 0) return;
      kube.pods.delete(name);
      tell({ of: 'pods', pod: going, deleted: true });
    },
    setConfig(text) {
      kube.config = text;
      tell({ of: 'config' });
    },
    lag(member, record) {
      for (const watcher of watchers) if (watcher.member === member) watcher.tell({ of: 'lease', record });
    },
    primaries: () => [...kube.pods.values()].filter((pod) => pod.labels['opengauss.role'] === 'primary').map((pod) => pod.name),
    port,
  };

  function tell(hint: KubeHint): void {
    for (const watcher of watchers) {
      if (kube.cut.has(watcher.member) || kube.deaf.has(watcher.member)) continue;
      void clock.until(clock.now() + latencyMs).then(() => watcher.tell(hint));
    }
  }

  function port(member: string): KubePort {
    /** One request: half the latency there, the effect, half of it back; a cut member waits for its deadline. */
    async function call<T>(deadlineMs: number, verb: keyof KubePort, effect: () => Result<T>): Promise<Result<T>> {
      if (kube.cut.has(member)) {
        await clock.until(clock.now() + deadlineMs);
        return failed(timeout);
      }
      await clock.until(clock.now() + latencyMs / 2);
      const trouble = kube.trouble({ member, verb });
      if (typeof trouble === 'object') return failed(trouble);
      const result = effect();
      await clock.until(clock.now() + (trouble === 'lost' ? deadlineMs : (trouble ?? latencyMs / 2)));
      return trouble === 'lost' ? failed(timeout) : result;
    }
    return {
      readLease: (ms) => call(ms, 'readLease', () => ok(kube.lease)),
      writeLease: (write, ms) =>
        call(ms, 'writeLease', () => {
          const there = kube.lease;
          if (write.over === undefined && there !== undefined) return failed({ ...conflict, kind: 'exists' });
          if (there !== undefined && there.resourceVersion !== write.over) return failed(conflict);
          // As a real API server: only the uid keeps a replacement from making a deleted Lease anew.
          if (write.uid !== undefined && write.uid !== there?.uid) return failed(conflict);
          const uid = there?.uid ?? `lease-${next()}`;
          kube.lease = { ...write.record, resourceVersion: next(), renewTime: clock.wall(), garbage: undefined, uid };
          tell({ of: 'lease', record: kube.lease });
          return ok(kube.lease);
        }),
      listPods: (ms) =>
        call(ms, 'listPods', () => ok([...kube.pods.values()].filter(isListed).sort((a, b) => (a.name < b.name ? -1 : 1)))),
      patchPod: (target, change, ms) =>
        call(ms, 'patchPod', () => {
          const pod = kube.pods.get(target.name);
          if (pod === undefined || pod.uid !== target.uid) return failed<PodSight>({ ...conflict, kind: 'absent' });
          if (target.resourceVersion !== undefined && target.resourceVersion !== pod.resourceVersion)
            return failed<PodSight>(conflict);
          const labels = merged(pod.labels, change.labels ?? {});
          const annotations = merged(pod.annotations, change.annotations ?? {});
          const patched = { ...pod, labels, annotations, resourceVersion: next() };
          kube.pods.set(pod.name, patched);
          // Whoever watches a selection is told that what leaves it is deleted.
          tell({ of: 'pods', pod: patched, deleted: !isListed(patched) });
          return ok(patched);
        }),
      readNode: (name, ms) => call(ms, 'readNode', () => ok(kube.nodes.get(name))),
      readConfig: (ms) => call(ms, 'readConfig', () => ok({ text: kube.config, resourceVersion: '1' })),
      readFacts: (ms) => call(ms, 'readFacts', () => ok(kube.facts)),
      writeFacts: (facts, ms) =>
        call(ms, 'writeFacts', () => {
          if (facts.resourceVersion !== kube.facts.resourceVersion) return failed(conflict);
          kube.facts = { ...facts, resourceVersion: next() };
          tell({ of: 'facts' });
          return ok(kube.facts);
        }),
      readRequest: (ms) => call(ms, 'readRequest', () => ok(kube.request)),
      writeRequest: (request, ms) =>
        call(ms, 'writeRequest', () => {
          if (request.resourceVersion !== (kube.request?.resourceVersion ?? '')) return failed(conflict);
          kube.request = { ...request, resourceVersion: next() };
          tell({ of: 'request' });
          return ok(kube.request);
        }),
      event: (note) => kube.events.push({ ...note, member, at: clock.now() }),
      watch(onChange) {
        const watcher = { member, tell: onChange };
        watchers.push(watcher);
        return { stop: () => watchers.splice(watchers.indexOf(watcher), 1) };
      },
      close: async () => {},
    };
  }
  return kube;
}

/** In the selection that agents list and watch. */
function isListed(pod: PodSight): boolean {
  return pod.labels['opengauss.cluster'] !== undefined;
}

function merged(before: Record<string, string>, change: Record<string, string | null>): Record<string, string> {
  const after = { ...before };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete after[key];
    else after[key] = value;
  }
  return after;
}
