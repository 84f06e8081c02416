/**
 * WAL on its way: streams between model servers. A standby looks for a primary among its peers, as the walreceiver
 * does, obeys its connection lock, refuses lower terms, and finds out that it has diverged. Loss is only delay on a
 * stream; ends notice each other's death by a reset where the network lets it through, else after six silent seconds.
 */
import { post } from './process.ts';
import { continues, termAt } from './wal.ts';
import type { Server, Stream, World } from './model.ts';

const silenceMs = 6000;
const watchEveryMs = 2000;
/** Between two tries of a standby that finds no primary. */
const seekEveryMs = 150;

export const isUp = (world: Pick<World, 'engine'>, server: Server): boolean =>
  server.proc !== undefined && !server.doomed && world.engine.now >= server.upAt;

export const isPrimary = (world: Pick<World, 'engine'>, server: Server): boolean =>
  isUp(world, server) && (server.role === 'Primary' || server.role === 'Normal');

/** Begins to look for a primary, unless that is under way or in vain. */
export function seek(world: World, server: Server, delay = world.dice.between(5, 40)): void {
  if (server.seeking || server.proc === undefined) return;
  server.seeking = true;
  const { proc } = server;
  post(world.engine, proc, delay, () => {
    if (server.proc !== proc) return;
    server.seeking = false;
    if (server.role !== 'Standby' || server.upstream !== undefined || server.sticky !== undefined) return;
    if (world.engine.now < server.upAt || server.promotingTerm !== undefined || !connect(world, server))
      seek(world, server, seekEveryMs);
  });
}

function connect(world: World, standby: Server): boolean {
  const { data } = standby;
  if (data === undefined) return false;
  const here = standby.machine.index;
  for (const peer of standby.conf.peers) {
    if (data.lock !== undefined && data.lock.host !== peer.host) continue;
    const there = world.machines.find((machine) => machine.ip === peer.host);
    if (there === undefined || there.index === here || !world.network.bothOpen(here, there.index)) continue;
    const primary = there.server;
    if (!isPrimary(world, primary) || primary.proc?.frozen !== false || primary.data === undefined) continue;
    if (primary.data.systemId !== data.systemId || primary.term < termAt(data.position)) continue;
    if (!continues(primary.data.position, data.position)) {
      standby.sticky = 'WAL segment removed';
      world.tell?.(standby.machine.name, `has diverged from ${there.name}`);
      return true;
    }
    open(world, primary, standby);
    return true;
  }
  return false;
}

function open(world: World, primary: Server, standby: Server): void {
  if (primary.data === undefined) return;
  const now = world.engine.now;
  const stream: Stream = {
    primary,
    standby,
    branch: primary.data.position.branch,
    openAtPrimary: true,
    openAtStandby: true,
    flushed: 0,
    caughtUp: false,
    heard: false,
    underWay: false,
    heardByPrimary: now,
    heardByStandby: now,
  };
  // A sender of the same name that has not noticed its receiver's end yet is taken over.
  const old = primary.downstream.find((one) => one.standby === standby);
  if (old !== undefined) old.openAtPrimary = false;
  primary.downstream = primary.downstream.filter((one) => one !== old);
  primary.downstream.push(stream);
  standby.upstream = stream;
  world.tell?.(standby.machine.name, `streams from ${primary.machine.name}`);
  send(world, stream);
  watch(world, stream);
}

/** Sends what the primary has and the standby may not. */
export function send(world: World, stream: Stream): void {
  const { primary, standby } = stream;
  if (stream.underWay || !stream.openAtPrimary || primary.data === undefined || standby.proc === undefined) return;
  const { network, engine } = world;
  const from = primary.machine.index;
  const to = standby.machine.index;
  if (!network.open(from, to)) return;
  const lsn = primary.data.position.lsn;
  stream.underWay = true;
  post(engine, standby.proc, network.haul(from, to), () => {
    stream.underWay = false;
    if (!stream.openAtStandby || standby.data === undefined) return;
    if (!network.open(from, to)) return;
    // Sent twice around a cut or a freeze, the older message must not take anything back.
    if (lsn >= standby.data.position.lsn) standby.data.position = { branch: stream.branch, lsn };
    confirm(world, stream);
    if (primary.data !== undefined && primary.data.position.lsn > lsn) send(world, stream);
  });
}

/** The standby tells what it has flushed. */
function confirm(world: World, stream: Stream): void {
  const { primary, standby } = stream;
  if (!stream.openAtStandby || standby.data === undefined || primary.proc === undefined) return;
  const { network, engine } = world;
  const from = standby.machine.index;
  const to = primary.machine.index;
  if (!network.open(from, to)) return;
  const lsn = standby.data.position.lsn;
  post(engine, primary.proc, network.haul(from, to), () => {
    if (!stream.openAtPrimary || !network.open(from, to)) return;
    if (lsn > stream.flushed) stream.flushed = lsn;
    stream.caughtUp = true;
    release(world, primary);
  });
}

/** Acknowledges what enough of the names have flushed. */
export function release(world: World, server: Server): void {
  if (server.waiting.length === 0 || !isPrimary(world, server)) return;
  const bound = flushedByEnough(server);
  let count = 0;
  while (count < server.waiting.length) {
    const commit = server.waiting[count];
    if (commit === undefined || commit.lsn > bound) break;
    count += 1;
    world.oracle.acknowledged(server, commit);
  }
  if (count > 0) server.waiting.splice(0, count);
}

function flushedByEnough(server: Server): number {
  if (server.need === 0) return Number.POSITIVE_INFINITY;
  const flushed: number[] = [];
  for (const stream of server.downstream) if (server.names.includes(stream.standby.machine.name)) flushed.push(stream.flushed);
  if (flushed.length === 0) return server.conf.mostAvailable ? Number.POSITIVE_INFINITY : 0;
  flushed.sort((a, b) => b - a);
  return flushed[server.need - 1] ?? 0;
}

/** The standby leaves; the primary hears of it if the network lets it. */
export function leave(world: World, server: Server): void {
  const stream = server.upstream;
  if (stream === undefined) return;
  stream.openAtStandby = false;
  server.upstream = undefined;
  server.streamEndedAt = world.engine.now;
  const { primary } = stream;
  if (primary.proc === undefined || !server.machine.powered) return;
  if (!world.network.open(server.machine.index, primary.machine.index)) return;
  post(world.engine, primary.proc, world.network.haul(server.machine.index, primary.machine.index), () => drop(primary, stream));
}

function drop(primary: Server, stream: Stream): void {
  stream.openAtPrimary = false;
  const at = primary.downstream.indexOf(stream);
  if (at >= 0) primary.downstream.splice(at, 1);
}

/** The primary ends its streams; the standbys hear of it if the network lets it. */
export function hangUp(world: World, primary: Server): void {
  for (const stream of primary.downstream) {
    stream.openAtPrimary = false;
    const { standby } = stream;
    if (standby.proc === undefined || !primary.machine.powered) continue;
    if (!world.network.open(primary.machine.index, standby.machine.index)) continue;
    const delay = world.network.haul(primary.machine.index, standby.machine.index);
    post(world.engine, standby.proc, delay, () => endOf(world, stream));
  }
  primary.downstream = [];
}

function endOf(world: World, stream: Stream): void {
  const { standby } = stream;
  if (standby.upstream !== stream) return;
  leave(world, standby);
  seek(world, standby);
}

/** Both ends expect to hear of each other; the one that does not gives up. */
function watch(world: World, stream: Stream): void {
  world.engine.after(watchEveryMs, () => {
    if (!stream.openAtPrimary && !stream.openAtStandby) return;
    const { primary, standby } = stream;
    const { network, engine } = world;
    const alive = (server: Server) => server.proc !== undefined && !server.proc.frozen && server.machine.powered;
    const from = primary.machine.index;
    const to = standby.machine.index;
    if (alive(primary) && stream.openAtPrimary && network.open(from, to)) stream.heardByStandby = engine.now;
    if (alive(standby) && stream.openAtStandby && network.open(to, from)) stream.heardByPrimary = engine.now;
    if (alive(standby) && engine.now - stream.heardByStandby > silenceMs) endOf(world, stream);
    if (alive(primary) && engine.now - stream.heardByPrimary > silenceMs) drop(primary, stream);
    watch(world, stream);
  });
}

/** After a cut has healed: both ends send again what was lost. */
export function resume(world: World): void {
  for (const machine of world.machines) {
    for (const stream of machine.server.downstream) {
      stream.underWay = false;
      send(world, stream);
      confirm(world, stream);
    }
  }
}
