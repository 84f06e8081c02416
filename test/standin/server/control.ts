// The stand-in's own SQL connection to the PostgreSQL behind it: simple queries over the private socket, one at a time, each with a
// deadline. Errors are values. It never reconnects by itself.
import { connect } from 'node:net';
import { errorFields, frameSplitter, message, rowValues, writeStartup } from './protocol.ts';

/** What a query gave: rows of text, or an error with its SQLSTATE ('08006' when the connection is lost, '57014' past the deadline). */
export type Answer = { ok: true; rows: (string | null)[][] } | { ok: false; code: string; text: string };

/** An open control connection. */
export interface Control {
  query(sql: string, deadlineMs?: number): Promise<Answer>;
  close(): void;
  closed(): boolean;
}

interface Waiting {
  sql: string;
  rows: (string | null)[][];
  error: { code: string; text: string } | undefined;
  timer: NodeJS.Timeout;
  done(answer: Answer): void;
}

/** Connects; undefined when the server does not take the connection within the deadline. */
export function openControl(
  path: string,
  user: string,
  database: string,
  deadlineMs: number,
  autocommit = 'local',
): Promise<Control | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const split = frameSplitter();
    const queue: Waiting[] = [];
    let ready = false;
    let over = false;

    const end = () => {
      if (over) return;
      over = true;
      clearTimeout(startTimer);
      socket.destroy();
      for (const waiting of queue.splice(0)) {
        clearTimeout(waiting.timer);
        waiting.done({ ok: false, code: '08006', text: 'connection to the server was lost' });
      }
      if (!ready) resolve(undefined);
    };
    const startTimer = setTimeout(end, deadlineMs);
    const send = () => {
      const head = queue[0];
      if (head !== undefined) socket.write(message('Q', `${head.sql}\0`));
    };
    const control: Control = {
      query: (sql, limitMs = 5_000) =>
        new Promise((done) => {
          if (over) return done({ ok: false, code: '08006', text: 'connection to the server was lost' });
          const timer = setTimeout(() => {
            done({ ok: false, code: '57014', text: `no answer within ${limitMs} ms` });
            end();
          }, limitMs);
          queue.push({ sql, rows: [], error: undefined, timer, done });
          if (queue.length === 1) send();
        }),
      close: end,
      closed: () => over,
    };
    const onReady = () => {
      if (!ready) {
        ready = true;
        clearTimeout(startTimer);
        resolve(control);
        return;
      }
      const head = queue.shift();
      if (head !== undefined) {
        clearTimeout(head.timer);
        head.done(head.error === undefined ? { ok: true, rows: head.rows } : { ok: false, ...head.error });
      }
      send();
    };
    socket.on('connect', () =>
      socket.write(
        writeStartup([
          ['user', user],
          ['database', database],
          ['application_name', 'standin_control'],
          ['options', `-c synchronous_commit=${autocommit} -c default_transaction_read_only=off -c statement_timeout=0`],
        ]),
      ),
    );
    socket.on('data', (chunk) => {
      for (const frame of split(chunk)) {
        const head = queue[0];
        if (frame.type === 'Z') onReady();
        else if (frame.type === 'D') head?.rows.push(rowValues(frame.body));
        else if (frame.type === 'E') {
          const fields = errorFields(frame.body);
          if (!ready) return end();
          if (head !== undefined) head.error = { code: fields.get('C') ?? '', text: fields.get('M') ?? '' };
        }
      }
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}
