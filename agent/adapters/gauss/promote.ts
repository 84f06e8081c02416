/**
 * Promotion, and the word to a pending server. gs_ctl is only the messenger: it runs in the background, its exit code
 * is not believed, and the role is asked for by SQL every 10 ms. The term stands in the data directory, durably,
 * before anything is asked for, so that whoever finds this data later knows which promotion it has seen.
 */
import { join } from 'node:path';
import { isPrimaryRole, isSame } from '../../core/acting.ts';
import type { Mono, ServerProcess, Term } from '../../core/model.ts';
import { isValid, type LeaderPermit } from '../../core/permit.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { Configurer } from './configure.ts';
import { removeFiles } from './files.ts';
import { writePromotedTerm } from './identity.ts';
import type { InstanceOptions } from './options.ts';
import type { ServerKeeper } from './process.ts';
import { type Session, textOf, truthOf } from './sql.ts';
import { type ToolResult, runTool } from './tool.ts';

/** Between two looks at the role. */
const lookEveryMs = 10;

/** A role question that takes longer is put again on a new connection; promotion cuts some. */
const questionMs = 500;

/** How long the synchronous names may take to be in force before the promotion is asked for. */
const namesMs = 2_000;

/** A gs_ctl that comes back at once is not run at once again. */
const askEveryMs = 200;

/** A request is renewed by gs_ctl each second for this long, then asked anew. */
const requestSeconds = 30;

export interface Promotion {
  permit: LeaderPermit;
  names: string;
  deadline: Mono;
}

export interface Promoter {
  promote(order: Promotion): Promise<Result<void>>;
  notifyStandby(term: Term, deadlineMs: number): Promise<Result<void>>;
}

interface Parts {
  options: InstanceOptions;
  keeper: ServerKeeper;
  configurer: Configurer;
  session: Session;
  /** The data now carries this promotion's term. */
  recorded(term: Term): void;
}

type Situation = { role: string; primary: boolean };

/** Promotes the local server, and tells a pending one its role. */
export function createPromoter(parts: Parts): Promoter {
  const { options, keeper, session } = parts;
  let request: Promise<Result<ToolResult>> | undefined;
  let cancel = new AbortController();
  let askedAt: Mono = Number.NEGATIVE_INFINITY;

  async function situation(): Promise<Situation | undefined> {
    const sql = 'select local_role, pg_is_in_recovery() as recovering from pg_stat_get_stream_replications()';
    const answer = await session.query(sql, questionMs);
    const row = answer.ok ? answer.value[0]?.[0] : undefined;
    const role = textOf(row?.['local_role']);
    if (row === undefined || role === undefined) return undefined;
    return { role, primary: isPrimaryRole(role) && !truthOf(row['recovering']) };
  }

  /** One gs_ctl at a time: it holds pg_ctl.lock while it polls, and a second one would only be refused. */
  function ask(args: string[]): void {
    if (request !== undefined || options.clock.now() < askedAt + askEveryMs) return;
    askedAt = options.clock.now();
    cancel = new AbortController();
    const run = { deadlineMs: (requestSeconds + 10) * 1000, logFile: 'gs_ctl.log', signal: cancel.signal };
    request = runTool(options, 'gs_ctl', [...args, '-D', options.pgdata, '-t', String(requestSeconds)], run);
    void request.then((result) => {
      request = undefined;
      const outcome = result.ok ? { exitCode: result.value.exitCode } : { fault: result.fault };
      options.note('debug', 'gs_ctl came back', { command: args[0], ...outcome });
    });
  }

  async function promote(order: Promotion): Promise<Result<void>> {
    const process = keeper.known();
    if (process === undefined) return failed(refusal('absent', 'no', 'no server runs that could be promoted'));
    const ready = await prepare(order);
    if (!ready.ok) return ready;
    const outcome = await untilPrimary(process, order);
    if (!outcome.ok) await withdraw();
    return outcome;
  }

  async function untilPrimary(process: ServerProcess, { permit, deadline }: Promotion): Promise<Result<void>> {
    for (;;) {
      if (!sameServer(process)) return failed(refusal('exited', 'maybe', 'the server ended while it was promoted'));
      const now = await situation();
      if (now?.primary === true) return ok();
      if (!isValid(permit, options.clock.now()))
        return failed(refusal('cancelled', 'maybe', 'the permit ended during the promotion'));
      if (options.clock.now() >= deadline)
        return failed(refusal('timeout', 'maybe', `the server is ${now?.role ?? 'silent'} at the deadline`));
      if (now?.role === 'Pending') ask(['notify', '-M', 'primary', '-T', String(permit.term)]);
      else if (now !== undefined) ask(['failover', '-T', String(permit.term)]);
      await options.clock.until(Math.min(deadline, options.clock.now() + lookEveryMs));
    }
  }

  /** A gs_ctl that goes on asking would promote later, and holds the lock that a build needs. The server may have read it. */
  async function withdraw(): Promise<void> {
    cancel.abort();
    await request;
    await removeFiles(['failover', 'primary'].map((name) => join(options.pgdata, name)));
  }

  /** Both before anything is asked for: a primary whose names were still the old ones could acknowledge too early. */
  async function prepare(order: Promotion): Promise<Result<void>> {
    if (!isValid(order.permit, options.clock.now())) return failed(refusal('cancelled', 'no', 'the permit has ended'));
    const boundMs = Math.max(1, Math.min(namesMs, order.deadline - options.clock.now()));
    const names = { synchronous_standby_names: order.names, most_available_sync: 'off' };
    const [recorded, named] = await Promise.all([
      writePromotedTerm(options.pgdata, order.permit.term),
      parts.configurer.apply(names, boundMs),
    ]);
    if (recorded.ok) parts.recorded(order.permit.term);
    if (!recorded.ok || !named.ok) return recorded.ok ? named : recorded;
    if (isValid(order.permit, options.clock.now())) return ok();
    return failed(refusal('cancelled', 'no', 'the permit ended before the promotion was asked for'));
  }

  function sameServer(process: ServerProcess): boolean {
    return isSame(keeper.known(), process);
  }

  async function notifyStandby(term: Term, deadlineMs: number): Promise<Result<void>> {
    const deadline = options.clock.now() + deadlineMs;
    for (;;) {
      const now = await situation();
      if (now?.role === 'Standby') return ok();
      if (now?.primary === true) return failed(refusal('refused', 'no', 'the server is a primary'));
      if (options.clock.now() >= deadline)
        return failed(refusal('timeout', 'maybe', `the server is ${now?.role ?? 'silent'} at the deadline`));
      if (now?.role === 'Pending') ask(['notify', '-M', 'standby', '-T', String(term)]);
      await options.clock.until(Math.min(deadline, options.clock.now() + lookEveryMs));
    }
  }

  return { promote, notifyStandby };
}

function refusal(kind: Fault['kind'], done: Fault['done'], detail: string): Fault {
  return { of: 'command', kind, done, detail };
}
