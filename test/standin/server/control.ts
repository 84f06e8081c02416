// The stand-in's own SQL connection to the PostgreSQL behind it: simple queries over the private socket, one at a time, each with a
// deadline. Errors are values. A query past its deadline is given up and its late answer thrown away. It never reconnects by itself.
import { connect } from 'node:net';
import { errorFields, type Frame, frameSplitter, message, rowValues, writeStartup } from './protocol.ts';

/** What a query gave: rows of text, or an error with its SQLSTATE ('08006' when the connection is lost, '57014' past the deadline). */
export type Answer = { ok: true; rows: (string | null)[][] } | { ok: false; code: string; text: string };

/** An open control connection. */
export interface Control {
  query(sql: string, deadlineMs?: number): Promise<Answer>;
  close(): void;
  /** resolves when the connection is over, by whomever */
  ended: Promise<void>;
}

interface Waiting {
  sql: string;
  rows: (string | null)[][];
  error: { code: string; text: string } | undefined;
  timer: NodeJS.Timeout;
  done(answer: Answer): void;
}

const lost: Answer = { ok: false, code: '08006', text: 'connection to the server was lost' };

/** The queries of one connection: the first is under way, the others wait for it. */
function queryQueue(send: (sql: string) => void) {
  const queue: Waiting[] = [];
  let over = false;
  const next = () => {
    const head = queue[0];
    if (head !== undefined) send(head.sql);
  };
  return {
    add: (sql: string, limitMs: number): Promise<Answer> =>
      new Promise((done) => {
        if (over) return done(lost);
        // the connection stays: after a freeze of the whole process every deadline has passed, and the answers are about to come
        const timer = setTimeout(() => done({ ok: false, code: '57014', text: `no answer within ${limitMs} ms` }), limitMs);
        queue.push({ sql, rows: [], error: undefined, timer, done });
        if (queue.length === 1) next();
      }),
    take(frame: Frame) {
      const head = queue[0];
      if (head === undefined) return;
      if (frame.type === 'D') head.rows.push(rowValues(frame.body));
      else if (frame.type === 'E') {
        const fields = errorFields(frame.body);
        head.error = { code: fields.get('C') ?? '', text: fields.get('M') ?? '' };
      } else if (frame.type === 'Z') {
        queue.shift();
        clearTimeout(head.timer);
        head.done(head.error === undefined ? { ok: true, rows: head.rows } : { ok: false, ...head.error });
        next();
      }
    },
    fail() {
      over = true;
      for (const waiting of queue.splice(0)) {
        clearTimeout(waiting.timer);
        waiting.done(lost);
      }
    },
  };
}

/** Connects; undefined when the server does not take the connection within the deadline. */
export function openControl(path: string, user: string, deadlineMs: number, commit = 'local'): Promise<Control | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const split = frameSplitter();
    const queue = queryQueue((sql) => socket.write(message('Q', `${sql}\0`)));
    const ended = Promise.withResolvers<void>();
    let ready = false;

    const end = () => {
      clearTimeout(startTimer);
      socket.destroy();
      queue.fail();
      ended.resolve();
      resolve(undefined);
    };
    const startTimer = setTimeout(end, deadlineMs);
    const startup: [string, string][] = [
      ['user', user],
      ['database', 'postgres'],
      ['application_name', 'standin_control'],
      ['options', `-c synchronous_commit=${commit} -c default_transaction_read_only=off -c statement_timeout=0`],
    ];
    socket.on('connect', () => socket.write(writeStartup(startup)));
    socket.on('data', (chunk) => {
      for (const frame of split(chunk)) {
        if (ready) queue.take(frame);
        else if (frame.type === 'E') end();
        else if (frame.type === 'Z') {
          ready = true;
          clearTimeout(startTimer);
          resolve({ query: (sql, limitMs = 5_000) => queue.add(sql, limitMs), close: end, ended: ended.promise });
        }
      }
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}
