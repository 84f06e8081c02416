/**
 * What the running server says of itself: one message of several statements, so that a look costs one round trip,
 * and the mapping from its rows to our nouns. What it does not say is undefined, never invented.
 */
import { isPrimaryRole } from '../../core/acting.ts';
import { type Lsn, parseLsn } from '../../core/lsn.ts';
import {
  type DbState,
  dbStates,
  type PrimaryInstance,
  type Receiver,
  type Role,
  roles,
  type Sender,
  type StandbyInstance,
} from '../../core/model.ts';
import { parseLock } from './freeze.ts';
import { type Row, textOf, truthOf } from './sql.ts';

const lockSql = 'select disconn_mode, disconn_host, disconn_port, redo_finished from read_disable_conn_file()';

/** All roles answer all of these; what a role cannot say is NULL or no row. */
const statements = [
  'select local_role, db_state, detail_information from pg_stat_get_stream_replications()',
  'select pg_is_in_recovery() as recovering, case when pg_is_in_recovery() then null else pg_current_xlog_location() end as written',
  'select term, lsn, pg_last_xlog_receive_location() as received from pg_last_xlog_replay_location()',
  'select pid, state, sync_state, sender_sent_location, receiver_received_location, receiver_write_location,' +
    ' receiver_flush_location, receiver_replay_location from pg_stat_get_wal_senders()',
  'select pid, application_name, extract(epoch from backend_start) as since from pg_stat_replication',
  'select state, channel from pg_stat_get_wal_receiver()',
  lockSql,
  'show synchronous_standby_names',
  'show most_available_sync',
  'show default_transaction_read_only',
];
export const statusSql = statements.join('; ');

/**
 * The same of a server without replconninfo, as a cluster of one has it: 5.0.3 answers the question for its lock with an
 * error then ("get local host failed!"). It has none; whether that is still so is asked in its place.
 */
export const loneStatusSql = statements.map((one) => (one === lockSql ? 'show replconninfo1' : one)).join('; ');

/** Whether an error says that there is no replconninfo. */
export function saysLone(detail: string): boolean {
  return /get local host failed/i.test(detail);
}

/** Takes the answer about replconninfo out; undefined: the server has peers by now, and perhaps a lock. */
export function withoutLock(results: Row[][]): Row[][] | undefined {
  const at = statements.indexOf(lockSql);
  return textOf(first(results[at])) === '' ? results.with(at, []) : undefined;
}

/** The answers, in the order of the statements. */
export interface Status {
  role: Role;
  state: DbState;
  detail: string;
  recovering: boolean;
  primary: Pick<PrimaryInstance, 'written' | 'senders' | 'syncNames' | 'mostAvailableSync' | 'readOnly' | 'writable'>;
  standby: Pick<StandbyInstance, 'term' | 'received' | 'replayed' | 'receiver' | 'lock'>;
  /** The senders that are known to have had an acknowledgement by now; the next look needs them. */
  heard: ReadonlySet<string>;
}

const nobodyHeard: ReadonlySet<string> = new Set();

/** Undefined when the answer does not have the shape of one. `heard` is what the last look at the same server found. */
export function parseStatus(results: Row[][], heard = nobodyHeard): Status | undefined {
  const [ha, wal, replay, senders, clients, receiver, lock, names, available, readOnly] = results;
  const head = ha?.[0];
  if (head === undefined || readOnly === undefined) return undefined;
  const role = roles.find((one) => one === textOf(head['local_role'])) ?? 'Unknown';
  const recovering = truthOf(wal?.[0]?.['recovering']);
  const brake = truthOf(first(readOnly));
  const found = parseSenders(senders ?? [], clients ?? [], heard);
  return {
    role,
    state: dbStates.find((one) => one === textOf(head['db_state'])) ?? 'Unknown',
    detail: textOf(head['detail_information']) ?? '',
    recovering,
    primary: {
      written: parseLsn(textOf(wal?.[0]?.['written'])),
      senders: found.senders,
      syncNames: textOf(first(names)) ?? '',
      mostAvailableSync: truthOf(first(available)),
      readOnly: brake,
      writable: isPrimaryRole(role) && !recovering && !brake,
    },
    standby: {
      term: parseTerm(textOf(replay?.[0]?.['term'])),
      received: parseLsn(textOf(replay?.[0]?.['received'])),
      replayed: parseLsn(textOf(replay?.[0]?.['lsn'])),
      receiver: parseReceiver(receiver?.[0]),
      lock: parseLock(lock?.[0]),
    },
    heard: found.heard,
  };
}

/** The single column of a SHOW. */
function first(rows: Row[] | undefined): unknown {
  const row = rows?.[0];
  return row === undefined ? undefined : Object.values(row)[0];
}

function parseTerm(text: string | undefined): number {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : 0;
}

/** The name in `WalSender to Standby[n2]`; without brackets the text itself. */
export function standbyNameOf(applicationName: string): string {
  return /\[(.*)\]$/.exec(applicationName)?.[1] ?? applicationName;
}

/** The sending end of a standby's channel `10.0.0.2:35446<--10.0.0.1:5433`. */
export function senderOf(channel: string): string | undefined {
  return /<--(.+)$/.exec(channel)?.[1];
}

function parseReceiver(row: Row | undefined): Receiver | undefined {
  const channel = textOf(row?.['channel']);
  if (row === undefined || channel === undefined) return undefined;
  return { from: senderOf(channel) ?? '', state: textOf(row['state']) ?? 'Unknown' };
}

function parseSenders(rows: Row[], clients: Row[], heard: ReadonlySet<string>): { senders: Sender[]; heard: Set<string> } {
  const byPid = new Map(clients.map((client) => [textOf(client['pid']), client]));
  const now = new Set<string>();
  const senders = rows.flatMap((row) => {
    const client = byPid.get(textOf(row['pid']));
    const name = textOf(client?.['application_name']);
    if (name === undefined) return [];
    const key = `${textOf(row['pid'])} ${textOf(client?.['since'])}`;
    const sender = parseSender(row, standbyNameOf(name));
    const told = isHeard(sender, heard.has(key));
    if (told.next) now.add(key);
    return [told.now ? sender : { ...sender, flushed: undefined, replayed: undefined }];
  });
  return { senders, heard: now };
}

/**
 * Whether a sender's positions are its receiver's. Nothing acknowledged is 0/0, and 0/0 is printed as the sent position
 * (opengauss-interface 2.5), for as long as nothing is acknowledged. A flushed position that is another than the sent one
 * is real, and so are all later ones of that connection. Only a sender with a flushed position is called anything but
 * Async; that word is read after the positions of its row, so that it speaks for the next look.
 */
export function isHeard(row: Pick<Sender, 'sent' | 'flushed' | 'sync'>, before: boolean): { now: boolean; next: boolean } {
  const now = before || (row.flushed !== undefined && row.sent !== undefined && row.flushed !== row.sent);
  const counted = row.sync === 'Sync' || row.sync === 'Quorum' || row.sync === 'Potential';
  return { now, next: now || counted };
}

function parseSender(row: Row, name: string): Sender {
  const position = (column: string): Lsn | undefined => parseLsn(textOf(row[column]));
  return {
    name,
    state: oneOf(['Startup', 'Backup', 'Catchup', 'Streaming'] as const, textOf(row['state'])),
    sync: oneOf(['Async', 'Sync', 'Quorum', 'Potential'] as const, textOf(row['sync_state'])),
    sent: position('sender_sent_location'),
    flushed: position('receiver_flush_location'),
    replayed: position('receiver_replay_location'),
  };
}

function oneOf<T extends string>(words: readonly T[], text: string | undefined): T | 'Unknown' {
  return words.find((word) => word === text) ?? 'Unknown';
}
