/**
 * The local openGauss. Exit codes of gs_ctl lie (opengauss-interface 1.15): every method verifies by looking at
 * the process and at the role by SQL. What needs leadership takes a LeaderPermit and checks it right before acting.
 */
import type { BuildProgress, Instance, MemberName, Mono, ServerExit, ServerProcess, Term } from '../core/model.ts';
import type { LeaderPermit } from '../core/permit.ts';
import type { Result } from '../core/result.ts';

/** Another member as replication sees it. */
export interface PeerAddress {
  name: MemberName;
  host: string;
  haPort: number;
}

export interface BuildOptions {
  mode: 'full' | 'incremental';
  from: PeerAddress;
  onProgress(progress: BuildProgress): void;
  signal: AbortSignal;
}

export interface InstancePort {
  /** Looks at the data directory, the process and, where it runs, at the server by SQL. Never takes longer than the deadline. */
  observe(deadlineMs: number): Promise<Instance>;
  /** Called once for each server process that ends, within 10 ms for a child, 100 ms for an adopted one. */
  onExit(listener: (exit: ServerExit) => void): void;

  /** Creates the database with the system's settings and the users of the Secret; leaves it stopped. */
  initialise(signal: AbortSignal): Promise<Result<{ systemId: string }>>;
  /**
   * Starts the server and returns as soon as its process is known; it may still be recovering. Never `-M primary`.
   * With `lock` it is frozen from its first moment on (disable_conn's file is written first): streams from nobody else.
   */
  start(mode: 'standby' | 'pending', lock?: { host: string; haPort: number }): Promise<Result<ServerProcess>>;
  /** SIGKILL, then waits until the process is gone. Never fails because it is gone already. */
  kill(deadlineMs: number): Promise<Result<void>>;
  /** Fast stop, SIGKILL when the deadline passes. */
  stop(deadlineMs: number): Promise<Result<void>>;

  /**
   * Records the term beside the data (fsync), writes `names` as synchronous_standby_names, asks for the promotion
   * with `-T term` (failover on a standby, notify on a pending server), watches the role every 10 ms, asks again when
   * the request was lost. Resolves when the role is Primary, or at the deadline.
   */
  promote(order: { permit: LeaderPermit; names: string; deadline: Mono }): Promise<Result<void>>;
  /** Pending → standby. */
  notifyStandby(term: Term): Promise<Result<void>>;
  /** gs_write_term_log() in a session of its own: makes the term known to followers. */
  writeTerm(permit: LeaderPermit, deadlineMs: number): Promise<Result<void>>;

  /** disable_conn('specify_connection', host, haPort). The host is an IP. */
  pointAt(peer: { host: string; haPort: number }, deadlineMs: number): Promise<Result<void>>;
  /** disable_conn('polling_connection'). */
  unlock(deadlineMs: number): Promise<Result<void>>;

  /**
   * Writes what the agent owns of postgresql.conf and pg_hba.conf: replconninfo of every peer, application_name,
   * listen addresses, and the given parameters; only when something differs, then reloads and verifies by SHOW.
   * Works on a stopped server too (no verification then). Returns whether anything was rewritten.
   */
  configure(wanted: InstanceConfig, deadlineMs: number): Promise<Result<{ changed: boolean }>>;
  /** synchronous_standby_names and most_available_sync, by reload, verified by SHOW. */
  setSync(order: { permit: LeaderPermit; names: string; mostAvailable: boolean }, deadlineMs: number): Promise<Result<void>>;
  /** default_transaction_read_only by reload; `cutSessions` ends ordinary clients' sessions afterwards. */
  setReadOnly(on: boolean, cutSessions: boolean, deadlineMs: number): Promise<Result<void>>;
  /** Creates or updates the replication and application users from the Secret's files; on a primary only. */
  settleUsers(permit: LeaderPermit, deadlineMs: number): Promise<Result<void>>;

  /** Ends leftovers of an earlier build, then builds; the server is left stopped. Records the data-id on success. */
  build(options: BuildOptions): Promise<Result<void>>;
  close(): Promise<void>;
}

export interface InstanceConfig {
  self: PeerAddress;
  peers: PeerAddress[];
  parameters: Record<string, string>;
  /** The server is no primary and writes under synchronous names: promoted by anybody else it acknowledges nothing. */
  silent?: boolean;
}
