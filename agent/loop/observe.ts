/**
 * The first step of a cycle: brings the memory up to date, everything side by side under one deadline, and makes the
 * view of it.
 */
import { handOf } from '../core/hand.ts';
import { exactPod } from '../core/pods.ts';
import { isStreaming } from '../core/sync.ts';
import type { View } from '../core/view.ts';
import { noteClocks } from './clocks.ts';
import { configInForce, refreshConfig } from './config.ts';
import type { Context } from './context.ts';
import { diskView } from './diskview.ts';
import { observeInstance } from './local.ts';
import { noteHomes, refreshHolderNode } from './nodes.ts';
import { refreshFacts, refreshPods, refreshRequest } from './readings.ts';
import { noteAcknowledged, noteReports } from './report.ts';
import { meetPeers } from './roster.ts';
import { refreshLease } from './sight.ts';
import { limitUnknown } from './unknown.ts';

export async function observe(ctx: Context): Promise<View> {
  const { memory } = ctx;
  noteClocks(ctx);
  const deadlineMs = memory.config.lease.requestTimeoutSeconds * 1000;
  const before = viewOf(ctx);
  await Promise.all([
    observeInstance(ctx, 0),
    refreshConfig(ctx, deadlineMs),
    refreshLease(ctx, before, deadlineMs),
    refreshPods(ctx, deadlineMs),
    refreshFacts(ctx, deadlineMs),
    refreshRequest(ctx, deadlineMs),
    refreshHolderNode(ctx, before, deadlineMs),
  ]);
  limitUnknown(ctx);
  noteHeard(ctx);
  noteEnded(ctx);
  tellPeers(ctx);
  noteOwnPod(ctx);
  noteReports(ctx);
  noteHomes(ctx);
  noteStreams(ctx);
  const view = viewOf(ctx);
  noteAcknowledged(memory, view);
  view.acknowledged = memory.acknowledged;
  return view;
}

/** The view as the memory has it now; pure reading. */
export function viewOf(ctx: Context): View {
  const { memory, ports } = ctx;
  const wall = ports.clock.wall();
  const now = ports.clock.now();
  const hand = handOf(memory.config, memory.ownAnnotations ?? {}, wall);
  const volumes = ports.volumes?.seen() ?? [];
  const view: View = {
    now,
    wall,
    self: ctx.self,
    config: configInForce(ctx),
    paused: hand.cluster || hand.member,
    lease: memory.lease,
    permit: memory.permit,
    instance: memory.instance,
    lastExit: memory.lastExit,
    downSince: memory.downSince,
    records: memory.records,
    pods: memory.pods,
    peers: ports.peers.seen(),
    facts: memory.facts,
    request: memory.request,
    takeover: memory.takeover,
    heard: memory.heard,
    acquiredAt: memory.acquiredAt,
    passedOver: memory.passedOver,
    stalledAt: memory.stalledAt,
    promotion: memory.promotion,
    switchover: memory.switchover,
    streamedAt: { ...memory.streamedAt },
    syncBarrier: memory.syncBarrier,
    acknowledged: memory.acknowledged,
    reports: memory.reports,
    holderNode: memory.holderNode,
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
    volumes,
    disk: diskView(memory, volumes, now),
  };
  if (memory.held !== undefined) view.held = memory.held;
  if (memory.since !== undefined) view.since = memory.since.at;
  return view;
}

function noteStreams({ memory, ports }: Context): void {
  const { instance } = memory;
  if (instance.is !== 'primary') {
    memory.streamedAt = {};
    return;
  }
  const now = ports.clock.now();
  for (const { name } of instance.senders) if (isStreaming(instance, name)) memory.streamedAt[name] = now;
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
  const own = exactPod(memory, self);
  memory.ownAnnotations = own?.annotations ?? memory.ownAnnotations ?? {};
}

function noteEnded(ctx: Context): void {
  const { memory, self } = ctx;
  const own = exactPod(memory, self);
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
