/**
 * What the running server says of itself: one message of several statements, so that a look costs one round trip,
 * and the mapping from its rows to our nouns. What it does not say is undefined, never invented.
 */
import { type Lsn, parseLsn } from '../../core/lsn.ts';
import type { DbState, PrimaryInstance, Receiver, Role, Sender, StandbyInstance } from '../../core/model.ts';
import { parseLock } from './freeze.ts';
import { type Row, textOf, truthOf } from './sql.ts';

/** All roles answer all of these; what a role cannot say is NULL or no row. */
export const statusSql = [
  'select local_role, db_state, detail_information from pg_stat_get_stream_replications()',
  'select pg_is_in_recovery() as recovering, case when pg_is_in_recovery() then null else pg_current_xlog_location() end as written',
  'select term, lsn, pg_last_xlog_receive_location() as received from pg_last_xlog_replay_location()',
  'select pid, state, sync_state, sender_sent_location, receiver_received_location, receiver_write_location,' +
    ' receiver_flush_location, receiver_replay_location from pg_stat_get_wal_senders()',
  'select pid, application_name, extract(epoch from clock_timestamp() - backend_start) as age from pg_stat_replication',
  'select state, channel from pg_stat_get_wal_receiver()',
  'select disconn_mode, disconn_host, disconn_port, redo_finished from read_disable_conn_file()',
  'show synchronous_standby_names',
  'show most_available_sync',
  'show default_transaction_read_only',
].join('; ');

/** The answers, in the order of the statements. */
export interface Status {
  role: Role;
  state: DbState;
  detail: string;
  recovering: boolean;
  primary: Pick<PrimaryInstance, 'written' | 'senders' | 'syncNames' | 'mostAvailableSync' | 'readOnly' | 'writable'>;
  standby: Pick<StandbyInstance, 'term' | 'received' | 'replayed' | 'receiver' | 'lock'>;
}

const roles: Role[] = ['Primary', 'Standby', 'Cascade Standby', 'Main Standby', 'Pending', 'Normal', 'Unknown'];
const states: DbState[] = [
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
];

/** Undefined when the answer does not have the shape of one. */
export function parseStatus(results: Row[][]): Status | undefined {
  const [ha, wal, replay, senders, clients, receiver, lock, names, available, readOnly] = results;
  const head = ha?.[0];
  if (head === undefined || readOnly === undefined) return undefined;
  const role = roles.find((one) => one === textOf(head['local_role'])) ?? 'Unknown';
  const recovering = truthOf(wal?.[0]?.['recovering']);
  const brake = truthOf(first(readOnly));
  return {
    role,
    state: states.find((one) => one === textOf(head['db_state'])) ?? 'Unknown',
    detail: textOf(head['detail_information']) ?? '',
    recovering,
    primary: {
      written: parseLsn(textOf(wal?.[0]?.['written'])),
      senders: parseSenders(senders ?? [], clients ?? []),
      syncNames: textOf(first(names)) ?? '',
      mostAvailableSync: truthOf(first(available)),
      readOnly: brake,
      writable: (role === 'Primary' || role === 'Normal') && !recovering && !brake,
    },
    standby: {
      term: parseTerm(textOf(replay?.[0]?.['term'])),
      received: parseLsn(textOf(replay?.[0]?.['received'])),
      replayed: parseLsn(textOf(replay?.[0]?.['lsn'])),
      receiver: parseReceiver(receiver?.[0]),
      lock: parseLock(lock?.[0]),
    },
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

/** A standby answers within milliseconds of its connection; before that its positions may be a fiction (below). */
const settledSeconds = 0.1;

function parseSenders(rows: Row[], clients: Row[]): Sender[] {
  const byPid = new Map(clients.map((client) => [textOf(client['pid']), client]));
  return rows.flatMap((row) => {
    const client = byPid.get(textOf(row['pid']));
    const name = textOf(client?.['application_name']);
    return name === undefined ? [] : [parseSender(row, standbyNameOf(name), Number(client?.['age'] ?? 0))];
  });
}

/**
 * A position of 0/0, which means "nothing acknowledged", is printed as the sent position (opengauss-interface 2.5).
 * A sender younger than a moment whose every position equals the sent one is therefore not believed.
 */
function parseSender(row: Row, name: string, ageSeconds: number): Sender {
  const sent = parseLsn(textOf(row['sender_sent_location']));
  const columns = [
    'receiver_received_location',
    'receiver_write_location',
    'receiver_flush_location',
    'receiver_replay_location',
  ];
  const masked = ageSeconds < settledSeconds && columns.every((column) => parseLsn(textOf(row[column])) === sent);
  const position = (column: string): Lsn | undefined => (masked ? undefined : parseLsn(textOf(row[column])));
  return {
    name,
    state: oneOf(['Startup', 'Backup', 'Catchup', 'Streaming'] as const, textOf(row['state'])),
    sync: oneOf(['Async', 'Sync', 'Quorum', 'Potential'] as const, textOf(row['sync_state'])),
    sent,
    flushed: position('receiver_flush_location'),
    replayed: position('receiver_replay_location'),
  };
}

function oneOf<T extends string>(words: readonly T[], text: string | undefined): T | 'Unknown' {
  return words.find((word) => word === text) ?? 'Unknown';
}
