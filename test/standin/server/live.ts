// What an instance says about itself: kept in memory, and written through to og_live.json (for the SQL functions) and gaussdb.state (for
// the tools) whenever it changes. It holds facts; deciding them is the business of others.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { giveToPostgres, postgresData } from '../shared/postgres.ts';
import {
  blankState,
  type ConnectionLock,
  type DbState,
  type GaussState,
  type Mode,
  modes,
  type RebuildReason,
  encodeState,
  readState,
  replaceFile,
} from '../shared/state.ts';

/** A standby's upstream as its SQL shows it. */
export interface ReceiverFacts {
  peerRole: string;
  channel: string;
}

/** A replication client as the primary's SQL shows it. */
export interface SenderFacts {
  address: string | null;
  port: number;
  channel: string;
}

/** The facts. */
export interface Facts {
  role: Mode;
  connections: number;
  dbState: DbState;
  /** why a standby is not attached; 'Normal' when nothing is wrong */
  reason: RebuildReason;
  /** the term of term_file as this process read it */
  term: number;
  /** a primary that started cleanly reports no term */
  hideTerm: boolean;
  lock: ConnectionLock;
  localHost: string;
  localPort: number;
  redoFinished: boolean;
  /** until when (epoch milliseconds) the receive location is shown */
  receiveUntil: number;
  receiver: ReceiverFacts | undefined;
  senders: Map<number, SenderFacts>;
  mostAvailable: boolean;
  connectIndex: number;
}

/** The facts of one instance and their files. */
export interface Live {
  facts(): Readonly<Facts>;
  update(change: Partial<Facts>): void;
}

/** A moment that never comes, as receiveUntil of a streaming standby. */
export const forever = 8_640_000_000_000_000;

/** The word of detail_information. */
export function detailOf(facts: Readonly<Facts>): string {
  if (facts.role === 'Primary' || facts.role === 'Normal') return 'Normal';
  if (facts.reason !== 'Normal') return facts.reason;
  if (facts.role === 'Pending') return 'Disconnected';
  return facts.receiver === undefined ? 'Connecting...' : 'Normal';
}

/** Writes a JSON file of the data directory in one step. */
export function writeJson(pgdata: string, name: string, value: unknown): void {
  const path = join(postgresData(pgdata), name);
  writeFileSync(`${path}.new`, JSON.stringify(value));
  giveToPostgres(`${path}.new`);
  renameSync(`${path}.new`, path);
}

function stateOf(facts: Readonly<Facts>): GaussState {
  const standby = facts.role === 'Standby' || facts.role === 'Cascade Standby';
  return {
    ...blankState,
    mode: modes.includes(facts.role) ? facts.role : 'Unknown',
    connections: facts.connections,
    // of a pending instance the file says Normal although SQL says Need repair
    state: facts.role === 'Pending' && facts.dbState === 'Need repair' ? 'Normal' : facts.dbState,
    term: standby ? BigInt(facts.term) : 0n,
    reason: facts.reason,
    connectIndex: facts.connectIndex,
  };
}

/** Facts that begin as given. */
export function createLive(pgdata: string, initial: Facts): Live {
  let facts = initial;
  const write = () => {
    writeJson(pgdata, 'og_live.json', {
      role: facts.role,
      connections: facts.connections,
      dbState: facts.dbState,
      detail: detailOf(facts),
      term: facts.term,
      hideTerm: facts.hideTerm,
      receiveUntil: facts.receiveUntil,
      receiver: facts.receiver ?? null,
      mostAvailable: facts.mostAvailable ? 'On' : 'Off',
      senders: Object.fromEntries(facts.senders),
      lock: {
        mode: facts.lock.mode,
        host: facts.lock.host,
        port: String(facts.lock.port),
        localHost: facts.localHost,
        localPort: String(facts.localPort),
        redoFinished: String(facts.redoFinished),
      },
    });
  };
  let state = '';
  const writeStateFile = () => {
    const next = stateOf(facts);
    const words = `${next.mode}|${next.state}|${next.connections}|${next.reason}|${next.connectIndex}|${next.term}`;
    if (words === state && readState(pgdata) !== undefined) return;
    state = words;
    // not flushed: only a crash of the machine could lose it, and a flush would hold up every session of this process
    replaceFile(join(pgdata, 'gaussdb.state'), encodeState(next), false);
  };
  write();
  writeStateFile();
  return {
    facts: () => facts,
    update(change) {
      facts = { ...facts, ...change };
      write();
      writeStateFile();
    },
  };
}
