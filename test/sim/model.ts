/** The nouns of the simulated world. Types only. */
import type { BrakeMark, LocalRecords, Role, ServerProcess } from '../../agent/core/model.ts';
import type { Reason } from '../../agent/core/reasons.ts';
import type { Loop } from '../../agent/loop/loop.ts';
import type { PeerAddress } from '../../agent/ports/instance.ts';
import type { Counters } from './counters.ts';
import type { Engine } from './engine.ts';
import type { Kube } from './kube.ts';
import type { Network } from './network.ts';
import type { Oracle } from './oracle.ts';
import type { MachineClock, Proc } from './process.ts';
import type { Random } from './random.ts';
import type { Branch, Position } from './wal.ts';

/** What a data directory holds. */
export interface Data {
  systemId: string;
  dataId: string | undefined;
  promotedTerm: number;
  clusterState: string;
  /** End of its WAL; an object of its own. */
  position: Position;
  lock: { host: string; port: number } | undefined;
  unfinished: 'full' | 'incremental' | undefined;
}

/** One walsender with its walreceiver; each end notices on its own that the other is gone. */
export interface Stream {
  primary: Server;
  standby: Server;
  branch: Branch;
  openAtPrimary: boolean;
  openAtStandby: boolean;
  /** What the primary knows to be flushed by the standby. */
  flushed: number;
  caughtUp: boolean;
  /** An agent that looked has seen that something was acknowledged. */
  heard: boolean;
  underWay: boolean;
  heardByPrimary: number;
  heardByStandby: number;
}

export interface Commit {
  lsn: number;
  at: number;
}

/** A gaussdb and its data directory. */
export interface Server {
  machine: Machine;
  data: Data | undefined;
  /** What lies in postgresql.conf; survives builds. */
  conf: { names: string; mostAvailable: boolean; readOnly: boolean; peers: PeerAddress[] };
  proc: Proc | undefined;
  process: ServerProcess | undefined;
  /** SIGKILL was sent; nothing is acknowledged any more, the process may take its time to be gone. */
  doomed: boolean;
  role: Role;
  upAt: number;
  /** The term it was promoted with, in this process. */
  term: number;
  /** In force: how many of whom must have flushed a commit. */
  need: number;
  names: string[];
  upstream: Stream | undefined;
  downstream: Stream[];
  waiting: Commit[];
  streamEndedAt: number;
  sticky: string | undefined;
  promotingTerm: number | undefined;
  slowRedoUntil: number;
  seeking: boolean;
  /** Bumped by whoever begins to work on the directory, so that what an earlier tool left undone ends. */
  work: number;
  exits: ((process: ServerProcess, role: Role) => void)[];
}

export interface AgentRun {
  proc: Proc;
  loop: Loop;
}

/** What may go wrong with a tool, a disk or a process of one machine while a fault stands. */
export interface Weakness {
  /** Saving the records fails. */
  saveFails: boolean;
  /** Nothing that touches the volume comes back before this moment. */
  diskStuckUntil: number;
  startFails: boolean;
  promotionMs: number;
  promotionLost: number;
  reapMs: number;
  stopMs: number;
  redoMs: number;
  buildMs: number;
  sqlFails: number;
  /** Share of the volume that is used. */
  volumeUsed: number;
  /** The volume has become read-only. */
  volumeFails: boolean;
}

/** What dies at a call; at a stall nothing does, and the agent stands still for a while. */
export type Takes = 'agent' | 'container' | 'server' | 'node' | 'stall';

/** A node with the one pod that runs on it. */
export interface Machine {
  index: number;
  name: string;
  ip: string;
  uid: string;
  clock: MachineClock;
  powered: boolean;
  /** Its pod was scaled in: nobody makes it again for now. */
  scaledIn: boolean;
  /** PID 1 of the container; undefined while there is none. */
  pid1: Proc | undefined;
  container: string;
  /** When its PID 1 started, in boot time. */
  bornAt: number;
  incarnation: number;
  fence: { process: ServerProcess; deadline: number } | undefined;
  echo: { process: ServerProcess; deadline: number } | undefined;
  agent: AgentRun | undefined;
  /** The agent that renewed the lease last. */
  renewedBy?: Proc | undefined;
  server: Server;
  records: LocalRecords;
  /** Who set the server read-only, as the volume remembers it. */
  brake: BrakeMark | undefined;
  weak: Weakness;
  /** Who looks at the volume. */
  volumeLooks: (() => void)[];
  /** Until when it is looked at again and again. */
  lookUntil: number;
  /** Crashes the agent, or all of the container, at that many port calls from now, before or after the call has had its effect. */
  crashIn: { calls: number; port: string | undefined; phase: 'before' | 'after'; takes: Takes; stallMs?: number } | undefined;
  /** What the agent last decided, as its surfaces show it, and when it was paused, for the last time. */
  shown?: {
    reason: Reason;
    blocked: string | undefined;
    paused: boolean;
    pausedAt?: number | undefined;
    version: string | undefined;
  };
}

export interface World {
  engine: Engine;
  dice: Random;
  machines: Machine[];
  network: Network;
  kube: Kube;
  oracle: Oracle;
  counters: Counters;
  /** The story, while a seed is replayed for reading; undefined otherwise, so that no text is made. */
  tell: ((who: string, what: string) => void) | undefined;
  /** A build begins on that machine. */
  buildBegun?: ((machine: Machine) => void) | undefined;
  /** The Lease has another holder. */
  leaseTaken?: (() => void) | undefined;
  /** A process may have ended: its machine looks after what follows. */
  serverEnded(machine: Machine, process: ServerProcess, role: Role): void;
  crash(machine: Machine, takes: Takes): void;
}
