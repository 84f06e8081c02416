// The smallest PostgreSQL client that gs_ctl needs: one connection, simple queries, values as text. Written here because
// gs_ctl runs in an agent's failover path and must start in a few ten milliseconds. It knows no passwords but md5 and plain.
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** What a query answered. */
export interface Rows {
  fields: string[];
  rows: string[][];
}

/** An open connection. */
export interface Wire {
  query(sql: string): Promise<Rows | { error: string }>;
  close(): void;
}

/** Where and as whom to connect. */
export interface Target {
  host: string;
  port: number;
  /** What messages call the host, when that differs from the address dialled. */
  called?: string;
  localAddress?: string;
  user: string;
  database: string;
  parameters: Record<string, string>;
  password?: string | undefined;
  timeoutMs: number;
}

interface Message {
  type: string;
  body: Buffer;
}

/** Cuts the byte stream into messages; `next` waits for one until the deadline. */
function reader(socket: Socket): { next(ms: number): Promise<Message | 'closed' | 'timeout'> } {
  let buffer = Buffer.alloc(0);
  let ended = false;
  let wake = (): void => {};
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    wake();
  });
  for (const event of ['close', 'end', 'error'])
    socket.on(event, () => {
      ended = true;
      wake();
    });
  const take = (): Message | undefined => {
    if (buffer.length < 5) return undefined;
    const length = buffer.readInt32BE(1) + 1;
    if (buffer.length < length) return undefined;
    const message = { type: buffer.toString('latin1', 0, 1), body: buffer.subarray(5, length) };
    buffer = buffer.subarray(length);
    return message;
  };
  const next = async (ms: number): Promise<Message | 'closed' | 'timeout'> => {
    const deadline = Date.now() + ms;
    for (;;) {
      const message = take();
      if (message !== undefined) return message;
      if (ended) return 'closed';
      const left = deadline - Date.now();
      if (left <= 0) return 'timeout';
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  return { next };
}

const text = (s: string): Buffer => Buffer.from(`${s}\0`);

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(type.length + 4);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, type.length);
  return Buffer.concat([head, body]);
}

function startup(target: Target): Buffer {
  const words = { user: target.user, database: target.database, ...target.parameters };
  const pairs = Object.entries(words).map(([name, value]) => Buffer.concat([text(name), text(value)]));
  return message('', Buffer.concat([Buffer.from([0, 3, 0, 0]), ...pairs, Buffer.from([0])]));
}

function serverError(body: Buffer): string {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .filter((f) => f !== '')
      .map((f) => [f.charAt(0), f.slice(1)]),
  );
  return `${fields.get('S') ?? 'ERROR'}:  ${fields.get('M') ?? ''}\n`;
}

const md5 = (...parts: (string | Buffer)[]): string => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

function dial(target: Target): Promise<Socket | { error: string }> {
  const called = target.called ?? target.host;
  const unix = target.host.startsWith('/');
  const place = unix
    ? { path: `${target.host}/.s.PGSQL.${target.port}` }
    : {
        host: target.host === 'localhost' ? '127.0.0.1' : target.host,
        port: target.port,
        ...(target.localAddress && { localAddress: target.localAddress }),
      };
  return new Promise((resolve) => {
    const socket = connect(place);
    const timer = setTimeout(() => {
      socket.destroy();
      resolve({ error: `wait ${called}:${target.port} timeout expired\n` });
    }, target.timeoutMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.setNoDelay(true);
      resolve(socket);
    });
    socket.once('error', () => {
      clearTimeout(timer);
      const tcp = `could not connect to server: Operation now in progress\n\tIs the server running on host "${called}" and accepting\n\tTCP/IP connections on port ${target.port}?\n`;
      resolve({ error: unix ? `failed to connect ${called}:${target.port}.\n` : tcp });
    });
  });
}

const RESET = 'could not receive data from server, error: Connection reset by peer, remote datanode: (null)\n';

/** Connects; a refusal of any kind comes back as text in libpq's words. */
export async function open(target: Target): Promise<Wire | { error: string; needsPassword?: boolean }> {
  const deadline = Date.now() + target.timeoutMs;
  const socket = await dial(target);
  if ('error' in socket) return socket;
  const input = reader(socket);
  const give = (error: string, needsPassword = false): { error: string; needsPassword: boolean } => {
    socket.destroy();
    return { error, needsPassword };
  };
  socket.write(startup(target));
  for (;;) {
    const next = await input.next(deadline - Date.now());
    if (next === 'timeout') return give(`wait ${target.called ?? target.host}:${target.port} timeout expired\n`);
    if (next === 'closed') return give(RESET);
    if (next.type === 'E') return give(serverError(next.body));
    if (next.type === 'Z') return session(socket, input, target.timeoutMs);
    if (next.type !== 'R') continue;
    const code = next.body.readInt32BE(0);
    if (code === 0) continue;
    if (target.password === undefined) return give('FATAL:  Invalid username/password,login denied.\n', true);
    const salt = next.body.subarray(4, 8);
    const answer = code === 5 ? `md5${md5(md5(target.password, target.user), salt)}` : code === 3 ? target.password : undefined;
    if (answer === undefined) return give('FATAL:  Invalid username/password,login denied.\n');
    socket.write(message('p', text(answer)));
  }
}

function session(socket: Socket, input: ReturnType<typeof reader>, timeoutMs: number): Wire {
  const query = async (sql: string): Promise<Rows | { error: string }> => {
    socket.write(message('Q', text(sql)));
    const result: Rows = { fields: [], rows: [] };
    let error: string | undefined;
    for (;;) {
      const next = await input.next(Math.max(timeoutMs, 60_000));
      if (next === 'closed' || next === 'timeout') return { error: error ?? RESET };
      if (next.type === 'T') result.fields = fieldNames(next.body);
      if (next.type === 'D') result.rows.push(values(next.body));
      if (next.type === 'E') error = serverError(next.body);
      if (next.type === 'Z') return error === undefined ? result : { error };
    }
  };
  const close = (): void => {
    socket.end(message('X', Buffer.alloc(0)));
    socket.unref();
  };
  return { query, close };
}

function fieldNames(body: Buffer): string[] {
  const names: string[] = [];
  let at = 2;
  for (let i = body.readInt16BE(0); i > 0; i--) {
    const end = body.indexOf(0, at);
    names.push(body.toString('utf8', at, end));
    at = end + 1 + 18;
  }
  return names;
}

function values(body: Buffer): string[] {
  const row: string[] = [];
  let at = 2;
  for (let i = body.readInt16BE(0); i > 0; i--) {
    const length = body.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? '' : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return row;
}
