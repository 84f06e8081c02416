/**
 * The life of a model gaussdb: start, crash recovery, roles, promotion with its traps (lost requests, late success),
 * kill, freeze, and the commits of clients. Nothing here knows agents; the port in instance.ts does what gs_ctl, SQL and
 * files would do. What the model leaves out (SQL, files, tools' output) is tested on the stand-in and the real thing.
 */
import { newProc, post } from './process.ts';
import { hangUp, isPrimary, isUp, leave, release, seek, send } from './stream.ts';
import type { Branch } from './wal.ts';
import type { Data, Machine, Server, World } from './model.ts';

const recordBytes = 0x100;

/** A machine's server before anything has happened. */
export function newServer(machine: Machine): Server {
  return {
    machine,
    data: undefined,
    conf: { names: '', mostAvailable: false, readOnly: false, peers: [] },
    proc: undefined,
    process: undefined,
    doomed: false,
    role: 'Unknown',
    upAt: 0,
    term: 0,
    need: 0,
    names: [],
    upstream: undefined,
    downstream: [],
    waiting: [],
    streamEndedAt: 0,
    sticky: undefined,
    promotingTerm: undefined,
    slowRedoUntil: 0,
    seeking: false,
    work: 0,
    exits: [],
  };
}

let pids = 100;
let branches = 0;

/** Numbers begin anew with each world, so that a story reads the same each time. */
export function resetNumbers(): void {
  pids = 100;
  branches = 0;
}

/** Starts the process; what it finds in its directory may end it at once. */
export function startServer(world: World, server: Server, mode: 'standby' | 'pending', who: 'agent' | 'person' = 'agent'): void {
  const { engine, dice } = world;
  const { data, machine } = server;
  if (data === undefined) return;
  if (who === 'agent') world.oracle.started(server);
  server.work += 1;
  pids += 1;
  const proc = newProc();
  server.proc = proc;
  server.process = { pid: pids, startTime: String(Math.round(engine.now)) };
  server.doomed = false;
  server.role = mode === 'pending' ? 'Pending' : 'Standby';
  const recovery = data.clusterState === 'in production' ? dice.between(20, 400) : 0;
  server.upAt = engine.now + dice.between(20, 80) + recovery;
  server.streamEndedAt = server.upAt;
  server.sticky = undefined;
  server.promotingTerm = undefined;
  server.seeking = false;
  server.term = 0;
  applyNames(server);
  data.clusterState = 'in archive recovery';
  world.tell?.(machine.name, `the server starts as ${mode}, pid ${pids}`);
  if (data.unfinished !== undefined || machine.weak.startFails) {
    post(engine, proc, dice.between(10, 60), () => end(world, server));
    return;
  }
  if (mode === 'standby') seek(world, server, server.upAt - engine.now);
}

const parsedNames = new Map<string, { need: number; names: string[] }>();

/** synchronous_standby_names as they are in force from now on. */
export function applyNames(server: Server): void {
  let parsed = parsedNames.get(server.conf.names);
  if (parsed === undefined) {
    const match = /^ANY (\d+) \((.*)\)$/.exec(server.conf.names);
    const names = (match?.[2] ?? '').split(',').map((name) => name.trim().replace(/"/g, ''));
    parsed = match === null ? { need: 0, names: [] } : { need: Number(match[1]), names };
    if (parsedNames.size > 5000) parsedNames.clear();
    parsedNames.set(server.conf.names, parsed);
  }
  server.need = parsed.need;
  server.names = parsed.names;
}

/** The request of gs_ctl failover or notify has reached the server, or is lost. */
export function requestPromotion(world: World, server: Server, term: number): void {
  const { engine, dice } = world;
  const { weak } = server.machine;
  if (!isUp(world, server) || server.proc === undefined || server.promotingTerm !== undefined) return;
  if (server.role !== 'Standby' && server.role !== 'Pending') return;
  // A request right after a start can be lost; so can any, rarely.
  if (dice.chance(weak.promotionLost) || (engine.now - server.upAt < 100 && dice.chance(0.3))) {
    world.counters.count('trap', 'promotion request lost');
    return;
  }
  server.promotingTerm = term;
  leave(world, server);
  const { proc } = server;
  const redo = Math.max(0, server.slowRedoUntil - engine.now);
  post(engine, proc, redo + weak.promotionMs * dice.between(0.3, 1), () => {
    if (server.proc === proc && !server.doomed) become(world, server, term);
  });
}

/** The role is taken on; from now on it writes. The lock is ignored and left behind. */
function become(world: World, server: Server, term: number): void {
  const { data, machine } = server;
  if (data === undefined) return;
  branches += 1;
  const branch: Branch = {
    id: branches,
    parent: data.position.branch,
    from: data.position.lsn,
    writer: machine.name,
    promotedTerm: term,
    begunAt: world.engine.now,
    terms: [],
  };
  server.promotingTerm = undefined;
  server.role = 'Primary';
  server.term = term;
  server.downstream = [];
  server.waiting = [];
  applyNames(server);
  world.oracle.promoted(server, term);
  data.position = { branch, lsn: data.position.lsn + recordBytes };
  data.clusterState = 'in production';
  world.tell?.(machine.name, `is primary, term ${term}, names ${server.conf.names || 'none'}`);
}

/** Something that only the server itself writes. */
export function append(world: World, server: Server): number {
  const { data } = server;
  if (data === undefined) return 0;
  data.position.lsn += recordBytes;
  for (const stream of server.downstream) send(world, stream);
  return data.position.lsn;
}

/** gs_write_term_log(). */
export function writeTerm(world: World, server: Server): void {
  const { data } = server;
  if (data === undefined) return;
  data.position.branch.terms.push({ at: data.position.lsn + recordBytes, term: server.term });
  append(world, server);
}

/** A client commits; it is acknowledged when enough standbys have it, if ever. */
export function commit(world: World, server: Server): boolean {
  if (!isPrimary(world, server) || server.proc?.frozen !== false || server.conf.readOnly) return false;
  if (server.waiting.length < 200) {
    const lsn = append(world, server);
    server.waiting.push({ lsn, at: world.engine.now });
    release(world, server);
  }
  return true;
}

/** SIGKILL: acknowledges nothing from now on; the process is gone once it is reaped. */
export function kill(world: World, server: Server): void {
  if (server.proc === undefined || server.doomed) return;
  server.doomed = true;
  server.waiting = [];
  const { proc } = server;
  world.engine.after(world.dice.between(0.5, 2) + server.machine.weak.reapMs, () => {
    if (server.proc === proc) end(world, server);
  });
}

/** The process is gone, whatever ended it. */
export function end(world: World, server: Server): void {
  const { proc, process, role, machine } = server;
  if (proc === undefined || process === undefined) return;
  proc.dead = true;
  server.waiting = [];
  leave(world, server);
  hangUp(world, server);
  server.proc = undefined;
  server.process = undefined;
  server.doomed = false;
  server.seeking = false;
  server.promotingTerm = undefined;
  world.oracle.ended();
  world.tell?.(machine.name, `the server has ended (${role})`);
  if (machine.powered) world.serverEnded(machine, process, role);
}

/** A copy of somebody's data at this moment. */
export function copyOf(source: Data, dataId: string | undefined, promotedTerm: number): Data {
  return {
    systemId: source.systemId,
    dataId,
    promotedTerm,
    clusterState: 'in archive recovery',
    position: { ...source.position },
    lock: undefined,
    unfinished: undefined,
  };
}
