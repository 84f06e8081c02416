/**
 * Rules that oracles check on the record and the servers as they are, by trying all sets of voters: small clusters make
 * that cheap. Each returns what is wrong, or undefined.
 */
import type { LeaseRecord, Request } from '../../agent/core/model.ts';
import type { Commit, Machine, Server } from './model.ts';
import { type Branch, contains } from './wal.ts';

export interface Acked {
  branch: Branch;
  lsn: number;
  by: string;
  at: number;
}

/** Written once more, on purpose: the judge must not use the judged one's own rule. */
export function mayDecide(record: LeaseRecord, voters: Machine[]): boolean {
  if (record.syncMode === 'off') return true;
  const dataOf = (name: string) => voters.find((machine) => machine.name === name)?.server.data?.dataId;
  const has = (name: string) => voters.some((machine) => machine.name === name);
  return record.entries.every(({ primary, dataId, names, w }) => {
    if (has(primary) && dataOf(primary) === dataId) return true;
    const missing = names.filter((name) => !has(name)).length;
    return w > 0 && missing < w;
  });
}

/** Whether those who have not promised to wait that long for the holder could decide on another one. */
export function anotherMayLead(machines: Machine[], holder: Machine, record: LeaseRecord, seconds: number): boolean {
  const free = machines.filter((machine) => {
    const promise = machine.records.promise;
    const bound = promise?.holder === record.holder && promise.term === record.term && promise.durationMs / 1000 >= seconds;
    return machine !== holder && !bound;
  });
  return free.length > 0 && mayDecide(record, free);
}

function* subsets(machines: Machine[]): Generator<Machine[]> {
  for (let mask = 0; mask < 1 << machines.length; mask += 1) yield machines.filter((_, at) => (mask & (1 << at)) !== 0);
}

const named = (machines: Machine[]): string => machines.map((machine) => machine.name).join(', ') || 'nobody';

/** S13: every set of acknowledgements that the primary takes meets every set of votes that the record takes. */
export function setsMeet(machines: Machine[], primary: Machine, record: LeaseRecord): string | undefined {
  const { server } = primary;
  const names = machines.filter((machine) => server.names.includes(machine.name));
  const need = server.conf.mostAvailable ? 0 : server.need;
  if (need > names.length) return undefined;
  for (const voters of subsets(machines.filter((machine) => machine !== primary))) {
    const missed = names.filter((machine) => !voters.includes(machine)).length;
    if (need > 0 && missed < need) continue;
    if (!mayDecide(record, voters)) continue;
    return `${primary.name} acknowledges by ${server.conf.names || 'itself'}${server.conf.mostAvailable ? ' or alone' : ''}, and ${named(voters)} may vote without it`;
  }
  return undefined;
}

/** S6, before it is too late: every set of votes holds every row that was acknowledged. */
export function votersHoldAll(machines: Machine[], record: LeaseRecord, acked: Acked[]): string | undefined {
  if (acked.length === 0) return undefined;
  const whole = machines.filter((machine) => {
    const data = machine.server.data;
    if (data === undefined || data.unfinished !== undefined) return false;
    return acked.every((ack) => contains(data.position, ack.branch, ack.lsn));
  });
  const behind = machines.filter((machine) => {
    const data = machine.server.data;
    return data !== undefined && data.unfinished === undefined && !whole.includes(machine);
  });
  // The largest set without any of the whole ones says it for all smaller ones.
  if (!mayDecide(record, behind)) return undefined;
  return `${named(behind)} may vote, and none of them has all that was acknowledged`;
}

/** Nobody takes a lease without a vote set in reach. `reach` says who can answer the taker now. */
export function votesInReach(machines: Machine[], record: LeaseRecord, reach: (machine: Machine) => boolean): string | undefined {
  const able = machines.filter(reach);
  return mayDecide(record, able) ? undefined : `only ${named(able)} can answer`;
}

/** No commit of a term is acknowledged before W of the names have that term in their WAL. */
export function termCarried(server: Server, commit: Commit): string | undefined {
  const mark = server.data?.position.branch.terms[0];
  if (mark === undefined) return 'its term is not in its WAL yet';
  if (server.need === 0) return undefined;
  let carriers = 0;
  for (const stream of server.downstream) {
    if (server.names.includes(stream.standby.machine.name) && stream.flushed >= Math.max(mark.at, commit.lsn)) carriers += 1;
  }
  return carriers >= server.need ? undefined : `${carriers} of ${server.need} standbys have its term in their WAL`;
}

/** People have been told what may be lost by this member's take-over, and have accepted it; once it is over, nothing more. */
export function isLossAccepted(request: Request | undefined, member: string): boolean {
  if (request?.kind !== 'failover' || request.target !== member) return false;
  return request.phase === 'running' && request.options['lost'] !== undefined;
}
