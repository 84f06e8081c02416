/**
 * A model API server: versions, compare-and-swap, watches that lag, break, repeat and go silent, answers that are lost
 * after the write has been applied, and refusals of all kinds. Reads are quorum reads, as a GET without a version is.
 */
import type { ClusterFacts, LeaseRecord, MemberName, NodeSight, PodSight, Request } from '../../agent/core/model.ts';
import { type Fault, failed, ok, type Result } from '../../agent/core/result.ts';
import type { KubeHint, KubePort } from '../../agent/ports/kube.ts';
import type { Calls } from './calls.ts';
import type { Machine, World } from './model.ts';
import { type Proc, post } from './process.ts';

export type Weather = 'fine' | 'down' | 'errors' | 'slow';

interface Watcher {
  member: number;
  proc: Proc;
  tell: (hint: KubeHint) => void;
  lastAt: number;
  missed: boolean;
  silentUntil: number;
  /** Until when what it delivers may be late by so much, and overtaken. */
  disorder: { until: number; ms: number };
  closed: boolean;
}

export interface Kube {
  lease: LeaseRecord | undefined;
  pods: Map<MemberName, PodSight>;
  facts: ClusterFacts;
  request: Request | undefined;
  /** What stood in a Lease that was deleted, until there is one again. */
  deleted: LeaseRecord | undefined;
  config: { text: string | undefined; version: string };
  weather: Weather;
  /** When the weather last changed, or rights were given back; what was asked before may be answered late, or never. */
  changedAt: number;
  /** How often anything was asked, whatever became of it. */
  asked: { reads: number; writes: number };
  /** Watches that live. */
  watches(): number;
  /** The member's watch is told that what it asks for is too old: 410 Gone. */
  gone(member: number): void;
  /** Members whose requests are refused: their rights were taken away. */
  denied: Set<number>;
  /** Members whose nodes are tainted out-of-service. */
  declaredOff: Set<number>;
  /** Share of writes that are applied and whose answers are lost. */
  lostAnswers: number;
  /** By member: how long its lease writes are under way before they are applied. */
  heldUp: Map<number, number>;
  port(machine: Machine, calls: Calls): KubePort;
  setPod(pod: PodSight): void;
  removePod(name: MemberName): void;
  setConfig(text: string | undefined): void;
  ask(request: Pick<Request, 'kind' | 'target' | 'options'>, deadline?: string): void;
  /** Changes the Lease as a person or a garbage collector would. */
  meddle(record: LeaseRecord | undefined): void;
  /** Puts a Lease that is away back as it last was, as a person would who reads the manual. */
  restore(): void;
  /** The member's watch delivers nothing, and does not say so, until its age limit. */
  hush(member: number, until: number): void;
  /** Until then the member's watch delivers the Lease out of order, each version late by up to so much. */
  disorder(member: number, until: number, ms: number): void;
  /** Something old is delivered once more. */
  repeat(member: number): void;
}

/** How soon a watch that missed something is back and has everything read again. */
const reconnectMs = 1500;

const timeout: Fault = { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'no answer in time' };
const down: Fault = { of: 'kube', kind: 'unreachable', done: 'no', detail: 'connection refused' };
const conflict: Fault = { of: 'kube', kind: 'conflict', done: 'no', code: '409', detail: 'the object has been modified' };
const denied: Fault = { of: 'kube', kind: 'denied', done: 'no', code: '403', detail: 'forbidden' };
const absent: Fault = { of: 'kube', kind: 'absent', done: 'no', code: '404', detail: 'not found' };
const errors: Fault[] = [
  { of: 'kube', kind: 'throttled', done: 'no', code: '429', detail: 'too many requests' },
  { of: 'kube', kind: 'unreachable', done: 'maybe', code: '500', detail: 'internal error' },
  { of: 'kube', kind: 'unreachable', done: 'no', code: '503', detail: 'service unavailable' },
  { of: 'kube', kind: 'denied', done: 'no', code: '401', detail: 'unauthorized' },
];

/** An API server with nothing in it. */
export function createKube(world: World): Kube {
  const { engine, dice, network } = world;
  const watchers: Watcher[] = [];
  const old: LeaseRecord[] = [];
  let version = 1;
  const next = (): string => {
    version += 1;
    return String(version);
  };

  function tell(hint: KubeHint): void {
    for (const watcher of watchers) deliver(watcher, hint, dice.between(0.5, 6));
  }

  function deliver(watcher: Watcher, hint: KubeHint, delay: number): void {
    if (watcher.closed || engine.now < watcher.silentUntil) return;
    const travel = kube.weather === 'down' ? undefined : network.travel(network.kube, watcher.member);
    if (travel === undefined) {
      missed(watcher);
      return;
    }
    const { disorder } = watcher;
    const late = hint.of === 'lease' && engine.now < disorder.until ? dice.between(0, disorder.ms) : 0;
    // One connection delivers in order.
    if (late === 0) watcher.lastAt = Math.max(watcher.lastAt + 0.01, engine.now + travel + delay);
    const arrives = late === 0 ? watcher.lastAt - engine.now : travel + delay + late;
    post(engine, watcher.proc, arrives, () => {
      if (watcher.closed) return;
      engine.woken = true;
      watcher.tell(hint);
    });
  }

  /** The connection is broken; once it is back, everything is read again. */
  function missed(watcher: Watcher): void {
    if (watcher.missed) return;
    watcher.missed = true;
    engine.after(reconnectMs * dice.between(0.3, 1), () => again(watcher));
  }

  function again(watcher: Watcher): void {
    if (watcher.closed || watcher.proc.dead) return;
    watcher.missed = false;
    if (kube.weather === 'down' || !network.bothOpen(watcher.member, network.kube)) missed(watcher);
    else deliver(watcher, { of: 'resync' }, 1);
  }

  /** One request: there, effect, back; each may fail, and the deadline ends the waiting. */
  function request<T>(
    machine: Machine,
    calls: Calls,
    what: string,
    deadlineMs: number,
    effect: (sentAt: number) => Result<T>,
  ): Promise<Result<T>> {
    const deadline = deadlineMs / machine.clock.rate;
    return calls.wait<Result<T>>(what, (answer) => {
      const sentAt = engine.now;
      if (what.startsWith('kube.write') || what === 'kube.patchPod') kube.asked.writes += 1;
      else kube.asked.reads += 1;
      const resolve = (value: Result<T>, delay: number): void => {
        if (!value.ok) world.counters.count('answer', value.fault.code ?? value.fault.kind);
        answer(value, delay);
      };
      const late = () => resolve(failed<T>(timeout), Math.max(0, sentAt + deadline - engine.now));
      const there = network.travel(machine.index, network.kube);
      if (there === undefined) return late();
      if (kube.weather === 'down') return dice.chance(0.5) ? resolve(failed<T>(down), there) : late();
      const slow = kube.weather === 'slow' ? dice.between(0, 1200) : dice.between(0.3, 3);
      const refusal = refusalFor(machine);
      const held = what === 'kube.writeLease' ? (kube.heldUp.get(machine.index) ?? 0) : 0;
      // Whoever asked has given up by then; what was asked for arrives all the same.
      if (held > 0) engine.after(deadline, late);
      engine.after(there + slow + held, () => {
        if (!network.open(machine.index, network.kube) || kube.weather === 'down') return late();
        const applied = refusal === undefined || (refusal.done === 'maybe' && dice.chance(0.5));
        const result = applied ? effect(sentAt) : undefined;
        const back = network.travel(network.kube, machine.index);
        const lost = kube.lostAnswers > 0 && what === 'kube.writeLease' && dice.chance(kube.lostAnswers);
        if (back === undefined || lost || engine.now + back > sentAt + deadline) return late();
        resolve(refusal === undefined ? (result as Result<T>) : failed<T>(refusal), back);
      });
    });
  }

  function refusalFor(machine: Machine): Fault | undefined {
    if (kube.denied.has(machine.index)) return denied;
    return kube.weather === 'errors' && dice.chance(0.6) ? dice.pick(errors) : undefined;
  }

  function putLease(record: LeaseRecord): void {
    if (kube.lease !== undefined) old.push(kube.lease);
    if (old.length > 20) old.shift();
    kube.lease = record;
    kube.deleted = undefined;
    tell({ of: 'lease', record });
  }

  let weather: Weather = 'fine';
  const kube: Kube = {
    lease: undefined,
    pods: new Map(),
    facts: { systemId: undefined, history: [], resourceVersion: undefined },
    request: undefined,
    deleted: undefined,
    config: { text: undefined, version: '1' },
    get weather() {
      return weather;
    },
    set weather(now) {
      weather = now;
      kube.changedAt = engine.now;
    },
    changedAt: Number.NEGATIVE_INFINITY,
    asked: { reads: 0, writes: 0 },
    watches: () => watchers.filter(({ closed, proc }) => !closed && !proc.dead).length,
    gone(member) {
      for (const watcher of watchers) {
        if (watcher.member !== member || watcher.closed) continue;
        world.counters.count('answer', '410');
        deliver(watcher, { of: 'resync' }, 1);
      }
    },
    denied: new Set(),
    declaredOff: new Set(),
    lostAnswers: 0,
    heldUp: new Map(),
    port,
    setPod(pod) {
      const set = { ...pod, resourceVersion: next() };
      kube.pods.set(pod.name, set);
      world.oracle.labelled();
      tell({ of: 'pods', pod: set, deleted: false });
    },
    removePod(name) {
      const pod = kube.pods.get(name);
      kube.pods.delete(name);
      if (pod !== undefined) tell({ of: 'pods', pod, deleted: true });
    },
    setConfig(text) {
      kube.config = { text, version: next() };
      tell({ of: 'config' });
    },
    ask({ kind, target, options }, deadline) {
      const open = { phase: 'open', deadline, result: undefined, hint: undefined } as const;
      kube.request = { id: next(), kind, target, options, ...open, resourceVersion: next() };
      tell({ of: 'request' });
    },
    meddle(record) {
      if (record !== undefined) putLease({ ...record, resourceVersion: next() });
      else {
        if (kube.lease !== undefined) old.push(kube.lease);
        kube.deleted ??= kube.lease;
        kube.lease = undefined;
        tell({ of: 'lease', record: undefined });
      }
    },
    restore() {
      // Whoever puts it back takes the last version that can be read.
      const last = old.findLast(({ garbage }) => garbage === undefined);
      const fine = kube.lease !== undefined && kube.lease.garbage === undefined;
      if (!fine && last !== undefined) putLease({ ...last, uid: `lease-${next()}`, resourceVersion: next() });
    },
    hush(member, until) {
      for (const watcher of watchers) {
        if (watcher.member !== member || watcher.closed) continue;
        watcher.silentUntil = until;
        engine.at(until, () => deliver(watcher, { of: 'resync' }, 1));
      }
    },
    disorder(member, until, ms) {
      for (const watcher of watchers) if (watcher.member === member) watcher.disorder = { until, ms };
    },
    repeat(member) {
      const record = old.length > 0 ? dice.pick(old) : undefined;
      for (const watcher of watchers) {
        if (watcher.member === member && record !== undefined) deliver(watcher, { of: 'lease', record }, dice.between(0, 50));
      }
    },
  };

  function port(machine: Machine, calls: Calls): KubePort {
    const identity = `${machine.name}/${machine.uid}/${machine.incarnation}`;
    return {
      readLease: (ms) =>
        request(machine, calls, 'kube.readLease', ms, (sentAt) => {
          world.oracle.leaseRead(machine, sentAt);
          return ok(kube.lease);
        }),
      writeLease(write, ms) {
        world.oracle.leaseSent(machine, write.over);
        return request<LeaseRecord>(machine, calls, 'kube.writeLease', ms, (sentAt) => {
          if (write.over !== kube.lease?.resourceVersion) return failed(conflict);
          if (write.uid !== undefined && write.uid !== kube.lease?.uid) return failed(conflict);
          const uid = kube.lease?.uid ?? `lease-${next()}`;
          const record = { ...write.record, uid, resourceVersion: next(), renewTime: '', garbage: undefined };
          world.oracle.leaseWritten(machine, identity, kube.lease, record, sentAt);
          const taken = kube.lease !== undefined && kube.lease.holder !== record.holder && record.holder !== '';
          putLease(record);
          if (taken) world.leaseTaken?.();
          return ok(record);
        });
      },
      listPods: (ms) =>
        request(machine, calls, 'kube.listPods', ms, (sentAt) => {
          world.oracle.podsListed(machine, sentAt);
          return ok([...kube.pods.values()].sort(byName));
        }),
      patchPod: (target, change, ms) =>
        request<PodSight>(machine, calls, 'kube.patchPod', ms, () => {
          const pod = kube.pods.get(target.name);
          if (pod === undefined || pod.uid !== target.uid) return failed(absent);
          if (target.resourceVersion !== undefined && target.resourceVersion !== pod.resourceVersion) return failed(conflict);
          if (change.labels?.['opengauss.role'] === 'primary' && target.name === machine.name) world.oracle.labels(machine);
          const labels = merged(pod.labels, change.labels);
          const annotations = merged(pod.annotations, change.annotations);
          kube.setPod({ ...pod, labels, annotations });
          return ok(kube.pods.get(target.name) as PodSight);
        }),
      readNode: (name, ms) =>
        request<NodeSight | undefined>(machine, calls, 'kube.readNode', ms, () => {
          const host = world.machines.find((one) => `node-${one.index}` === name);
          return ok(host === undefined ? undefined : { outOfService: kube.declaredOff.has(host.index), ready: host.powered });
        }),
      readConfig: (ms) =>
        request(machine, calls, 'kube.readConfig', ms, () =>
          ok({ text: kube.config.text, resourceVersion: kube.config.version }),
        ),
      readFacts: (ms) => request(machine, calls, 'kube.readFacts', ms, () => ok(kube.facts)),
      writeFacts: (facts, ms) =>
        request<ClusterFacts>(machine, calls, 'kube.writeFacts', ms, () => {
          if (facts.resourceVersion !== kube.facts.resourceVersion) return failed(conflict);
          kube.facts = { ...facts, resourceVersion: next() };
          tell({ of: 'facts' });
          return ok(kube.facts);
        }),
      readRequest: (ms) => request(machine, calls, 'kube.readRequest', ms, () => ok(kube.request)),
      writeRequest: (asked, ms) =>
        request<Request>(machine, calls, 'kube.writeRequest', ms, () => {
          if (asked.resourceVersion !== (kube.request?.resourceVersion ?? '')) return failed(conflict);
          kube.request = { ...asked, resourceVersion: next() };
          world.oracle.answered(kube.request);
          tell({ of: 'request' });
          return ok(kube.request);
        }),
      event(note) {
        if (!calls.dead) world.counters.count('event', note.reason);
      },
      watch(onChange) {
        const watcher: Watcher = {
          member: machine.index,
          proc: calls.proc,
          tell: onChange,
          lastAt: 0,
          missed: false,
          silentUntil: 0,
          disorder: { until: 0, ms: 0 },
          closed: false,
        };
        for (let at = watchers.length - 1; at >= 0; at -= 1) if (watchers[at]?.proc.dead === true) watchers.splice(at, 1);
        watchers.push(watcher);
        return {
          stop() {
            watcher.closed = true;
          },
        };
      },
      close: async () => {},
    };
  }
  return kube;
}

function byName(a: PodSight, b: PodSight): number {
  return a.name < b.name ? -1 : 1;
}

function merged(before: Record<string, string>, change: Record<string, string | null> | undefined): Record<string, string> {
  if (change === undefined) return before;
  const after = { ...before };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete after[key];
    else after[key] = value;
  }
  return after;
}
