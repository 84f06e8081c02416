// gs_ctl query: the three sections of the healthy layout from SQL, the other layout from gaussdb.state when the server
// cannot be asked, the short refusal when none runs. Exit 0 for the first two, however stale the second is.
import { at, liveness, serverPid } from './datadir.ts';
import { raw, say } from './messages.ts';
import type { Control } from './options.ts';
import { connectLocal, stateOrLeave } from './session.ts';
import type { Wire } from './wire.ts';

const LOCATIONS = ['sender', 'receiver']
  .flatMap((side) =>
    (side === 'sender' ? ['sent', 'write', 'flush', 'replay'] : ['received', 'write', 'flush', 'replay']).map(
      (step) => `${side}_${step}_location`,
    ),
  )
  .join(',');

const SECTIONS: readonly (readonly [string, string])[] = [
  ['HA state:', 'SELECT local_role,static_connections,db_state,detail_information FROM pg_stat_get_stream_replications();'],
  [
    'Senders info:',
    `SELECT sender_pid,local_role,peer_role,peer_state,state,${LOCATIONS},sync_percent,sync_state,sync_priority,sync_most_available,channel FROM pg_stat_get_wal_senders();`,
  ],
  [
    'Receiver info:',
    `SELECT receiver_pid,local_role,peer_role,peer_state,state,${LOCATIONS},sync_percent,channel FROM pg_stat_get_wal_receiver();`,
  ],
];

async function section(connection: Wire, title: string, sql: string): Promise<void> {
  raw(` ${title.padEnd(20)}\n`);
  const answer = await connection.query(sql);
  if ('error' in answer) {
    say('exc_sql failed.\n');
    return;
  }
  if (answer.rows.length === 0) raw('No information \n');
  for (const row of answer.rows) raw(`${answer.fields.map((name, i) => `\t${name.padEnd(30)} : ${row[i] ?? ''}\n`).join('')}\n`);
}

function fallback(data: string, complaint: string | undefined): void {
  const state = stateOrLeave(data);
  const line = (name: string, value: string | number): string => `        ${name.padEnd(30)}: ${value}\n`;
  raw(
    ` HA state:\n${line('local_role', state.mode)}${line('static_connections', state.connections)}${line('db_state', state.state)}` +
      `${line('detail_information', complaint === undefined || complaint === '' ? 'Access denied' : complaint)}${line('sync_mode', state.sync ? 'Sync' : 'Async')}` +
      '\n Senders info:\n        No information\n Receiver info:\n        No information\n',
  );
}

/** gs_ctl query. */
export async function query({ options, data }: Control): Promise<number> {
  if (options.lsn !== undefined) {
    const { queryLsn } = await import('./querylsn.ts');
    return queryLsn(data, options.lsn);
  }
  const pid = serverPid(data);
  if (pid === 0) {
    say(` PID file "${at(data, 'postmaster.pid')}" does not exist\n`);
    say('Is server running?\n');
    return 1;
  }
  if (liveness(data, pid) !== 'alive') {
    say(` The process recorded in PID file "${at(data, 'postmaster.pid')}" is not current server\n`);
    say('Is server running?\n');
    return 1;
  }
  const connection = await connectLocal(data, options.user, options.password);
  if (connection === undefined || 'error' in connection) {
    fallback(data, connection?.error);
    return 0;
  }
  for (const [title, sql] of SECTIONS) await section(connection, title, sql);
  connection.close();
  return 0;
}
