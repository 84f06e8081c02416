/**
 * The nouns of the agent: what a member, an instance, a lease and a decision are. Types and words only; the rules
 * that use them stand in lease.ts, election.ts, sync.ts and decide.ts. Nothing here knows Kubernetes, SQL or files.
 */
import type { Lsn } from './lsn.ts';
import type { Fault, Observed } from './result.ts';

/**
 * Milliseconds of boot time (counts on during suspend, never steps). Only differences mean something, and only
 * on this machine.
 */
export type Mono = number;

/** A member's name is its pod's name. */
export type MemberName = string;

/** Number of holder changes of the lease, openGauss's term (`-T`), at most 0x7FFFFFFF. */
export type Term = number;

/** openGauss's own words (opengauss-interface 2.5). */
export const roles = ['Primary', 'Standby', 'Cascade Standby', 'Main Standby', 'Pending', 'Normal', 'Unknown'] as const;
export type Role = (typeof roles)[number];

export const dbStates = [
  'Normal',
  'Need repair',
  'Starting',
  'Wait promoting',
  'Promoting',
  'Demoting',
  'Building',
  'Catchup',
  'Coredump',
  'Unknown',
] as const;
export type DbState = (typeof dbStates)[number];

/** A server process that cannot be confused with a later one of the same number. */
export interface ServerProcess {
  pid: number;
  /** Field 22 of /proc/<pid>/stat: start time in clock ticks since boot. */
  startTime: string;
}

/** What the data directory holds, read without the server. */
export interface DataState {
  /** From pg_controldata; decimal text. */
  systemId: string;
  /** Random, made at initialisation and at each full build, kept inside the data directory; a wiped volume is somebody else. */
  dataId: string | undefined;
  /** Highest term with which this data was promoted; fsynced before the promotion was asked for. 0: never. */
  promotedTerm: Term;
  /** pg_controldata's "Database cluster state", e.g. `shut down`, `in production`, `in archive recovery`. */
  clusterState: string;
}

/** One walsender of a primary, as the primary sees it. */
export interface Sender {
  /** The standby's application_name. */
  name: string;
  state: 'Startup' | 'Backup' | 'Catchup' | 'Streaming' | 'Unknown';
  sync: 'Async' | 'Sync' | 'Quorum' | 'Potential' | 'Unknown';
  sent: Lsn | undefined;
  flushed: Lsn | undefined;
  replayed: Lsn | undefined;
}

/** Where a standby gets its WAL from. Present while a receiver row exists, that is while it streams or tries to. */
export interface Receiver {
  /** `ip:port` of the sender, from the `channel` column. */
  from: string;
  state: string;
}

/** disable_conn's lock (opengauss-interface 5.4). */
export interface ConnectionLock {
  mode: 'polling_connection' | 'specify_connection' | 'prohibit_connection';
  host: string | undefined;
  port: number | undefined;
  /** All received WAL is replayed and nothing streams. */
  redoFinished: boolean;
}

export interface Running {
  process: ServerProcess;
  role: Role;
  state: DbState;
  detail: string;
  data: DataState;
}

export interface PrimaryInstance extends Running {
  is: 'primary';
  /** End of WAL, pg_current_xlog_location(). */
  written: Lsn | undefined;
  senders: Sender[];
  /** SHOW synchronous_standby_names, as the server has it now. */
  syncNames: string;
  mostAvailableSync: boolean;
  readOnly: boolean;
  writable: boolean;
}

export interface StandbyInstance extends Running {
  is: 'standby';
  term: Term;
  received: Lsn | undefined;
  replayed: Lsn | undefined;
  receiver: Receiver | undefined;
  lock: ConnectionLock | undefined;
}

/** The local server is one of these shapes; decide() is one switch over them. */
export type Instance =
  /** No data directory, or an empty one. */
  | { is: 'empty' }
  /** There is something, but no server may be started on it as it is (wrong owner or mode, foreign files). */
  | {
      is: 'unusable';
      detail: string;
      hint: string;
      /** Whether a server runs on it could not be told: one may. */
      blind?: true;
    }
  /** A build was begun and not finished: only another build helps. */
  | { is: 'unfinished'; mode: 'full' | 'incremental' }
  | { is: 'stopped'; data: DataState; exit: ServerExit | undefined }
  | { is: 'starting'; process: ServerProcess; since: Mono; data: DataState | undefined }
  /** The process lives, nothing answers. */
  | {
      is: 'hung';
      process: ServerProcess;
      since: Mono;
      last: Role;
      data: DataState | undefined;
      /** SIGKILL was sent: none of it runs any more, though it may not be gone while a volume holds it. */
      killed?: true;
    }
  | ({ is: 'pending' } & Running)
  | PrimaryInstance
  | StandbyInstance;

/** That this agent saw the server of that process end: a proof that it acknowledges nothing any more. */
export interface ServerExit {
  process: ServerProcess;
  role: Role;
  at: Mono;
}

/** One entry of the record: whose acknowledgements a commit of that term waits for. */
export interface SyncEntry {
  term: Term;
  primary: MemberName;
  dataId: string;
  /** Standbys that count; never the primary itself. Sorted. */
  names: MemberName[];
  /** Acknowledgements a commit needs; 0 is degraded, or mode `off`. */
  w: number;
}

/** The leader lock's record, as read from the Lease. */
export interface LeaseRecord {
  /** `<pod>/<pod UID>/<incarnation>`, or '' when free. */
  holder: string;
  term: Term;
  durationSeconds: number;
  /** Text, for display only: nobody compares clocks. */
  renewTime: string;
  resourceVersion: string;
  entries: SyncEntry[];
  /** 'off' when entries do not count votes. */
  syncMode: SyncMode;
  promoting: { member: MemberName; term: Term; dataId: string } | undefined;
  heir: MemberName | undefined;
  containerId: string | undefined;
  /** The annotations or the spec could not be understood: nobody promotes on such a record. */
  garbage: string | undefined;
  /** metadata.uid: which Lease of that name this is; one that was deleted and made again is another. */
  uid?: string;
  /** Who held it and gave it back with no server left; absent while it is held, and where somebody else took the name out. */
  releasedBy?: string;
  /** In mode `off`: how far the holder had written when it last renewed. */
  written?: Written | undefined;
}

/** The WAL of one promotion: where it began, and how far its primary is known to have come. */
export interface Written {
  term: Term;
  from: Lsn;
  lsn: Lsn;
}

export type SyncMode = 'off' | 'quorum' | 'strict';

/** A record with the moment this observer first saw this version. */
export interface SeenLease {
  /** Undefined: the Lease does not exist (answered 404, which is not the same as unreachable). */
  record: LeaseRecord | undefined;
  firstSeenAt: Mono;
  /** When the last read that showed this version was sent; what a watch delivers confirms nothing. */
  confirmedAt: Mono;
}

/** A pod of the cluster as the API server tells it. */
export interface PodSight {
  name: MemberName;
  uid: string;
  ip: string | undefined;
  resourceVersion: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** metadata.deletionTimestamp is set. */
  terminating: boolean;
  /** How long its containers have from the deletion until they are killed: metadata.deletionGracePeriodSeconds. */
  graceSeconds?: number;
  createdAt: string;
  node: string | undefined;
  /** Where container `og` has claims mounted; absent: nowhere, or that is not told. */
  claims?: { path: string; claim: string }[];
  /** Of container `og`. */
  container: {
    id: string | undefined;
    state: 'waiting' | 'running' | 'terminated' | 'unknown';
    /** Wall-clock ISO time of its node. */
    startedAt?: string;
    /** Ids of containers that the kubelet says have ended: this one, or the one before. */
    ended?: string[];
  };
}

/** A node as the API server tells it. */
export interface NodeSight {
  /** It carries the taint `node.kubernetes.io/out-of-service`: somebody has seen to it that the machine is off. */
  outOfService: boolean;
  /** Its kubelet says that it is well, or did so moments ago: the machine is not off, or not any more. */
  ready: boolean;
}

/** What a peer says of itself over the peer API; the same shape answers /status for the own member. */
export interface PeerState {
  name: MemberName;
  uid: string;
  incarnation: string;
  instance: Instance['is'];
  role: Role;
  state: DbState;
  detail: string;
  /** Highest term the instance carries: of its WAL on a standby, of its last promotion on a primary. */
  term: Term;
  received: Lsn | undefined;
  replayed: Lsn | undefined;
  written: Lsn | undefined;
  redoFinished: boolean;
  streamingFrom: string | undefined;
  systemId: string | undefined;
  dataId: string | undefined;
  promotedTerm: Term;
  /** Highest term this member froze itself for, with the candidate. */
  frozenFor: { term: Term; candidate: MemberName } | undefined;
  /** Highest term this member has granted; a candidate must go above it. */
  granted: Term;
  eligible: boolean;
  /** Why it is not eligible, or what it is doing. */
  reason: string;
  /** The primary believes in this lease term. */
  leaseTerm: Term;
  paused: boolean;
  build: BuildProgress | undefined;
  volumes: VolumeUse[];
  /** On a primary: the standbys it sees as synchronous. */
  syncObserved?: MemberName[];
  /** On a primary: default_transaction_read_only is set. */
  readOnly?: boolean;
  agentVersion: string;
  /** Wall-clock ISO time since the instance is in this role and state; display only. */
  since: string | undefined;
  /** To whom it has promised neither to grant nor to stand; absent while nobody. */
  promised?: { holder: string; term: Term };
  /** On a primary: who set it read-only. */
  readOnlyOwner?: BrakeOwner;
  /** A volume of the server is too full for writes: why. */
  pressure?: string;
  /** For how many ms it has seen the lease as it is: an agent that was just started sees it run out late. */
  leaseSeenMs?: number;
  /** It could be or become primary without taking the lease anew; absent: not said. */
  mayLead?: boolean;
}

export interface BuildProgress {
  mode: 'full' | 'incremental';
  /** 0..1, unknown at first. */
  ratio: number | undefined;
  startedAt: string;
}

export interface VolumeUse {
  mount: string;
  capacityBytes: number;
  availableBytes: number;
  usedRatio: number;
  /** Undefined where the file system does not count them. */
  inodesFree?: number;
  /** The last probe of the mount has not come back: the other figures are old. */
  stalled?: boolean;
  /** For how long it has not come back. */
  stalledMs?: number;
  /** Inodes in all; undefined where the file system does not count them. */
  inodes?: number;
  /** How fast it fills, from a bounded window; below 0: it empties. Undefined while too little was seen. */
  fillBytesPerSecond?: number;
  /** Until nothing is left at that rate. */
  fullInSeconds?: number;
  /** What is wrong with the volume itself; the figures are the last good ones. */
  fault?: VolumeFault;
  /** What is mounted: `/dev/sdb`, and `ext4`, `xfs`, `tmpfs` … */
  device?: string;
  fileSystem?: string;
  /** Where it lies, links followed. */
  path?: string;
}

/**
 * `absent`: it was there and is not any more; `replaced`: another file system lies at its place; `read-only`: it was
 * remounted, mostly after errors; `failed`: reading or writing it gives errors.
 */
export type VolumeFault = 'absent' | 'replaced' | 'read-only' | 'failed';

/** What a member grants and remembers; on disk beside the data directory, fsynced before any answer. */
export interface LocalRecords {
  /** Highest term granted or frozen for. */
  granted: Term;
  freeze: { term: Term; candidate: MemberName; host: string; port: number; askedBy?: MemberName } | undefined;
  /** A build was begun and not finished. */
  build: { mode: 'full' | 'incremental'; startedAt: string } | undefined;
  /** The last promise given, until it is known to have ended; after a start it binds for its whole duration again. */
  promise?: PromiseAsk | undefined;
  /** The highest term whose grant was undone because the holder of the lease asked for it. */
  undone?: { term: Term; by: MemberName } | undefined;
  /** The other members as they were last listed: how to reach them when the API server is away from the start. */
  peers?: { name: MemberName; uid: string; ip: string }[] | undefined;
  /** The last valid text of the configuration: an agent that starts on an invalid one goes on with it. */
  config?: string | undefined;
  /** There was no file: what this member granted or promised before is not known. Never saved. */
  fresh?: boolean | undefined;
}

/** "Neither grant nor stand for so long: I hold the lease with this term and cannot reach the API server." */
export interface PromiseAsk {
  /** The identity in the lease: member, pod and incarnation. */
  holder: string;
  term: Term;
  /** From the moment it is heard, by the promising member's own clock; 0 gives the promise back. */
  durationMs: number;
}

/** Cluster-wide facts from the ConfigMap `og-<c>-state`. */
export interface ClusterFacts {
  /** Undefined: the cluster was never initialised (the ConfigMap says so, or does not exist). */
  systemId: string | undefined;
  history: HistoryLine[];
  resourceVersion: string | undefined;
  /** A human set the database read-only; the next primary goes on with it. */
  readOnly?: CarriedBrake;
}

/** Who set the server read-only. */
export type BrakeOwner = 'agent' | 'switchover' | 'human';

/** What this member recorded of its server's read-only switch, and in which promotion; no owner: it was off. */
export interface BrakeMark {
  term: Term;
  owner: BrakeOwner | undefined;
}

/** A human's wish as the cluster remembers it, with the primary on which it was last in force. */
export interface CarriedBrake {
  owner: 'human';
  member: MemberName;
  term: Term;
}

export interface HistoryLine {
  term: Term;
  primary: MemberName;
  at: string;
  reason: string;
}

/** The one open request, from the ConfigMap `og-<c>-request`. */
export interface Request {
  id: string;
  kind: 'switchover' | 'restart' | 'reinit' | 'failover';
  target: MemberName | undefined;
  options: Record<string, string>;
  phase: 'open' | 'running' | 'done' | 'refused' | 'failed' | 'timed-out' | 'rolled-back';
  /** Wall-clock ISO time; the holder turns it into its own clock when it first sees the request. */
  deadline: string | undefined;
  result: string | undefined;
  hint: string | undefined;
  resourceVersion: string;
}

/** Long work in the single job slot. */
export interface Job {
  kind: 'build' | 'initialise' | 'promote' | 'hand-over' | 'stop';
  startedAt: Mono;
  progress: BuildProgress | undefined;
}

/** Something an execution could not do, kept for the next view. */
export interface Failure {
  what: string;
  fault: Fault;
  count: number;
  retryAt: Mono;
}

export type { Fault, Observed };
