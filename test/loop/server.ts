/** What a model server is at a moment, for database.ts: its data, its process, its switches, and how it is to misbehave. */
import type { DataState, Role, ServerExit, ServerProcess } from '../../agent/core/model.ts';

export interface WalRecord {
  id: number;
  term: number;
}

export interface ModelServer {
  name: string;
  ip: string;
  data: (DataState & { wal: WalRecord[]; lock: { host: string; port: number } | undefined }) | undefined;
  process: ServerProcess | undefined;
  role: Role;
  startedAt: number;
  syncNames: string;
  mostAvailable: boolean;
  readOnly: boolean;
  /** How often its switch was tried while there was no room to record it; undefined: there is room. */
  refusedSwitches: number | undefined;
  peers: string[];
  streamsFrom: string | undefined;
  streamEndedAt: number;
  /** SIGSTOP of everything: nothing moves. */
  frozen: boolean;
  /** What is killed is still there: it waits for its volume. */
  undying?: boolean;
  /** Its volume takes nothing: it answers, and no commit gets anywhere. */
  dry?: boolean;
  /** Its redo never finishes, and comes no further. */
  redoStands?: boolean;
  exits: ((exit: ServerExit) => void)[];
  /** How long it takes to start; one that ends before it is up never gets there. */
  startMs: number;
  /** Ends so long after its start. */
  livesMs: number | undefined;
  starts: number;
  /** How often it was looked at. */
  looks: number;
}

const startMs = 30;

/** A machine with an empty volume. */
export function emptyServer(name: string, ip: string): ModelServer {
  return {
    name,
    ip,
    data: undefined,
    process: undefined,
    role: 'Unknown',
    startedAt: 0,
    syncNames: '',
    mostAvailable: false,
    readOnly: false,
    refusedSwitches: undefined,
    peers: [],
    streamsFrom: undefined,
    streamEndedAt: 0,
    frozen: false,
    exits: [],
    startMs,
    livesMs: undefined,
    starts: 0,
    looks: 0,
  };
}

/** The member's server runs as a primary, whoever leads. */
export function isPrimary({ database }: { database: { server(name: string): ModelServer } }, name: string): boolean {
  const { role, process } = database.server(name);
  return process !== undefined && role === 'Primary';
}
