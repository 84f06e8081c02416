/**
 * The local openGauss as the loop sees it: puts the parts of this folder together behind the InstancePort. Three
 * conversations with the server are kept apart, so that a look never waits for an act, and neither for something
 * that waits for a standby. The agent's watching sessions are maintenance sessions, which a pending server lets in
 * and which have seats of their own when clients have taken all others.
 */
import type { Instance, ServerProcess } from '../../core/model.ts';
import { isValid, type LeaderPermit } from '../../core/permit.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { InstancePort } from '../../ports/instance.ts';
import { build } from './build.ts';
import { createConfigurer, defaultReplicationUser } from './configure.ts';
import * as freeze from './freeze.ts';
import { putInPlace, readIdentity, freshIdentity, writeDataId } from './identity.ts';
import { initialise } from './initialise.ts';
import { createObserver } from './observe.ts';
import type { InstanceOptions } from './options.ts';
import { createServerKeeper } from './process.ts';
import { createPromoter } from './promote.ts';
import { createSession, literal, type Session, truthOf } from './sql.ts';
import { settleUsers } from './users.ts';

/** How long a pending server may take to become a standby. */
const notifyMs = 5_000;

/** The server ends a statement a little before the longest-waiting caller gives up. */
const statementTimeoutMs = 4_500;

/** Of sessions that make users or wait for standbys; their callers' deadlines vary. */
const longStatementTimeoutMs = 30_000;

/** Makes the port. Nothing is touched before the first call. */
export function createInstance(options: InstanceOptions): InstancePort & { reload(): Promise<Result<void>> } {
  const common = { socketDir: options.socketDir, port: options.port, user: options.superuser };
  const maintenance = { ...common, applicationName: 'cm_agent', maintenance: true, statementTimeoutMs };
  const keeper = createServerKeeper(options);
  const watching = createSession(maintenance);
  const acting = createSession(maintenance);
  const promoting = createSession(maintenance);
  const configurer = createConfigurer(options, keeper, acting);
  const observer = createObserver(options, keeper, watching);
  const promoter = createPromoter({
    options,
    keeper,
    configurer,
    session: promoting,
    recorded: (term) => observer.adjust({ promotedTerm: term }),
  });

  /** An ordinary session for one purpose, gone afterwards. */
  async function once<T>(settings: Record<string, string>, work: (session: Session) => Promise<T>): Promise<T> {
    const timeouts = { statementTimeoutMs: longStatementTimeoutMs, settings };
    const session = createSession({ ...common, applicationName: 'opengauss_agent', maintenance: false, ...timeouts });
    try {
      return await work(session);
    } finally {
      session.drop();
    }
  }

  async function start(mode: 'standby' | 'pending', lock?: freeze.LockTarget): Promise<Result<ServerProcess>> {
    const settled = await settleIdentity(options.pgdata);
    return settled.ok ? keeper.start(mode, lock) : settled;
  }

  async function kill(deadlineMs: number): Promise<Result<void>> {
    const target = await running();
    if (!target.ok || target.value === undefined) return target.ok ? ok() : target;
    await keeper.signal(target.value, 'SIGKILL');
    if (await keeper.gone(target.value, deadlineMs)) return ok();
    return failed(fault('timeout', 'maybe', `the server (pid ${target.value.pid}) is not gone after SIGKILL`));
  }

  async function stop(deadlineMs: number): Promise<Result<void>> {
    const target = await running();
    if (!target.ok || target.value === undefined) return target.ok ? ok() : target;
    const end = options.clock.now() + deadlineMs;
    await keeper.signal(target.value, 'SIGINT');
    if (await keeper.gone(target.value, deadlineMs)) return ok();
    options.note('warn', 'the server did not stop in time and is killed', { pid: target.value.pid });
    return kill(Math.max(1_000, end - options.clock.now()));
  }

  /** What is known is not looked up: killing must not wait for the data volume. */
  async function running(): Promise<Result<ServerProcess | undefined>> {
    const known = keeper.known();
    return known === undefined ? keeper.find() : ok(known);
  }

  async function withPermit<T>(permit: LeaderPermit, work: () => Promise<Result<T>>): Promise<Result<T>> {
    if (!isValid(permit, options.clock.now())) return failed(fault('cancelled', 'no', 'the permit to act as leader has ended'));
    return work();
  }

  async function writeTerm(deadlineMs: number): Promise<Result<void>> {
    const answer = await once({}, (session) => session.query('select gs_write_term_log() as written', deadlineMs));
    if (!answer.ok) return answer;
    if (truthOf(answer.value[0]?.[0]?.['written'])) return ok();
    return failed(fault('refused', 'no', 'the server wrote no term: it is in recovery'));
  }

  async function setReadOnly(on: boolean, cutSessions: boolean, deadlineMs: number): Promise<Result<void>> {
    const end = options.clock.now() + deadlineMs;
    const done = await configurer.apply({ default_transaction_read_only: on ? 'on' : 'off' }, deadlineMs);
    if (!done.ok || !cutSessions) return done;
    const cut = await acting.query(cutSql(options.superuser), Math.max(1, end - options.clock.now()));
    return cut.ok ? ok() : cut;
  }

  const wishes = {
    superuser: options.superuser,
    replicationUser: options.replicationUser ?? defaultReplicationUser,
    secrets: options.secrets,
  };

  async function reload(): Promise<Result<void>> {
    const target = await running();
    if (!target.ok) return target;
    if (target.value === undefined) return failed(fault('absent', 'no', 'the server is down; it reads its files when it starts'));
    // Before it has installed its handlers the signal would end it.
    if (keeper.role() === 'Unknown')
      return failed(fault('refused', 'no', 'the server is starting; it reads its files by itself'));
    const told = await keeper.signal(target.value, 'SIGHUP');
    return told ? ok() : failed(fault('refused', 'maybe', 'the server could not be told to read its files again'));
  }

  return {
    reload,
    observe: (deadlineMs): Promise<Instance> => observer.observe(deadlineMs),
    onExit: keeper.onExit,
    initialise: (signal) => initialise(options, signal).finally(observer.forget),
    start,
    kill,
    stop,
    promote: promoter.promote,
    notifyStandby: (term) => promoter.notifyStandby(term, notifyMs),
    writeTerm: (permit, deadlineMs) => withPermit(permit, () => writeTerm(deadlineMs)),
    pointAt: (peer, deadlineMs) => freeze.pointAt(acting, peer, deadlineMs),
    unlock: (deadlineMs) => freeze.unlock(acting, deadlineMs),
    configure: configurer.configure,
    setSync: (order, deadlineMs) =>
      withPermit(order.permit, () => {
        const available = order.mostAvailable ? 'on' : 'off';
        return configurer.apply({ synchronous_standby_names: order.names, most_available_sync: available }, deadlineMs);
      }),
    setReadOnly,
    settleUsers: (permit, deadlineMs) =>
      withPermit(permit, () =>
        once({ default_transaction_read_only: 'off' }, (session) => settleUsers(session, wishes, deadlineMs)),
      ),
    build: (order) => build({ options, keeper, configurer, role: keeper.role, stop }, order).finally(observer.forget),
    close: async () => {
      keeper.close();
      for (const session of [watching, acting, promoting]) session.drop();
    },
  };
}

/** Data that nobody has named yet, or whose name still lies beside it after a build, gets it before a server runs on it. */
async function settleIdentity(pgdata: string): Promise<Result<void>> {
  const placed = await putInPlace(pgdata);
  if (!placed.ok) return placed;
  const identity = await readIdentity(pgdata);
  if (!identity.ok) return identity;
  if (identity.value.dataId !== undefined) return ok();
  return writeDataId(pgdata, freshIdentity().dataId ?? '');
}

/** Ends the sessions of ordinary clients; not the server's own threads (the initial user's) and not replication. */
function cutSql(superuser: string): string {
  return [
    'select pg_terminate_backend(pid) from pg_stat_activity',
    `where usename <> ${literal(superuser)} and pid <> pg_backend_pid()`,
    'and pid not in (select pid from pg_stat_get_wal_senders())',
  ].join(' ');
}

function fault(kind: Fault['kind'], done: Fault['done'], detail: string): Fault {
  return { of: 'command', kind, done, detail };
}
