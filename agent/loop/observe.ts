/**
 * The first step of a cycle: brings the memory up to date and makes the view. Readings of the API server are cached
 * with an age; a watch only says what to read again, and a reading that failed leaves the last one standing as
 * unknown where a decision would rest on it (I2). Everything runs side by side under one deadline.
 */
import { handOf } from '../core/hand.ts';
import type { Mono, PodSight } from '../core/model.ts';
import { known, type Result, unknown } from '../core/result.ts';
import { isStreaming } from '../core/sync.ts';
import type { View } from '../core/view.ts';
import type { KubeHint } from '../ports/kube.ts';
import { noteClocks } from './clocks.ts';
import { configInForce, refreshConfig } from './config.ts';
import type { Context } from './context.ts';
import { noteBarrier, noteRedo } from './barrier.ts';
import { diskView } from './diskview.ts';
import { meetPeers } from './roster.ts';
import { adoptLease, refreshLease } from './sight.ts';
import { limitUnknown } from './unknown.ts';

/** Readings older than this are taken again; the watch makes them fresh in between. */
const listAgeMs = 30_000;
const slowAgeMs = 60_000;
/** A failed reading may serve for this long before it counts as unknown. */
const graceMs = 60_000;
const instanceDeadlineMs = 1000;

export async function observe(ctx: Context): Promise<View> {
  const { memory, ports } = ctx;
  noteClocks(ctx);
  const deadlineMs = memory.config.lease.requestTimeoutSeconds * 1000;
  await Promise.all([
    observeInstance(ctx, 0),
    refreshConfig(ctx, deadlineMs),
    refreshLease(ctx, viewOf(ctx), deadlineMs),
    refreshPods(ctx, deadlineMs),
    refreshFacts(ctx, deadlineMs),
    refreshRequest(ctx, deadlineMs),
  ]);
  limitUnknown(ctx);
  noteHeard(ctx);
  noteEnded(ctx);
  tellPeers(ctx);
  noteOwnPod(ctx);
  const view = viewOf(ctx);
  noteStreams(ctx, view);
  return {
    ...view,
    streamedAt: { ...memory.streamedAt },
    promotion: memory.promotion,
    syncBarrier: memory.syncBarrier,
    now: ports.clock.now(),
  };
}

/** The view as the memory has it now; pure reading. */
export function viewOf(ctx: Context): View {
  const { memory, ports } = ctx;
  const wall = ports.clock.wall();
  const hand = handOf(memory.config, memory.ownAnnotations ?? {}, wall);
  return {
    now: ports.clock.now(),
    wall,
    self: ctx.self,
    config: configInForce(ctx),
    paused: hand.cluster || hand.member,
    lease: memory.lease,
    permit: memory.permit,
    instance: memory.instance,
    lastExit: memory.lastExit,
    records: memory.records,
    pods: memory.pods,
    peers: ports.peers.seen(),
    facts: memory.facts,
    request: memory.request,
    takeover: memory.takeover,
    heard: memory.heard,
    acquiredAt: memory.acquiredAt,
    stalledAt: memory.stalledAt,
    promotion: memory.promotion,
    switchover: memory.switchover,
    streamedAt: { ...memory.streamedAt },
    syncBarrier: memory.syncBarrier,
    job: memory.job,
    failures: memory.failures,
    stopping: memory.stopping,
    promised: memory.promised,
    standing: memory.standing,
    failsafe: memory.failsafe,
    hand,
    crashes: memory.crashes,
    startedHere: memory.startedHere,
    endedContainers: memory.endedContainers,
    ...(memory.held === undefined ? {} : { held: memory.held }),
    ...volumesOf(ctx),
    ...(memory.since === undefined ? {} : { since: memory.since.at }),
  };
}

function volumesOf(ctx: Context): Pick<View, 'volumes' | 'disk'> {
  const volumes = ctx.ports.volumes?.seen() ?? [];
  return { volumes, disk: diskView(ctx.memory, volumes, ctx.ports.clock.now()) };
}

const inFlight = new WeakMap<Context, Promise<void>>();

/** Looks at the local server unless that was done within `maxAgeMs`; one look at a time. */
export async function observeInstance(ctx: Context, maxAgeMs: number): Promise<void> {
  const { memory, ports } = ctx;
  if (ports.clock.now() - memory.observedAt <= maxAgeMs) return;
  const running = inFlight.get(ctx);
  if (running !== undefined) return running;
  const look = (async () => {
    const startedAt = ports.clock.now();
    memory.instance = await ports.instance.observe(instanceDeadlineMs);
    memory.observedAt = startedAt;
    noteProgress(ctx, startedAt);
    forgetOldPromotion(ctx);
    noteShape(ctx);
    if (memory.instance.is === 'standby' && memory.instance.state === 'Normal') {
      delete memory.failures['rebuilt'];
      memory.followedAt = startedAt;
    }
    noteBarrier(memory, startedAt);
    noteRedo(memory, startedAt);
  })();
  inFlight.set(ctx, look);
  try {
    await look;
  } finally {
    inFlight.delete(ctx);
  }
}

/** A look that begins now: one that is under way may show what was before the last change. */
export async function observeAfresh(ctx: Context): Promise<void> {
  await inFlight.get(ctx);
  ctx.memory.observedAt = Number.NEGATIVE_INFINITY;
  await observeInstance(ctx, 0);
}

/** WAL that moves shows that the volume takes writes, whatever a look at it says. */
function noteProgress({ memory }: Context, now: Mono): void {
  const { instance } = memory;
  // One that answers nothing has not shown that it writes.
  if (instance.is === 'hung') return;
  const written = instance.is === 'primary' ? instance.written : undefined;
  if (written === undefined || written !== memory.wrote.lsn) memory.wrote = { lsn: written, at: now };
}

/** Since when the server is what it is, and that a start which led to a server that answers was none that failed. */
function noteShape(ctx: Context): void {
  const { memory, ports } = ctx;
  const { instance } = memory;
  if (instance.is === 'standby' || instance.is === 'primary' || instance.is === 'pending') delete memory.failures['start'];
  const shape = 'role' in instance ? `${instance.role} ${instance.state}` : instance.is;
  if (memory.since?.shape !== shape) memory.since = { shape, at: ports.clock.wall() };
}

/** A promotion belongs to one server process; a running primary that this container promoted before is adopted. */
function forgetOldPromotion(ctx: Context): void {
  const { memory } = ctx;
  const { instance, promotion } = memory;
  const process = 'process' in instance ? instance.process : undefined;
  if (
    promotion !== undefined &&
    (process === undefined || process.pid !== promotion.process.pid || process.startTime !== promotion.process.startTime)
  ) {
    memory.promotion = undefined;
    memory.syncBarrier = undefined;
    memory.draining = false;
    if (memory.switchover?.handedOver === false && process !== undefined) memory.switchover = undefined;
  }
  const record = memory.lease.known ? memory.lease.value.record : undefined;
  const adopts =
    memory.promotion === undefined &&
    instance.is === 'primary' &&
    record?.holder === ctx.self.identity &&
    record.promoting?.member === ctx.self.name &&
    record.promoting.term === instance.data.promotedTerm;
  if (adopts && record.promoting !== undefined) {
    const now = ctx.ports.clock.now();
    memory.promotion = { term: record.promoting.term, process: instance.process, recordedAt: now, settled: false };
  }
}

function noteStreams(ctx: Context, view: View): void {
  const { memory } = ctx;
  const { instance } = view;
  if (instance.is !== 'primary') {
    memory.streamedAt = {};
    return;
  }
  for (const sender of instance.senders) {
    if (isStreaming(instance, sender.name)) memory.streamedAt[sender.name] = view.now;
  }
}

/** How far primaries said they were; before the list of peers forgets a pod that was made anew. */
function noteHeard({ memory, ports }: Context): void {
  for (const { state } of Object.values(ports.peers.seen())) {
    const { written, promotedTerm: term } = state;
    if (written === undefined || state.instance !== 'primary') continue;
    const before = memory.heard;
    const further = before === undefined || term > before.term || (term === before.term && written > before.lsn);
    if (further) memory.heard = { term, lsn: written };
  }
}

/** What the own pod is annotated with stays known while the pods cannot be listed. */
function noteOwnPod(ctx: Context): void {
  const { memory, self } = ctx;
  if (!memory.pods.known) return;
  const own = memory.pods.value.find((pod) => pod.name === self.name && pod.uid === self.uid);
  memory.ownAnnotations = own?.annotations ?? memory.ownAnnotations ?? {};
}

function noteEnded(ctx: Context): void {
  const { memory, self } = ctx;
  const own = memory.pods.known ? memory.pods.value.find((pod) => pod.uid === self.uid) : undefined;
  const news = (own?.container.ended ?? []).filter((id) => !memory.endedContainers.includes(id));
  if (news.length > 0) memory.endedContainers = [...memory.endedContainers, ...news].slice(-16);
}

function tellPeers(ctx: Context): void {
  const { memory, self } = ctx;
  if (!memory.pods.known) return;
  const peers = memory.pods.value.flatMap((pod) =>
    pod.name === self.name || pod.ip === undefined ? [] : [{ name: pod.name, uid: pod.uid, ip: pod.ip }],
  );
  meetPeers(
    ctx,
    memory.pods.value.map((pod) => pod.name),
    peers,
    memory.pods.at,
  );
}

/** A reading with its age: kept while fresh, taken again when stale, unknown when it has failed for too long. */
async function refresh<T>(
  ctx: Context,
  key: 'pods' | 'facts' | 'request',
  maxAgeMs: number,
  read: () => Promise<Result<T>>,
  get: () => { known: true; value: T; at: Mono } | { known: false; fault: unknown },
  set: (value: ReturnType<typeof known<T>> | ReturnType<typeof unknown<T>>) => void,
): Promise<void> {
  const { memory, ports } = ctx;
  const before = get();
  const now = ports.clock.now();
  if (before.known && now - before.at < maxAgeMs && !memory.stale.has(key)) return;
  memory.stale.delete(key);
  const result = await read();
  if (result.ok) {
    set(known(result.value, now));
    return;
  }
  memory.stale.add(key);
  if (!before.known || now - before.at > graceMs) set(unknown(result.fault));
}

async function refreshPods(ctx: Context, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  await refresh(
    ctx,
    'pods',
    listAgeMs,
    () => ports.kube.listPods(deadlineMs),
    () => memory.pods,
    (value) => {
      memory.pods = value;
    },
  );
}

async function refreshFacts(ctx: Context, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  const uninitialised = memory.facts.known && memory.facts.value.systemId === undefined;
  await refresh(
    ctx,
    'facts',
    uninitialised ? 1000 : slowAgeMs,
    () => ports.kube.readFacts(deadlineMs),
    () => memory.facts,
    (value) => {
      memory.facts = value;
    },
  );
}

async function refreshRequest(ctx: Context, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  await refresh(
    ctx,
    'request',
    slowAgeMs,
    () => ports.kube.readRequest(deadlineMs),
    () => memory.request,
    (value) => {
      memory.request = value;
    },
  );
}

/** What a watch tells: the lease and pods are taken over, the rest is read again in the next cycle. */
export function onHint(ctx: Context, hint: KubeHint): void {
  const { memory } = ctx;
  switch (hint.of) {
    case 'lease': {
      const before = memory.lease.known ? memory.lease.value.record?.resourceVersion : undefined;
      if (hint.record === undefined) memory.stale.add('lease');
      else adoptLease(ctx, hint.record, undefined);
      if (hint.record?.resourceVersion === before || onlyRenewed(ctx, before)) return;
      break;
    }
    case 'pods':
      if (!takePod(memory.pods.known ? memory.pods.value : undefined, hint.pod, hint.deleted)) memory.stale.add('pods');
      break;
    case 'config':
    case 'facts':
    case 'request':
      memory.stale.add(hint.of);
      break;
    case 'resync':
      memory.stale.add('lease').add('pods').add('config').add('facts').add('request');
      break;
  }
  ctx.nudge();
}

/** A foreign renewal changes nothing to act on; waking every standby for it would double the load of the cluster. */
function onlyRenewed(ctx: Context, before: string | undefined): boolean {
  const record = ctx.memory.lease.known ? ctx.memory.lease.value.record : undefined;
  const shown = ctx.last?.view.lease;
  const last = shown?.known === true ? shown.value.record : undefined;
  if (before === undefined || record === undefined || last === undefined) return false;
  return record.holder === last.holder && record.term === last.term && record.holder !== '';
}

function takePod(pods: PodSight[] | undefined, pod: PodSight, deleted: boolean): boolean {
  if (pods === undefined) return false;
  const at = pods.findIndex((one) => one.name === pod.name);
  if (deleted) {
    if (at >= 0 && pods[at]?.uid === pod.uid) pods.splice(at, 1);
    return true;
  }
  if (at >= 0) pods[at] = pod;
  else pods.push(pod);
  pods.sort((a, b) => (a.name < b.name ? -1 : 1));
  return true;
}
