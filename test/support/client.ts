/**
 * A client as an application would be: inserts numbered rows through one address, one at a time, and reconnects with
 * at most five milliseconds between tries. Records when each row was acknowledged. It never reuses a number: a row
 * whose answer was lost may or may not be there, and only acknowledged ones are claimed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface ClientAddress {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
}

export interface WriterOptions {
  address: ClientAddress;
  table: string;
  /** The first number; later ones count up from it. */
  from: number;
  /** Pause between acknowledged rows; 0 inserts as fast as the server answers. */
  pauseMs?: number;
  /** How long an answer may take before the connection is given up. */
  answerMs?: number;
  /** Asks with each row which server acknowledged it. */
  identify?: boolean;
  /** Stays on its first connection: for a client that a cut must not move. Default false. */
  once?: boolean;
}

export interface Acknowledged {
  n: number;
  /** performance.now() when it was sent. */
  asked: number;
  /** performance.now() when the answer arrived. */
  at: number;
  /** When the server that acknowledged it was started: no two have the same. */
  server?: string;
}

export interface Writer {
  acknowledged: Acknowledged[];
  /** Waits until so many rows have been acknowledged since `since`; false at the deadline. */
  whenAcknowledged(count: number, deadlineMs: number, since?: number): Promise<boolean>;
  /** What the last failed try said. */
  lastError(): string | undefined;
  /** What the failed tries said, each with its code where it has one, and how often. */
  errors: Map<string, number>;
  stop(): Promise<void>;
}

const retryMs = 5;
const connectMs = 1000;
/** Different errors that are kept. */
const errorsMax = 100;

/** Connects a node-postgres client; the caller ends it. */
export async function connect(address: ClientAddress, answerMs: number): Promise<pg.Client> {
  const client = new pg.Client({ ...address, connectionTimeoutMillis: connectMs, query_timeout: answerMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    abandon(client);
    throw error;
  }
}

/** Closes the socket at once; a polite end would wait for a server that answers nothing. */
function abandon(client: pg.Client) {
  // biome-ignore lint/suspicious/noExplicitAny: the socket of node-postgres is reachable but not in its types.
  const inner = (client as any).connection as { stream?: { destroy(): void } } | undefined;
  inner?.stream?.destroy();
}

/** Creates the table if it is missing. */
export async function prepareTable(address: ClientAddress, table: string): Promise<void> {
  const client = await connect(address, 20_000);
  await client.query(`CREATE TABLE IF NOT EXISTS ${table} (n bigint PRIMARY KEY, note text)`);
  await client.end();
}

/** Starts inserting; the table exists. */
export function startWriter(options: WriterOptions): Writer {
  const acknowledged: Acknowledged[] = [];
  let next = options.from;
  let stopping = false;
  let lastError: string | undefined;
  const errors = new Map<string, number>();

  const identify = options.identify === true ? ' RETURNING pg_postmaster_start_time()::text AS server' : '';
  const insert = `INSERT INTO ${options.table} (n) VALUES ($1)${identify}`;

  async function insertAll(client: pg.Client) {
    while (!stopping) {
      const n = next;
      next += 1;
      const asked = performance.now();
      const { rows } = await client.query<{ server: string }>({ name: 'insert', text: insert, values: [n] });
      const server = rows[0]?.server;
      acknowledged.push({ n, asked, at: performance.now(), ...(server === undefined ? {} : { server }) });
      if (options.pauseMs !== undefined && options.pauseMs > 0) await sleep(options.pauseMs);
    }
  }
  async function run() {
    while (!stopping) {
      let client: pg.Client | undefined;
      try {
        client = await connect(options.address, options.answerMs ?? 1000);
        await insertAll(client);
        await client.end();
      } catch (error) {
        lastError = error instanceof Error ? error.message : String(error);
        const { code } = error as { code?: string };
        const said = code === undefined || lastError.includes(code) ? lastError : `${code} ${lastError}`;
        if (errors.size < errorsMax || errors.has(said)) errors.set(said, (errors.get(said) ?? 0) + 1);
        if (client !== undefined) abandon(client);
        if (options.once === true && client !== undefined) return;
      }
      if (!stopping) await sleep(retryMs);
    }
  }
  const running = run();

  return {
    acknowledged,
    async whenAcknowledged(count, deadlineMs, since = 0) {
      const end = performance.now() + deadlineMs;
      while (performance.now() < end) {
        let found = 0;
        for (let i = acknowledged.length - 1; i >= 0 && (acknowledged[i]?.at ?? 0) > since && found < count; i -= 1) found += 1;
        if (found >= count) return true;
        await sleep(10);
      }
      return false;
    },
    lastError: () => lastError,
    errors,
    async stop() {
      stopping = true;
      await running;
    },
  };
}

/** The longest time between two acknowledgements in a row, from the last one before `from` on. */
export function longestGap(acknowledged: Pick<Acknowledged, 'at'>[], from = 0): { ms: number; begin: number } {
  let longest = { ms: 0, begin: 0 };
  for (let i = 1; i < acknowledged.length; i += 1) {
    const before = acknowledged[i - 1]?.at ?? 0;
    const at = acknowledged[i]?.at ?? 0;
    if (at >= from && at - before > longest.ms) longest = { ms: at - before, begin: before };
  }
  return longest;
}

/** The acknowledged rows that a member does not hold; waits up to the deadline for a standby to replay them. */
export async function missingRows(
  address: ClientAddress,
  table: string,
  numbers: number[],
  deadlineMs: number,
): Promise<number[]> {
  const first = Math.min(...numbers);
  const last = Math.max(...numbers);
  const end = performance.now() + deadlineMs;
  for (;;) {
    const held = await readNumbers(address, table, first, last).catch(() => new Set<number>());
    const missing = numbers.filter((n) => !held.has(n));
    if (missing.length === 0 || performance.now() > end) return missing;
    await sleep(100);
  }
}

async function readNumbers(address: ClientAddress, table: string, first: number, last: number): Promise<Set<number>> {
  const client = await connect(address, 20_000);
  try {
    const { rows } = await client.query(`SELECT n FROM ${table} WHERE n BETWEEN $1 AND $2`, [first, last]);
    return new Set(rows.map((row: { n: string }) => Number(row.n)));
  } finally {
    await client.end().catch(() => undefined);
  }
}
