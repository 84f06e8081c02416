/**
 * The snapshot a cycle decides on, and what a decision looks like. decide() maps the one to the other and reads
 * nothing else. Every remote fact is `Observed`: known, or not.
 */
import type { Lsn } from './lsn.ts';
import type {
  BrakeOwner,
  ClusterFacts,
  Failure,
  Instance,
  Job,
  LeaseRecord,
  LocalRecords,
  MemberName,
  Mono,
  NodeSight,
  PeerState,
  PodSight,
  Request,
  SeenLease,
  ServerExit,
  ServerProcess,
  SyncEntry,
  SyncMode,
  Term,
  VolumeUse,
  Written,
} from './model.ts';
import type { LeaderPermit } from './permit.ts';
import type { Reason } from './reasons.ts';
import type { Observed } from './result.ts';
import type { DynamicConfig } from './config.ts';

/** What does not change while the agent lives. */
export interface Self {
  name: MemberName;
  uid: string;
  /** Made once per container by PID 1. */
  incarnation: string;
  /** `<name>/<uid>/<incarnation>`, the holderIdentity of this member. */
  identity: string;
  cluster: string;
  namespace: string;
  ip: string;
  port: number;
  /** Where peers reach the replication port, from outside. */
  haPort: number;
  version: string;
  startedAt: Mono;
  /** PID 1 is our fence: it kills the server when the agent is gone. */
  guarded: boolean;
  /** The container has a PID namespace of its own, so that its end proves the end of everything in it. */
  provesDeath: boolean;
  /** People have given the right to read nodes, whose taint may then prove a death. */
  readsNodes?: boolean;
  /** When PID 1 started; undefined where that is not known. */
  bornAt?: Mono;
}

/** A peer as gossip tells it; older than two periods counts as unknown. */
export interface PeerSight {
  state: PeerState;
  /** When the request was sent whose answer this is; of what it told by itself, a moment before the look at it. */
  at: Mono;
}

/** The votes collected for one term, in order: freeze, then compare. */
export interface Takeover {
  term: Term;
  startedAt: Mono;
  /** Members frozen for this term (the own one included), with what they said after it. */
  votes: Record<MemberName, PeerSight>;
  redo?: RedoSight;
}

/** How far the own redo had come when it was last seen to have come further, and when that was. */
export interface RedoSight {
  replayed: Lsn;
  at: Mono;
}

/** A promotion from its recording in the lease on; the fence is armed for that process from before it is asked for. */
export interface Promotion {
  term: Term;
  process: ServerProcess;
  recordedAt: Mono;
  /** The term is in the WAL. */
  settled: boolean;
  /** The record shows that whatever others acknowledged before is on it; absent: not looked at, as the agent was started later. */
  isWhole?: boolean;
  /** What only a new primary has to do once, and nobody waits for, is done: own lock and brake taken away, users made. */
  finished?: boolean;
  redo?: RedoSight;
}

/** A promise this member has given: until that moment of its own clock it neither grants nor stands. */
export interface Promised {
  holder: string;
  term: Term;
  until: Mono;
}

/** The permit in force comes from promises, not from a renewal. */
export interface Failsafe {
  since: Mono;
  /** Whose promises for this term are alive. */
  promisers: MemberName[];
}

/** An end of the local server as primary that nobody meant. */
export interface Crash {
  at: Mono;
  /** How long it had been primary. */
  reignMs: number;
}

/** A planned hand-over; its steps are decided on what the view shows, so that a crash between two needs no recovery. */
export interface Switchover {
  target: MemberName;
  /** `request`: asked for by people; `stopping`: the pod is going. */
  cause: 'request' | 'stopping';
  startedAt: Mono;
  deadline: Mono;
  /** When the other standbys were pointed at the target. */
  pointedAt: Mono | undefined;
  /** The server was killed with the target at the same position. */
  handedOver: boolean;
  /** Why it cannot be gone through with, when the last step has failed. */
  failed?: string;
}

export interface View {
  now: Mono;
  /** Wall-clock ISO time; only for what people wrote down with one. */
  wall: string;
  self: Self;
  config: DynamicConfig;
  paused: boolean;
  lease: Observed<SeenLease>;
  /** The permit of the last confirmed renewal; it may have ended (compare `until` with `now`). */
  permit: LeaderPermit | undefined;
  /** The record as this incarnation last saw it while it held the lease, and nobody else since. */
  held?: LeaseRecord;
  /** When the local server ended as primary, or in its promotion, without being told to; the latest ones. */
  crashes?: readonly Crash[];
  /** The server that this agent started last; any other one was found running, and what was asked of it is not known. */
  startedHere?: ServerProcess | undefined;
  /** Containers of the own pod that were ever seen terminated. */
  endedContainers?: readonly string[];
  instance: Instance;
  /** Wall-clock ISO time since the server is in this role and state; display only. */
  since?: string;
  /** The last exit of the local server that this agent saw. */
  lastExit: ServerExit | undefined;
  /** Since when the local server has not answered, starts that failed included; undefined: it answers, or was never looked at. */
  downSince?: Mono | undefined;
  records: LocalRecords;
  pods: Observed<PodSight[]>;
  peers: Record<MemberName, PeerSight>;
  facts: Observed<ClusterFacts>;
  request: Observed<Request | undefined>;
  takeover: Takeover | undefined;
  job: Job | undefined;
  failures: Record<string, Failure>;
  /** The promotion that the lease records and that this agent asked, or is about to ask, of that very server process. */
  promotion: Promotion | undefined;
  /** A planned hand-over that this primary is going through. */
  switchover: Switchover | undefined;
  /** When each other member was last seen streaming from this primary. */
  streamedAt: Record<MemberName, Mono>;
  /** On the primary: the WAL position that W standbys must have flushed before the names may be relied on. */
  syncBarrier: Lsn | undefined;
  /** SIGTERM arrived. */
  stopping: boolean;
  volumes: VolumeUse[];
  /** What people have asked of this member. */
  hand: Hand;
  /** The last promise given to the holder of a term; it may have ended. */
  promised?: Promised | undefined;
  /** This member is writing itself into the lease right now. */
  standing?: boolean;
  /** On a primary that goes on without the API server. */
  failsafe?: Failsafe | undefined;
  /** When this member took the lease that it holds. */
  acquiredAt?: Mono | undefined;
  /** Who was ahead then and was not waited for. */
  passedOver?: readonly MemberName[];
  /** The furthest position that was heard of the primary of the highest term heard of. */
  heard?: { term: Term; lsn: Lsn } | undefined;
  /** When this agent last gave a promotion of its own up. */
  stalledAt?: Mono | undefined;
  /** On a primary: the end of WAL of a former look, which W standbys have, and when that was last seen. */
  acknowledged?: { lsn: Lsn; at: Mono } | undefined;
  /** The node on which the container of that holder ran, as last read. */
  holderNode?: HolderNode | undefined;
  /** What pods carry as report of who could lead, and when each text was first seen. */
  reports?: Record<MemberName, ReportSight>;
  /** Absent: nobody looks. */
  disk?: DiskView;
}

/** A reading of the node that is, for as long as its pod lives, the only one where that holder can run. */
export interface HolderNode {
  /** The holderIdentity. */
  holder: string;
  name: string;
  sight: NodeSight;
  /** When the reading was sent. */
  at: Mono;
}

/** An annotation of a pod with the moment this observer first saw it. */
export interface ReportSight {
  uid: string;
  text: string;
  at: Mono;
}

/** What people have asked of a member by configuration and annotations; `paused` of the view sums the first two up. */
export interface Hand {
  /** The whole cluster is paused. */
  cluster: boolean;
  /** This member alone is. */
  member: boolean;
  /** When the pause ends by itself: wall-clock ISO time; undefined: when somebody ends it. */
  until: string | undefined;
  /** The server is to be kept down. */
  fenced: boolean;
}

/** What the state of the volumes means to decisions. */
export interface DiskView {
  /** A volume of the server is too full for writes: why. */
  pressure: string | undefined;
  /** So full that the write label goes. */
  critical: boolean;
  /** Who has set this primary read-only; undefined: nobody, or not known. */
  owner: BrakeOwner | undefined;
  /** A volume of the server takes no writes at all: why. */
  broken: string | undefined;
  /** A server that is down would only die again: why. */
  noRoom: string | undefined;
  /** Nothing was written for longer than a server may hang, and a volume of it does not answer: which. */
  stuck?: string | undefined;
}

export type LeaseIntent =
  | { do: 'nothing' }
  /** Whom it passes over, although they are ahead: they see the lease run out late. */
  | { do: 'acquire'; over: SeenLease; passedOver?: MemberName[] }
  | { do: 'renew'; change?: LeaseChange }
  /** Creates the Lease that was deleted under its holder. */
  | { do: 'recreate'; record: LeaseRecord }
  | { do: 'release'; heir: MemberName | undefined };

/** A record before it is written: the API server gives it version and uid, the writer its time. */
export type LeaseDraft = Omit<LeaseRecord, 'resourceVersion' | 'renewTime' | 'garbage' | 'uid'>;

/** What a renewal changes in the record besides its time. */
export interface LeaseChange {
  term?: Term;
  entries?: SyncEntry[];
  promoting?: { member: MemberName; term: Term; dataId: string };
  containerId?: string;
  syncMode?: SyncMode;
  written?: Written | undefined;
}

export type InstanceIntent =
  | { do: 'nothing' }
  | { do: 'start'; mode: 'standby' | 'pending' }
  | { do: 'notify-standby' }
  | { do: 'fence' }
  | { do: 'stop'; kill?: boolean }
  | { do: 'freeze'; term: Term; members: MemberName[] }
  | { do: 'promote'; permit: LeaderPermit; names: string }
  | { do: 'unlock' }
  | { do: 'repoint'; to: MemberName; term: Term }
  | { do: 'initialise' }
  | { do: 'build'; mode: 'full' | 'incremental'; from: MemberName }
  | { do: 'set-sync'; permit: LeaderPermit; names: string; mostAvailable: boolean }
  | { do: 'settle'; permit: LeaderPermit }
  | { do: 'finish'; permit: LeaderPermit }
  | { do: 'begin-switchover'; target: MemberName; cause: Switchover['cause']; seconds: number }
  | { do: 'point-others'; permit: LeaderPermit; target: MemberName; members: MemberName[] }
  | { do: 'gather'; permit: LeaderPermit; members: MemberName[] }
  | { do: 'unfreeze'; permit: LeaderPermit; members: MemberName[] }
  | { do: 'hand-over'; permit: LeaderPermit; target: MemberName }
  | { do: 'undo-switchover'; permit: LeaderPermit; why: string };

export interface RequestAnswer {
  id: string;
  phase: Request['phase'];
  /** Whom the primary chose where the request named nobody; the next primary knows by it that it was meant. */
  target?: MemberName;
  result: string;
  hint?: string;
  /** What the one that took it up has to remember with it; replaces the options. */
  options?: Request['options'];
}

export interface Decision {
  lease: LeaseIntent;
  instance: InstanceIntent;
  reason: Reason;
  /** What to write into the open request, for the member that owns its next step. */
  answer?: RequestAnswer;
  /** One line that explains the reason with names and numbers; display only. */
  note?: string;
  /** What a take-over would lose that is blocked for that reason; people are told. */
  blocked?: string;
}

/** What the surfaces (status, probes, metrics) show: always one cycle's view with what was decided on it. */
export interface Snapshot {
  view: View;
  decision: Decision;
  cycle: number;
  /** Wall-clock ISO time of the cycle. */
  at: string;
}
