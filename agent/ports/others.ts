/**
 * The remaining ports: time, the fence (PID 1), the local records, the peers and the board that surfaces read.
 * Small on purpose; the simulator implements the same ones.
 */
import type {
  BrakeMark,
  LocalRecords,
  MemberName,
  Mono,
  PeerState,
  PromiseAsk,
  ServerProcess,
  Term,
  VolumeUse,
} from '../core/model.ts';
import type { Result } from '../core/result.ts';
import type { PeerSight, Snapshot } from '../core/view.ts';

export interface Clock {
  /** Boot time in ms: monotonic, counts on during suspend. */
  now(): Mono;
  /** Wall-clock ISO time, for display only. */
  wall(): string;
  /** Resolves at that moment or when the signal aborts, whichever is first; never rejects. */
  until(moment: Mono, signal?: AbortSignal): Promise<void>;
  /** How long the machine was suspended in all since the clock was made, in ms; noise stays below 20. */
  suspended?(): number;
}

/** PID 1, which kills the server at the last deadline written. */
export interface FencePort {
  /** False where the entrypoint is not PID 1: then only the agent fences, and says so. */
  readonly present: boolean;
  /** Synchronous and never blocking: "deadline pid start-time" on the FIFO. */
  arm(process: ServerProcess, deadline: Mono): Result<void>;
  /** The last deadline that PID 1 echoed, if any. */
  echo(): { process: ServerProcess; deadline: Mono } | undefined;
}

/** The agent's own records in `agent/` on the data mount. `save` returns after fsync of file and directory. */
export interface RecordsPort {
  load(): Promise<Result<LocalRecords>>;
  save(records: LocalRecords): Promise<Result<void>>;
}

/** "Leave your upstream, follow me, and tell me where you are." */
export interface FreezeAsk {
  term: Term;
  candidate: MemberName;
  host: string;
  haPort: number;
  /** Who asked for it, as the answering member knows it; not part of the request. */
  askedBy?: MemberName | undefined;
}

export interface PeersPort {
  /** Whom to talk to; called every cycle with what the API server or the last known list says. */
  setPeers(peers: { name: MemberName; uid: string; ip: string }[]): void;
  /** The latest answers. */
  seen(): Record<MemberName, PeerSight>;
  /** Asks every peer now; resolves when all have answered or at the deadline, whichever is first. */
  refresh(deadlineMs: number): Promise<void>;
  freeze(member: MemberName, ask: FreezeAsk, deadlineMs: number): Promise<Result<PeerState>>;
  /** Asks a member to remove its freeze of at most that term. */
  unfreeze(member: MemberName, term: Term, deadlineMs: number): Promise<Result<PeerState>>;
  /** Asks a member neither to grant nor to stand; the answer comes when the promise is on its disk. */
  promise(member: MemberName, ask: PromiseAsk, deadlineMs: number): Promise<Result<PeerState>>;
  close(): Promise<void>;
}

/** What the own member answers to peers; implemented by the loop, called by the peer server. */
export interface PeerHandler {
  /** Observed anew when the last observation is older than a moment; undefined before the first cycle. */
  state(): Promise<PeerState | undefined>;
  freeze(ask: FreezeAsk, from: MemberName): Promise<Result<PeerState>>;
  unfreeze(ask: { term: Term; from: MemberName }): Promise<Result<PeerState>>;
  promise(ask: PromiseAsk, from: MemberName): Promise<Result<PeerState>>;
}

/** How full the member's volumes are. */
export interface VolumesPort {
  /** What the last look at each showed; never waits for a volume. */
  seen(): VolumeUse[];
  /** Looks by itself from now on, the oftener the less is left, and calls after each look that came back. */
  watch?(listener: () => void): { stop(): void };
}

/** The mark that says who set the server read-only; `save` returns when it is on the volume. */
export interface BrakePort {
  /** Undefined: there is none that can be understood. */
  load(): Promise<Result<BrakeMark | undefined>>;
  save(mark: BrakeMark): Promise<Result<void>>;
}

/** Room held back on a volume. */
export interface ReservePort {
  /** Bytes held now; undefined before the first look. */
  held(): number | undefined;
  look(): Promise<Result<void>>;
  hold(bytes: number): Promise<Result<void>>;
  release(): Promise<Result<void>>;
}

/** Where the loop puts what the surfaces show. */
export interface Board {
  show(snapshot: Snapshot): void;
}
