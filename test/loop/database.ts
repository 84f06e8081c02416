/**
 * Model instances for loops under virtual time: a log of records, each with the term it was written in; streaming
 * from whichever listed peer is primary; synchronous names; connection locks; a promotion that takes a moment and
 * may not be called back. A commit is acknowledged when enough names have it. What the model leaves out (SQL, files,
 * tools) is tested on the real thing.
 */
import type { Instance, Role, ServerProcess } from '../../agent/core/model.ts';
import { isValid } from '../../agent/core/permit.ts';
import { failed, ok, type Result } from '../../agent/core/result.ts';
import type { InstancePort } from '../../agent/ports/instance.ts';
import type { VirtualClock } from './clock.ts';
import { emptyServer, type ModelServer, type WalRecord } from './server.ts';

export interface Database {
  server(name: string): ModelServer;
  port(name: string): InstancePort;
  /** Moves WAL and acknowledges; called every few milliseconds of virtual time. */
  step(): void;
  /** Writes one record on that server as a client would; it is acknowledged by a later step. */
  write(name: string): boolean;
  kill(name: string): void;
  acked: { id: number; by: string; at: number }[];
  cutPairs: Set<string>;
  servers: Map<string, ModelServer>;
}

const promoteMs = 40;
const base = 0x1000000;

/** `chance` says how likely a standby is to receive anything in one step; 1 is always, less lets standbys differ. */
export function createDatabase(clock: VirtualClock, members: { name: string; ip: string }[], chance: () => boolean): Database {
  const servers = new Map<string, ModelServer>();
  const waiting: { id: number; by: string; at: number; process: ServerProcess }[] = [];
  const acked: Database['acked'] = [];
  const cutPairs = new Set<string>();
  let ids = 0;
  let pids = 100;

  for (const { name, ip } of members) servers.set(name, emptyServer(name, ip));

  const server = (name: string): ModelServer => {
    const found = servers.get(name);
    if (found === undefined) throw new Error(`no server ${name}`);
    return found;
  };
  const up = (one: ModelServer): boolean =>
    one.process !== undefined && !one.frozen && clock.now() - one.startedAt >= one.startMs;
  const isPrimary = (one: ModelServer): boolean => up(one) && (one.role === 'Primary' || one.role === 'Normal');
  const linked = (a: string, b: string): boolean => !cutPairs.has(`${a} ${b}`) && !cutPairs.has(`${b} ${a}`);
  const wal = (one: ModelServer): WalRecord[] => one.data?.wal ?? [];
  const lsnOf = (one: ModelServer): bigint => BigInt(base + wal(one).length * 0x100);
  const termOf = (one: ModelServer): number => wal(one).at(-1)?.term ?? 0;

  /** Logs are copied from their beginning: what is the same at one place is the same at all before. */
  function prefix(a: WalRecord[], b: WalRecord[]): boolean {
    return a.length <= b.length && a.at(-1)?.id === b[a.length - 1]?.id;
  }

  /** Numbers rise along a log. */
  function holds(log: WalRecord[], id: number): boolean {
    return log.findLast((record) => record.id <= id)?.id === id;
  }

  function diverged(one: ModelServer): boolean {
    return [...servers.values()].some(
      (other) =>
        other.name !== one.name &&
        isPrimary(other) &&
        linked(one.name, other.name) &&
        allowed(one, other) &&
        termOf(other) >= termOf(one) &&
        !prefix(wal(one), wal(other)),
    );
  }

  function allowed(standby: ModelServer, primary: ModelServer): boolean {
    return standby.data?.lock === undefined || standby.data.lock.host === primary.ip;
  }

  function upstream(standby: ModelServer): ModelServer | undefined {
    return [...servers.values()].find(
      (other) =>
        other.name !== standby.name &&
        isPrimary(other) &&
        linked(standby.name, other.name) &&
        allowed(standby, other) &&
        standby.peers.includes(other.name) &&
        other.data?.systemId === standby.data?.systemId &&
        prefix(wal(standby), wal(other)),
    );
  }

  function step(): void {
    for (const one of servers.values()) {
      if (!up(one) || one.role !== 'Standby') continue;
      const from = upstream(one);
      if (one.streamsFrom !== undefined && from === undefined) one.streamEndedAt = clock.now();
      one.streamsFrom = from?.name;
      if (from !== undefined && one.data !== undefined && chance()) one.data.wal.push(...wal(from).slice(wal(one).length));
    }
    for (let at = waiting.length - 1; at >= 0; at -= 1) {
      const commit = waiting[at];
      if (commit === undefined) continue;
      const writer = server(commit.by);
      if (writer.process !== commit.process) {
        waiting.splice(at, 1);
        continue;
      }
      if (!up(writer) || !satisfied(writer, commit.id)) continue;
      acked.push({ id: commit.id, by: commit.by, at: clock.now() });
      waiting.splice(at, 1);
    }
  }

  function satisfied(writer: ModelServer, id: number): boolean {
    const match = /^ANY (\d+) \((.*)\)$/.exec(writer.syncNames);
    if (match === null) return true;
    const names = (match[2] ?? '').split(',').map((name) => name.trim().replace(/"/g, ''));
    const have = names.filter((name) => {
      const standby = servers.get(name);
      return standby !== undefined && standby.streamsFrom === writer.name && holds(wal(standby), id);
    });
    return have.length >= Number(match[1]);
  }

  function append(one: ModelServer, term: number): number {
    ids += 1;
    one.data?.wal.push({ id: ids, term });
    return ids;
  }

  function ended(one: ModelServer): void {
    const process = one.process;
    if (process === undefined) return;
    const role = one.role;
    one.process = undefined;
    one.streamsFrom = undefined;
    for (const listener of one.exits) listener({ process, role, at: clock.now() });
  }

  function look(one: ModelServer): Instance {
    if (one.data === undefined) return { is: 'empty' };
    const { wal: _wal, lock, ...data } = one.data;
    if (one.process === undefined) return { is: 'stopped', data, exit: undefined };
    if (one.frozen) return { is: 'hung', process: one.process, since: clock.now(), last: one.role, data };
    if (!up(one)) return { is: 'starting', process: one.process, since: one.startedAt, data };
    const running = { process: one.process, role: one.role, data };
    if (one.role === 'Pending') return { is: 'pending', ...running, state: 'Need repair', detail: 'Disconnected' };
    if (one.role === 'Standby') {
      const streams = one.streamsFrom !== undefined;
      const detail = streams ? 'Normal' : diverged(one) ? 'WAL segment removed' : 'Connecting...';
      const redoFinished = !streams && one.redoStands !== true && clock.now() - one.streamEndedAt > 100;
      return {
        is: 'standby',
        ...running,
        state: streams ? 'Normal' : 'Need repair',
        detail,
        term: termOf(one),
        received: streams ? lsnOf(one) : undefined,
        replayed: lsnOf(one),
        receiver: streams ? { from: `${server(one.streamsFrom ?? '').ip}:5433`, state: 'Normal' } : undefined,
        lock: {
          mode: lock === undefined ? 'polling_connection' : 'specify_connection',
          host: lock?.host,
          port: lock?.port,
          redoFinished,
        },
      };
    }
    const senders = [...servers.values()]
      .filter((other) => other.streamsFrom === one.name)
      .map((other) => ({
        name: other.name,
        state: 'Streaming' as const,
        sync: 'Quorum' as const,
        sent: lsnOf(other),
        flushed: lsnOf(other),
        replayed: lsnOf(other),
      }));
    return {
      is: 'primary',
      ...running,
      state: 'Normal',
      detail: 'Normal',
      written: lsnOf(one),
      senders,
      syncNames: one.syncNames,
      mostAvailableSync: one.mostAvailable,
      readOnly: one.readOnly,
      writable: !one.readOnly,
    };
  }

  function port(name: string): InstancePort {
    const one = server(name);
    /** What this agent heard last of the running process, and since when it has heard nothing. */
    let heard: { process: ServerProcess; role: Role; silentSince: number | undefined } | undefined;
    let doomed: ServerProcess | undefined;
    function hear(seen: Instance): Instance {
      if (!('process' in seen)) return seen;
      if (heard?.process !== seen.process) heard = { process: seen.process, role: 'Unknown', silentSince: undefined };
      if (seen.is !== 'hung') {
        if ('role' in seen) heard = { ...heard, role: seen.role, silentSince: undefined };
        return seen;
      }
      heard.silentSince ??= clock.now();
      const killed = doomed === seen.process ? { killed: true as const } : {};
      return { ...seen, last: heard.role, since: heard.silentSince, ...killed };
    }
    const pause = (ms: number) => clock.until(clock.now() + ms);
    const fault = (detail: string) => failed<never>({ of: 'sql', kind: 'refused', done: 'no', detail });
    const quick = async (effect: () => void): Promise<Result<void>> => {
      await pause(2);
      if (!up(one)) return fault('the server does not answer');
      effect();
      return ok();
    };
    return {
      async observe() {
        one.looks += 1;
        await pause(1);
        return hear(look(one));
      },
      onExit: (listener) => void one.exits.push(listener),
      async initialise() {
        await pause(800);
        one.data = {
          systemId: '42',
          dataId: `data-${name}`,
          promotedTerm: 0,
          clusterState: 'shut down',
          wal: [{ id: 0, term: 1 }],
          lock: undefined,
        };
        return ok({ systemId: '42' });
      },
      async start(mode, frozen) {
        await pause(1);
        if (frozen !== undefined && one.data !== undefined) one.data.lock = { host: frozen.host, port: frozen.haPort };
        pids += 1;
        one.process = { pid: pids, startTime: String(clock.now()) };
        one.startedAt = clock.now();
        one.streamEndedAt = clock.now();
        one.role = mode === 'pending' ? 'Pending' : 'Standby';
        one.starts += 1;
        const { process, livesMs } = one;
        if (livesMs !== undefined) void pause(livesMs).then(() => one.process === process && ended(one));
        return ok(one.process);
      },
      async kill(deadlineMs) {
        await pause(2);
        if (one.undying === true) {
          doomed = one.process;
          one.frozen = true;
          await pause(deadlineMs);
          return fault('it is not gone after SIGKILL');
        }
        ended(one);
        return ok();
      },
      async stop() {
        await pause(100);
        ended(one);
        return ok();
      },
      async promote({ permit, names }) {
        if (!isValid(permit, clock.now())) return fault('the permit has ended');
        const process = one.process;
        if (one.data !== undefined) one.data.promotedTerm = permit.term;
        one.syncNames = names;
        // The tool may be gone by then; the server goes on all the same.
        await pause(promoteMs);
        if (one.process !== process || process === undefined) return fault('the server is gone');
        one.role = 'Primary';
        one.streamsFrom = undefined;
        return ok();
      },
      notifyStandby: () =>
        quick(() => {
          one.role = 'Standby';
        }),
      writeTerm: (permit) => quick(() => void append(one, permit.term)),
      pointAt: (peer) =>
        quick(() => {
          if (one.data !== undefined) one.data.lock = { host: peer.host, port: peer.haPort };
          if (one.streamsFrom !== undefined) one.streamEndedAt = clock.now();
          one.streamsFrom = undefined;
        }),
      unlock: () =>
        quick(() => {
          if (one.data !== undefined) one.data.lock = undefined;
        }),
      async configure(wanted) {
        const peers = wanted.peers.map((peer) => peer.name);
        const changed = peers.join() !== one.peers.join();
        one.peers = peers;
        if (wanted.silent === true && one.role !== 'Primary') one.syncNames = 'ANY 1 ("nobody-yet")';
        return ok({ changed });
      },
      setSync: (order) =>
        quick(() => {
          one.syncNames = order.names;
          one.mostAvailable = order.mostAvailable;
        }),
      async setReadOnly(on) {
        await pause(2);
        if (one.refusedSwitches !== undefined) {
          one.refusedSwitches += 1;
          return fault('ENOSPC: no space left on device');
        }
        // A commit that was under way when the switch came.
        if (on) write(name);
        one.readOnly = on;
        return ok();
      },
      settleUsers: () => quick(() => {}),
      async build({ from }) {
        ended(one);
        await pause(500);
        const source = server(from.name);
        if (!isPrimary(source) || source.data === undefined) return fault('no primary to build from');
        one.data = {
          ...source.data,
          dataId: `data-${name}-${clock.now()}`,
          promotedTerm: 0,
          wal: [...source.data.wal],
          lock: undefined,
        };
        return ok();
      },
      close: async () => {},
    };
  }

  function write(name: string): boolean {
    const one = server(name);
    if (!isPrimary(one) || one.readOnly || one.dry === true || one.process === undefined) return false;
    const term = one.data?.promotedTerm ?? 0;
    waiting.push({ id: append(one, term), by: name, at: clock.now(), process: one.process });
    return true;
  }

  return {
    server,
    port,
    step,
    write,
    kill: (name) => ended(server(name)),
    acked,
    cutPairs,
    servers,
  };
}
