/**
 * The lab's look into the servers: over the member's unix socket as the initial user, as the agent does it. Counts the
 * standbys that stream, and makes the account for clients once. Every session has a deadline.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { type Lsn, parseLsn } from '../../agent/core/lsn.ts';
import type { ClientAccount } from './record.ts';

export interface LocalServer {
  socketDir: string;
  port: number;
  superuser: string;
}

/** One short session over the unix socket; undefined when it does not come about or a statement fails. */
async function session<T>(
  server: LocalServer,
  deadlineMs: number,
  work: (client: pg.Client) => Promise<T>,
  database = 'postgres',
): Promise<T> {
  const client = new pg.Client({
    host: server.socketDir,
    port: server.port,
    user: server.superuser,
    database,
    connectionTimeoutMillis: deadlineMs,
    query_timeout: deadlineMs,
    options: '-c synchronous_commit=local',
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** How many standbys stream from this server; undefined when it does not answer as a primary. */
export async function countStreaming(server: LocalServer): Promise<number | undefined> {
  try {
    return await session(server, 2000, async (client) => {
      const recovery = await client.query('SELECT pg_is_in_recovery() AS standby');
      if (recovery.rows[0]?.standby !== false) return undefined;
      const senders = await client.query("SELECT count(*)::int AS n FROM pg_stat_get_wal_senders() WHERE state = 'Streaming'");
      return Number(senders.rows[0]?.n);
    });
  } catch {
    return undefined;
  }
}

/** The end of the primary's WAL; undefined when it does not answer. */
export async function writtenPosition(server: LocalServer): Promise<Lsn | undefined> {
  try {
    const { rows } = await session(server, 2000, (client) => client.query('SELECT pg_current_xlog_location()::text AS lsn'));
    return parseLsn(rows[0]?.lsn);
  } catch {
    return undefined;
  }
}

/** Creates an ordinary user with a database of its own on the primary; throws with the server's words when it cannot. */
export async function createClientAccount(server: LocalServer): Promise<ClientAccount> {
  const account = { user: 'labuser', password: `Lab_${randomBytes(9).toString('hex')}`, database: 'labdb' };
  await session(server, 20_000, async (client) => {
    await client.query(`CREATE USER ${account.user} PASSWORD '${account.password}'`);
    await client.query(`CREATE DATABASE ${account.database} OWNER ${account.user}`);
  });
  // The owner of a database may not yet create tables in its public schema on openGauss.
  const grant = (client: pg.Client) => client.query(`GRANT ALL ON SCHEMA public TO ${account.user}`);
  await session(server, 20_000, grant, account.database);
  return account;
}
