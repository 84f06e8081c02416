/** What every part of the loop works with: the ports, the own identity, the memory and the wish to be woken. */
import type { DynamicConfig } from '../core/config.ts';
import type { Self, Snapshot } from '../core/view.ts';
import type { InstancePort, PeerAddress } from '../ports/instance.ts';
import type { EventNote, KubePort } from '../ports/kube.ts';
import type { Board, BrakePort, Clock, FencePort, PeersPort, RecordsPort, ReservePort, VolumesPort } from '../ports/others.ts';
import type { Tally } from '../ports/telemetry.ts';
import type { Memory } from './memory.ts';

export interface Ports {
  clock: Clock;
  kube: KubePort;
  instance: InstancePort;
  peers: PeersPort;
  fence: FencePort;
  records: RecordsPort;
  board: Board;
  /** Absent where nobody looks: then no volume is known. */
  volumes?: VolumesPort;
  /** Absent: who set the server read-only is remembered for as long as the agent lives. */
  brake?: BrakePort;
  /** By mount. */
  reserves?: Record<string, ReservePort>;
}

export type ConfigParser = (
  text: string | undefined,
) => { ok: true; config: DynamicConfig } | { ok: false; problems: { field: string; message: string }[] };

export interface LoopLog {
  info(msg: string, fields?: Record<string, unknown>): void;
  warn(msg: string, fields?: Record<string, unknown>): void;
  error(msg: string, fields?: Record<string, unknown>): void;
  debug(msg: string, fields?: Record<string, unknown>): void;
}

export interface Context {
  ports: Ports;
  self: Self;
  memory: Memory;
  log: LoopLog;
  tally: Tally;
  parseConfig: ConfigParser;
  nudge(): void;
  /** The own address and the others', as replication reaches them. */
  addressOf(name: string): PeerAddress | undefined;
  event(note: EventNote): void;
  last: Snapshot | undefined;
}
