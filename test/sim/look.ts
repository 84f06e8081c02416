/** What a look at a model server shows: the Instance that the real adapter would report. */
import type { DataState, Instance, Sender, StandbyInstance } from '../../agent/core/model.ts';
import { isHeard } from '../../agent/adapters/gauss/status.ts';
import type { Mind } from './instance.ts';
import type { Server, Stream, World } from './model.ts';
import { bootTime } from './process.ts';
import { isUp } from './stream.ts';
import { termAt } from './wal.ts';

/** The shape of that server for an agent that remembers this; `silent` when nothing has answered since it began to look. */
export function lookAt(world: World, server: Server, mind: Mind, silent: boolean, startedAt: number): Instance {
  const now = bootTime(world.engine, server.machine.clock);
  const { data, process } = server;
  if (process === undefined) {
    if (silent) return { is: 'unusable', detail: 'the volume does not answer', hint: 'Look at the node.' };
    if (data === undefined) return { is: 'empty' };
    if (data.unfinished !== undefined) return { is: 'unfinished', mode: data.unfinished };
    return { is: 'stopped', data: stateOf(server), exit: mind.exit };
  }
  if (mind.pid !== process.pid) {
    mind.pid = process.pid;
    mind.seenAt = now;
    mind.answered = false;
    mind.silentSince = undefined;
    mind.role = 'Unknown';
  }
  if (data === undefined) return { is: 'empty' };
  if (silent || server.doomed || server.proc?.frozen === true) {
    mind.silentSince ??= startedAt;
    return { is: 'hung', process, since: mind.silentSince, last: mind.role, data: stateOf(server) };
  }
  if (!isUp(world, server)) return { is: 'starting', process, since: mind.seenAt, data: stateOf(server) };
  mind.answered = true;
  mind.silentSince = undefined;
  mind.role = server.role;
  if (server.role === 'Pending') {
    return { is: 'pending', process, role: 'Pending', state: 'Need repair', detail: 'Disconnected', data: stateOf(server) };
  }
  return server.role === 'Standby' ? standby(world, server) : primary(server);
}

function stateOf(server: Server): DataState {
  const { systemId = '', dataId, promotedTerm = 0, clusterState = '' } = server.data ?? {};
  return { systemId, dataId, promotedTerm, clusterState };
}

function standby(world: World, server: Server): StandbyInstance {
  const { engine } = world;
  const stream = server.upstream;
  const data = server.data as NonNullable<Server['data']>;
  const since = engine.now - server.streamEndedAt;
  const lsn = BigInt(data.position.lsn);
  const behind = engine.now < server.slowRedoUntil;
  const receiving = stream !== undefined;
  return {
    is: 'standby',
    process: server.process as NonNullable<Server['process']>,
    role: 'Standby',
    state: server.promotingTerm !== undefined ? 'Promoting' : receiving ? 'Normal' : 'Need repair',
    detail: receiving ? 'Normal' : (server.sticky ?? (since % 1000 < 500 ? 'Connecting...' : 'Disconnected')),
    data: stateOf(server),
    term: termAt(data.position),
    received: receiving || since < 50 ? lsn : undefined,
    // Replay is behind while redo is slow; what was received is what counts once it has finished.
    replayed: behind ? lsn - 0x200n : lsn,
    receiver: stream === undefined ? undefined : { from: `${stream.primary.machine.ip}:5433`, state: 'Normal' },
    lock: {
      mode: data.lock === undefined ? 'polling_connection' : 'specify_connection',
      host: data.lock?.host,
      port: data.lock?.port,
      redoFinished: !receiving && !behind && since > server.machine.weak.redoMs,
    },
  };
}

function primary(server: Server): Instance {
  const data = server.data as NonNullable<Server['data']>;
  const senders = server.downstream.map((stream) => senderOf(server, stream, BigInt(data.position.lsn)));
  return {
    is: 'primary',
    process: server.process as NonNullable<Server['process']>,
    role: 'Primary',
    state: 'Normal',
    detail: 'Normal',
    data: stateOf(server),
    written: BigInt(data.position.lsn),
    senders,
    syncNames: server.conf.names,
    mostAvailableSync: server.conf.mostAvailable,
    readOnly: server.conf.readOnly,
    writable: !server.conf.readOnly,
  };
}

/** A row as the server prints it, where nothing acknowledged reads as all that was sent, and what the adapter believes of it. */
function senderOf(server: Server, stream: Stream, sent: bigint): Sender {
  const { name } = stream.standby.machine;
  const flushed = stream.caughtUp ? BigInt(stream.flushed) : sent;
  const sync = stream.caughtUp && server.names.includes(name) ? 'Quorum' : 'Async';
  const told = isHeard({ sent, flushed, sync }, stream.heard);
  stream.heard = told.next;
  const positions = told.now ? { flushed, replayed: flushed } : { flushed: undefined, replayed: undefined };
  return { name, state: 'Streaming', sync, sent, ...positions };
}
