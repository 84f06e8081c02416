/**
 * Looks at the local instance and says which of its shapes it has. A look has a deadline and changes nothing. While
 * a server runs the data volume is not touched: a look at a primary on a hung volume must still end.
 */
import { isSame } from '../../core/acting.ts';
import { parseLsn } from '../../core/lsn.ts';
import type { DataState, Instance, Mono, Role, ServerProcess } from '../../core/model.ts';
import { type Fault, ok, type Result } from '../../core/result.ts';
import { createDataReader, type DataDirectory } from './datadir.ts';
import type { InstanceOptions } from './options.ts';
import type { ServerKeeper } from './process.ts';
import { type Row, type Session, silenceOf, textOf } from './sql.ts';
import { loneStatusSql, parseStatus, saysLone, type Status, statusSql, withoutLock } from './status.ts';

/** What is remembered of the one process that runs: answers, silence, and the data it was started on. */
interface Memory {
  process: ServerProcess;
  seenAt: Mono;
  answered: boolean;
  silentSince: Mono | undefined;
  role: Role;
  /** The last refusal that was logged, so that it is logged once. */
  said: string | undefined;
  /** Whether this version has gs_get_recv_locations(): 3.0 and 6.0 do, 5.0 and 5.1 do not. */
  tellsEnd: boolean | undefined;
  /** The senders that have had an acknowledgement. */
  heard: ReadonlySet<string>;
  /** It has no replconninfo, and cannot be asked for its lock. */
  lone: boolean;
}

export interface Observer {
  observe(deadlineMs: number): Promise<Instance>;
  /** This adapter has changed the identity of the data under a running server. */
  adjust(change: Partial<DataState>): void;
  /** The data directory is not what it was. */
  forget(): void;
}

/** The data state of a server whose directory could not be read yet. */
const unread: DataState = { systemId: '', dataId: undefined, promotedTerm: 0, clusterState: 'unknown' };

/** For so long after an end the data is told as it was known: reading it anew runs a program, on the path of a failover. */
const remembersMs = 1_000;

/** How long the first look at an adopted server waits for its data directory to be read. */
const firstReadMs = 300;

/** Observes the instance of one data directory. */
export function createObserver(options: InstanceOptions, keeper: ServerKeeper, session: Session): Observer {
  const reader = createDataReader(options);
  let memory: Memory | undefined;
  let data: DataState | undefined;
  let reading: Promise<void> | undefined;
  let endedAt: Mono = Number.NEGATIVE_INFINITY;

  async function observe(deadlineMs: number): Promise<Instance> {
    const end = options.clock.now() + deadlineMs;
    const found = await keeper.find();
    if (!found.ok) return found.fault.of === 'disk' ? volumeMute(found.fault) : blind(found.fault);
    if (found.value === undefined) return whenDown(end);
    return whenUp(found.value, end);
  }

  async function whenDown(end: Mono): Promise<Instance> {
    if (memory !== undefined) endedAt = options.clock.now();
    memory = undefined;
    session.drop();
    // Whose data it was is known, only its state has changed.
    if (data !== undefined && options.clock.now() < endedAt + remembersMs)
      return { is: 'stopped', data, exit: keeper.lastExit() };
    const directory = await reader.inspect(Math.max(100, end - options.clock.now()));
    if (!directory.ok) return volumeMute(directory.fault);
    return stoppedOr(directory.value);
  }

  function stoppedOr(directory: DataDirectory): Instance {
    if (directory.is !== 'data') {
      data = undefined;
      return directory;
    }
    data = directory.data;
    return { is: 'stopped', data: directory.data, exit: keeper.lastExit() };
  }

  async function whenUp(process: ServerProcess, end: Mono): Promise<Instance> {
    const now = options.clock.now();
    const same = isSame(memory?.process, process);
    const mind = same && memory !== undefined ? memory : fresh(process, now);
    if (!same) session.drop();
    memory = mind;
    if (keeper.isDoomed(process)) return { is: 'hung', process, data, since: now, last: mind.role, killed: true };
    if (data === undefined) await Promise.race([learnData(), options.clock.until(now + firstReadMs)]);
    const answer = await ask(mind, () => Math.max(10, end - options.clock.now()));
    if (!answer.ok) return whenSilent(mind, answer.fault, now);
    const status = parseStatus(answer.value, mind.heard);
    if (status === undefined)
      return whenSilent(mind, { of: 'sql', kind: 'malformed', done: 'no', detail: 'the status has no row' }, now);
    mind.answered = true;
    mind.silentSince = undefined;
    mind.role = status.role;
    mind.heard = status.heard;
    keeper.remember(status.role);
    await findEndOfWal(mind, status, end);
    return running(process, status, data ?? unread, mind.seenAt);
  }

  async function ask(mind: Memory, leftMs: () => number): Promise<Result<Row[][]>> {
    if (!mind.lone) {
      const answer = await session.query(statusSql, leftMs());
      if (answer.ok || !saysLone(answer.fault.detail)) return answer;
    }
    const answer = await session.query(loneStatusSql, leftMs());
    const told = answer.ok ? withoutLock(answer.value) : undefined;
    if (answer.ok) mind.lone = told !== undefined;
    if (told !== undefined) return ok(told);
    return answer.ok ? await session.query(statusSql, leftMs()) : answer;
  }

  /** The receive location is NULL once the stream has ended; from 6.0 on the server can still tell the end of its WAL. */
  async function findEndOfWal(mind: Memory, status: Status, end: Mono): Promise<void> {
    if (status.role !== 'Standby' || status.standby.received !== undefined) return;
    const left = (): number => Math.max(10, end - options.clock.now());
    if (mind.tellsEnd === undefined) {
      const found = await session.query("select 1 from pg_proc where proname = 'gs_get_recv_locations'", left());
      if (!found.ok) return;
      mind.tellsEnd = found.value[0]?.length === 1;
    }
    if (!mind.tellsEnd) return;
    const told = await session.query('select received_lsn from gs_get_recv_locations()', left());
    if (told.ok) status.standby.received = parseLsn(textOf(told.value[0]?.[0]?.['received_lsn']));
  }

  /** The identity is only changed by this adapter and the system id never, so that one reading per process is enough. */
  function learnData(): Promise<void> {
    reading ??= reader.inspect(2_000).then((directory) => {
      reading = undefined;
      if (directory.ok && directory.value.is === 'data') data = directory.value.data;
    });
    return reading;
  }

  async function whenSilent(mind: Memory, fault: Fault, now: Mono): Promise<Instance> {
    // The process may have ended under the question; then its exit is the news, not its silence.
    const still = await keeper.find();
    if (still.ok && still.value?.pid !== mind.process.pid) return whenDown(now + 500);
    mind.silentSince ??= now;
    const silence = silenceOf(fault);
    const known = { process: mind.process, data };
    if (mind.said !== fault.detail) options.note('debug', 'the server does not answer', { fault, pid: mind.process.pid });
    mind.said = fault.detail;
    if (silence === 'starting') return { is: 'starting', ...known, since: mind.answered ? mind.silentSince : mind.seenAt };
    if (!mind.answered && silence !== 'mute') return { is: 'starting', ...known, since: mind.seenAt };
    return { is: 'hung', ...known, since: mind.silentSince, last: mind.role };
  }

  function volumeMute(fault: Fault): Instance {
    return {
      is: 'unusable',
      detail: fault.detail,
      hint: 'The data volume does not answer or cannot be read; look at the node and its storage.',
    };
  }

  /** No server is known, and whether one runs all the same cannot be told: somebody may have to be waited for (I2). */
  function blind(fault: Fault): Instance {
    return {
      is: 'unusable',
      detail: fault.detail,
      hint: 'Whether a server runs here cannot be told: look at the open files, the memory and the hung processes of the node.',
      blind: true,
    };
  }

  function adjust(change: Partial<DataState>): void {
    if (data !== undefined) data = { ...data, ...change };
  }

  function forget(): void {
    memory = undefined;
    data = undefined;
  }

  return { observe, adjust, forget };
}

function fresh(process: ServerProcess, now: Mono): Memory {
  return {
    process,
    seenAt: now,
    answered: false,
    silentSince: undefined,
    role: 'Unknown',
    said: undefined,
    tellsEnd: undefined,
    lone: false,
    heard: new Set(),
  };
}

/** The shape of a server that answered. */
export function running(process: ServerProcess, status: Status, data: DataState, seenAt: Mono): Instance {
  const common = { process, role: status.role, state: status.state, detail: status.detail, data };
  switch (status.role) {
    case 'Primary':
    case 'Normal':
      return { is: 'primary', ...common, ...status.primary };
    case 'Pending':
      return { is: 'pending', ...common };
    case 'Standby':
    case 'Cascade Standby':
    case 'Main Standby':
      return { is: 'standby', ...common, ...status.standby };
    case 'Unknown':
      return { is: 'starting', process, since: seenAt, data };
  }
}
