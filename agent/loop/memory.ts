/**
 * Everything that survives a cycle, field by field. What can be read again from the world is not in here, except the
 * cached readings of the API server, each with its age; nothing is ever acted on because it was done before, only
 * because a view shows it.
 */
import { defaultConfig, type DynamicConfig } from '../core/config.ts';
import { type DiskState, freshDisk } from '../core/disk.ts';
import type { Lsn } from '../core/lsn.ts';
import type {
  BrakeMark,
  ClusterFacts,
  Failure,
  Instance,
  Job,
  LeaseRecord,
  LocalRecords,
  MemberName,
  Mono,
  PodSight,
  Request,
  SeenLease,
  ServerExit,
  ServerProcess,
  Term,
} from '../core/model.ts';
import type { LeaderPermit } from '../core/permit.ts';
import { type Observed, type Result, unknown } from '../core/result.ts';
import { type Told, untold } from './milestones.ts';
import type { Crash, Failsafe, HolderNode, Promised, Promotion, ReportSight, Switchover, Takeover } from '../core/view.ts';

export interface Memory {
  lease: Observed<SeenLease>;
  /** The permit of the last confirmed renewal; ended or not. */
  permit: LeaderPermit | undefined;
  /** When the last renewal was sent, confirmed or not. */
  renewSentAt: Mono;
  pods: Observed<PodSight[]>;
  facts: Observed<ClusterFacts>;
  request: Observed<Request | undefined>;
  config: DynamicConfig;
  /** False until the configuration was read once; nothing is decided before. */
  configKnown: boolean;
  configText: string | undefined;
  /** A valid one has been read since the start; until then `config` holds the defaults. */
  configGood: boolean;
  configAt: Mono;
  /** What a watch has hinted at, to be read in the next cycle. */
  stale: Set<'lease' | 'pods' | 'config' | 'facts' | 'request'>;
  instance: Instance;
  observedAt: Mono;
  lastExit: ServerExit | undefined;
  /** Since when no server has answered as anything, whatever was tried in between. */
  downSince: Mono | undefined;
  records: LocalRecords;
  takeover: Takeover | undefined;
  /** When a promotion of this member was last given up. */
  stalledAt: Mono | undefined;
  promotion: Promotion | undefined;
  switchover: Switchover | undefined;
  streamedAt: Record<MemberName, Mono>;
  /** When the last lease taken was asked for. */
  acquiredAt: Mono | undefined;
  /** Who was ahead then and was not waited for. */
  passedOver: readonly MemberName[];
  /** The furthest position heard of a primary, in the highest term of one; it outlives the pod that said it. */
  heard: { term: Term; lsn: Lsn } | undefined;
  /** When the own standby was last seen streaming. */
  followedAt: Mono;
  syncBarrier: Lsn | undefined;
  /** The barrier is the position of the first look that began after this moment. */
  barrierDue: Mono | undefined;
  /** The synchronous names and most_available_sync that the last look found in force. */
  inForce: string | undefined;
  /** The end of WAL of a former look, which W standbys have had at that later moment. */
  acknowledged: { lsn: Lsn; at: Mono } | undefined;
  /** By pod uid: the node that it was bound to, which never changes and outlives its listing. */
  homes: Record<string, string>;
  /** The node of a holder that is silent, as last read. */
  holderNode: HolderNode | undefined;
  /** When a node was last asked for, and what came of it where that was told. */
  nodeAsked: { at: Mono; fault: string | undefined };
  /** What pods carry as report of who could lead. */
  reports: Record<MemberName, ReportSight>;
  /** When the own report was last written or taken away. */
  reportedAt: Mono;
  job: (Job & { abort: AbortController }) | undefined;
  failures: Record<string, Failure>;
  /** The primary has drained its clients: it is not labelled again before the switchover is over. */
  draining: boolean;
  /** When this member last labelled itself primary. */
  labelledAt: Mono;
  stopping: boolean;
  cycle: number;
  /** What this member has promised to the holder of a term. */
  promised: Promised | undefined;
  /** When what was promised before the start began to bind again. */
  boundAt: Mono;
  /** A write of ourselves into the lease is under way: a promise given now could come too late. */
  standing: boolean;
  /** When the last confirmed renewal was sent. */
  renewedAt: Mono;
  /** What was written into the lease and never answered, over that version: it may stand in it. */
  unanswered: (Pick<LeaseRecord, 'entries' | 'syncMode'> & { over: string | undefined })[];
  /** The fault of lease writes that the log told last, until a write succeeds. */
  toldFault: { detail: string; at: Mono } | undefined;
  /** Promises that members have given this holder, each with the end of the right that it gives. */
  promises: Record<MemberName, { term: Term; until: Mono }>;
  /** This primary goes on without the API server. */
  failsafe: Failsafe | undefined;
  /** The members as they were last listed; they do not vanish because the API server does. */
  roster: MemberName[];
  /** The list that was last put on disk. */
  remembered: LocalRecords['peers'];
  /** The own pod's annotations as last seen: a pause does not end because the API server is away. Undefined: never seen. */
  ownAnnotations: PodSight['annotations'] | undefined;
  /** What Events about this member have told. */
  told: Told;
  /** When the log last had a line of the decision. */
  summedUpAt: Mono;
  /** Whether the last cycle was paused; an Event tells the change. */
  wasPaused: boolean;
  crashes: Crash[];
  /** What the clocks said at the last cycle. */
  clocks: { now: Mono; wall: number; suspended: number } | undefined;
  /** The server that this agent started last. */
  startedHere: ServerProcess | undefined;
  /** Why the agent is killing its server right now. */
  fencing: string | undefined;
  /** Containers of the own pod that were ever seen terminated, the latest ones. */
  endedContainers: string[];
  /** When what the next promotion mends began: the first sight of the lease that was taken, or the server's exit. */
  troubleAt: Mono | undefined;
  /** The server's role and state, and the wall-clock ISO time since which it has them; for people. */
  since: { shape: string; at: string } | undefined;
  /** The last sight of the lease, which outlives readings that fail: a version first seen long ago stays seen. */
  sighting: SeenLease | undefined;
  /** The record as last seen, also after the Lease was deleted. */
  lastRecord: LeaseRecord | undefined;
  /** When the last GET of the lease was sent; what a watch delivers does not count. */
  leaseReadAt: Mono;
  /** When the version of the lease that is known was not there yet. */
  leaseAbsentAt: Mono;
  /** A GET was the first to show this version of the lease: the watch is silent, or slower than that. */
  foundByReading: boolean;
  /** The record as last seen under this incarnation, and nobody else's since. */
  held: LeaseRecord | undefined;
  /** The latest end of any permit given: until then PID 1 may let a server live. */
  longestUntil: Mono;
  /** The end of the primary's WAL, and since when it is there. */
  wrote: { lsn: Lsn | undefined; at: Mono };
  /** How the volumes stand. */
  disk: DiskState;
  /** Who set the server read-only; the same is on the volume. */
  brake: {
    mark: BrakeMark | undefined;
    /** When the server's switch was last changed from here; older observations tell nothing of it. */
    changedAt: Mono;
    /** From the look that asked until no ordinary session wrote any more, the slower of late ones. */
    reactionMs: number;
    /** When what a human set was first seen to be off. */
    offSince: Mono | undefined;
    /** When it could last not be changed. */
    failedAt: Mono | undefined;
    busy: Promise<Result<void>> | undefined;
  };
}

/** Before it was measured. */
const firstReactionMs = 1000;

const unread = { of: 'kube', kind: 'cancelled', done: 'no', detail: 'not read yet' } as const;

export function emptyMemory(records: LocalRecords): Memory {
  return {
    lease: unknown(unread),
    permit: undefined,
    renewSentAt: Number.NEGATIVE_INFINITY,
    pods: unknown(unread),
    facts: unknown(unread),
    request: unknown(unread),
    config: defaultConfig,
    configKnown: false,
    configText: undefined,
    configGood: false,
    configAt: Number.NEGATIVE_INFINITY,
    stale: new Set(),
    instance: { is: 'empty' },
    observedAt: Number.NEGATIVE_INFINITY,
    lastExit: undefined,
    downSince: undefined,
    records,
    takeover: undefined,
    stalledAt: undefined,
    promotion: undefined,
    switchover: undefined,
    streamedAt: {},
    acquiredAt: undefined,
    passedOver: [],
    heard: undefined,
    followedAt: Number.NEGATIVE_INFINITY,
    syncBarrier: undefined,
    barrierDue: undefined,
    inForce: undefined,
    acknowledged: undefined,
    homes: {},
    holderNode: undefined,
    nodeAsked: { at: Number.NEGATIVE_INFINITY, fault: undefined },
    reports: {},
    reportedAt: Number.NEGATIVE_INFINITY,
    job: undefined,
    failures: {},
    draining: false,
    labelledAt: Number.NEGATIVE_INFINITY,
    stopping: false,
    cycle: 0,
    promised: undefined,
    boundAt: Number.NEGATIVE_INFINITY,
    standing: false,
    renewedAt: Number.NEGATIVE_INFINITY,
    unanswered: [],
    toldFault: undefined,
    promises: {},
    failsafe: undefined,
    roster: [],
    remembered: undefined,
    ownAnnotations: undefined,
    told: { ...untold },
    summedUpAt: Number.NEGATIVE_INFINITY,
    wasPaused: false,
    crashes: [],
    clocks: undefined,
    startedHere: undefined,
    fencing: undefined,
    endedContainers: [],
    troubleAt: undefined,
    since: undefined,
    sighting: undefined,
    lastRecord: undefined,
    leaseReadAt: Number.NEGATIVE_INFINITY,
    leaseAbsentAt: Number.NEGATIVE_INFINITY,
    foundByReading: false,
    held: undefined,
    longestUntil: Number.NEGATIVE_INFINITY,
    wrote: { lsn: undefined, at: Number.NEGATIVE_INFINITY },
    disk: freshDisk(Number.NEGATIVE_INFINITY),
    brake: {
      mark: undefined,
      changedAt: Number.NEGATIVE_INFINITY,
      reactionMs: firstReactionMs,
      offSince: undefined,
      failedAt: undefined,
      busy: undefined,
    },
  };
}

const firstRetryMs = 1000;
const lastRetryMs = 30_000;

/** Counts a failure of one kind of work and says when it may be tried again: 1, 2, 4 … 30 s. */
export function noteFailure(memory: Memory, what: string, fault: Failure['fault'], now: Mono): void {
  const count = (memory.failures[what]?.count ?? 0) + 1;
  memory.failures[what] = { what, fault, count, retryAt: now + Math.min(lastRetryMs, firstRetryMs * 2 ** (count - 1)) };
}
