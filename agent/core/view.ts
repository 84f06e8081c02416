/**
 * The snapshot a cycle decides on, and what a decision looks like. decide() maps the one to the other and reads
 * nothing else. Every remote fact is `Observed`: known, or not.
 */
import type {
  BuildProgress,
  ClusterFacts,
  Failure,
  Instance,
  Job,
  LocalRecords,
  MemberName,
  Mono,
  PeerState,
  PodSight,
  Request,
  SeenLease,
  ServerExit,
  SyncEntry,
  Term,
  VolumeUse,
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
}

/** A peer as gossip tells it; older than two periods counts as unknown. */
export interface PeerSight {
  state: PeerState;
  /** When the request was sent whose answer this is. */
  at: Mono;
}

/** The votes collected for one term, in order: freeze, then compare. */
export interface Takeover {
  term: Term;
  startedAt: Mono;
  /** Members frozen for this term (the own one included), with what they said after it. */
  votes: Record<MemberName, PeerSight>;
}

export interface View {
  now: Mono;
  self: Self;
  config: DynamicConfig;
  paused: boolean;
  lease: Observed<SeenLease>;
  /** The permit of the last confirmed renewal; it may have ended (compare `until` with `now`). */
  permit: LeaderPermit | undefined;
  instance: Instance;
  /** The last exit of the local server that this agent saw. */
  lastExit: ServerExit | undefined;
  records: LocalRecords;
  pods: Observed<PodSight[]>;
  peers: Record<MemberName, PeerSight>;
  facts: Observed<ClusterFacts>;
  request: Observed<Request | undefined>;
  takeover: Takeover | undefined;
  job: Job | undefined;
  failures: Record<string, Failure>;
  /** PID 1 echoed a deadline within the last cycle, or there is no server to fence yet. */
  fenceReady: boolean;
  /** SIGTERM arrived. */
  stopping: boolean;
  volumes: VolumeUse[];
}

export type LeaseIntent =
  | { do: 'nothing' }
  | { do: 'create' }
  | { do: 'acquire'; over: SeenLease }
  | { do: 'renew'; change?: LeaseChange }
  | { do: 'release'; heir: MemberName | undefined };

/** What a renewal changes in the record besides its time. */
export interface LeaseChange {
  term?: Term;
  entries?: SyncEntry[];
  promoting?: { member: MemberName; term: Term; dataId: string };
  containerId?: string;
}

export type InstanceIntent =
  | { do: 'nothing' }
  | { do: 'start'; mode: 'standby' | 'pending' }
  | { do: 'notify'; mode: 'standby' }
  | { do: 'fence' }
  | { do: 'stop' }
  | { do: 'freeze'; term: Term; members: MemberName[] }
  | { do: 'promote'; permit: LeaderPermit; names: string }
  | { do: 'unlock' }
  | { do: 'repoint'; members: MemberName[] }
  | { do: 'follow' }
  | { do: 'initialise' }
  | { do: 'build'; mode: 'full' | 'incremental'; from: MemberName }
  | { do: 'set-sync'; permit: LeaderPermit; names: string; mostAvailable: boolean }
  | { do: 'settle'; permit: LeaderPermit }
  | { do: 'switchover'; permit: LeaderPermit; request: Request };

export interface Decision {
  lease: LeaseIntent;
  instance: InstanceIntent;
  reason: Reason;
  /** One line that explains the reason with names and numbers; display only. */
  note?: string;
}

/** What the surfaces (status, probes, metrics) show: always one cycle's view with what was decided on it. */
export interface Snapshot {
  view: View;
  decision: Decision;
  cycle: number;
  /** Wall-clock ISO time of the cycle. */
  at: string;
  build: BuildProgress | undefined;
}
