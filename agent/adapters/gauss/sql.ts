/**
 * One conversation with the local server over its unix socket: one outstanding statement, a deadline for each, and
 * after any error or timeout the socket is destroyed and forgotten (a timed-out connection answers the next question
 * with the last one's rows or not at all, ecosystem 3). Every session runs with synchronous_commit=local: where the
 * synchronous names cannot be met even a plain SELECT of a fresh session hangs otherwise.
 */
import pg from 'pg';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';

/** One row, columns by name, values as the server sent them (text, numbers, booleans or null). */
export type Row = Record<string, unknown>;

export interface SessionOptions {
  socketDir: string;
  port: number;
  user: string;
  applicationName: string;
  /** Lets the session in while the server is Pending. */
  maintenance: boolean;
  /** Server-side limit of a statement; a little below the longest deadline that callers give. */
  statementTimeoutMs: number;
  /** More `-c name=value` start-up options. */
  settings?: Record<string, string>;
}

export interface Session {
  /** Runs one simple query of one or more statements; the rows of each. Waits its turn within the deadline. */
  query(sql: string, deadlineMs: number): Promise<Result<Row[][]>>;
  /** Forgets the connection at once. */
  drop(): void;
}

/** What a failed conversation says about the server. */
export type Silence = 'absent' | 'starting' | 'mute' | 'refused';

/** No socket · up but not serving (57P03) · no answer in time · an answer that is an error. */
export function silenceOf(fault: Fault): Silence {
  if (fault.kind === 'timeout') return 'mute';
  if (fault.kind === 'unreachable') return 'absent';
  return fault.code === '57P03' ? 'starting' : 'refused';
}

/** Start-up options of a session as one `-c name=value` string. */
export function startupOptions(options: Pick<SessionOptions, 'maintenance' | 'settings'>): string {
  const settings: Record<string, string> = { synchronous_commit: 'local', session_timeout: '0', ...options.settings };
  if (options.maintenance) settings['xc_maintenance_mode'] = 'on';
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

/** Maps what pg throws to a Fault. */
export function sqlFault(error: unknown): Fault {
  const detail = error instanceof Error ? error.message : String(error);
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
  const coded = code === undefined ? {} : { code };
  if (code === undefined) return { of: 'sql', kind: 'unreachable', done: 'maybe', detail };
  if (/^E[A-Z]+$/.test(code)) return { of: 'sql', kind: 'unreachable', done: 'maybe', detail, ...coded };
  const kind: Fault['kind'] = code.startsWith('28') ? 'denied' : code === '53300' ? 'throttled' : 'refused';
  return { of: 'sql', kind, done: code.startsWith('57P') ? 'maybe' : 'no', detail, ...coded };
}

/** Opens nothing yet: the first query connects. */
export function createSession(options: SessionOptions): Session {
  let client: pg.Client | undefined;
  let last: Promise<unknown> = Promise.resolve();

  function drop(): void {
    const old = client;
    client = undefined;
    if (old === undefined) return;
    // Without a listener a late error of the dead socket would end the process.
    old.on('error', () => undefined);
    streamOf(old)?.destroy();
  }

  async function connected(): Promise<pg.Client> {
    if (client !== undefined) return client;
    const fresh = new pg.Client({
      host: options.socketDir,
      port: options.port,
      user: options.user,
      database: 'postgres',
      application_name: options.applicationName,
      options: startupOptions(options),
      statement_timeout: options.statementTimeoutMs,
      password: '',
      ssl: false,
    });
    fresh.on('error', () => {
      if (client === fresh) drop();
    });
    client = fresh;
    await fresh.connect();
    return fresh;
  }

  async function ask(sql: string): Promise<Row[][]> {
    const result: unknown = await (await connected()).query(sql);
    return (Array.isArray(result) ? result : [result]).map((one) => (one as { rows: Row[] }).rows);
  }

  async function query(sql: string, deadlineMs: number): Promise<Result<Row[][]>> {
    const turn = last;
    let free = (): void => undefined;
    last = new Promise<void>((resolve) => {
      free = resolve;
    });
    const late = deadline(deadlineMs);
    try {
      const first = await Promise.race([turn.then(() => 'turn' as const), late.passed]);
      if (first === 'late') return failed(tooLate(deadlineMs, 'no'));
      const answer = await Promise.race([ask(sql), late.passed]);
      if (answer !== 'late') return ok(answer);
      drop();
      return failed(tooLate(deadlineMs, 'maybe'));
    } catch (error) {
      drop();
      return failed(sqlFault(error));
    } finally {
      late.clear();
      // The queue moves on only after the turn before this one has, or two statements would share the socket.
      void turn.then(free);
    }
  }

  return { query, drop };
}

function deadline(ms: number): { passed: Promise<'late'>; clear(): void } {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  return { passed, clear: () => clearTimeout(timer) };
}

function tooLate(ms: number, done: Fault['done']): Fault {
  return { of: 'sql', kind: 'timeout', done, detail: `no answer within ${ms} ms` };
}

/** pg has no public way to destroy its socket; `end()` waits for the server. */
function streamOf(client: pg.Client): { destroy(): void } | undefined {
  return (client as unknown as { connection?: { stream?: { destroy(): void } } }).connection?.stream;
}

/** Text of a column, or undefined for NULL and for what is not text-like. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined;
}

/** Truth of a column that is a boolean, or a setting's on/off, or text of either. */
export function truthOf(value: unknown): boolean {
  return value === true || value === 't' || value === 'true' || value === 'on' || value === 'On';
}

/** A quoted SQL text literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A quoted SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
