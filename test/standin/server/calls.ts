// Calls of SQL functions that only the instance itself can perform. PostgreSQL's function writes a line to its log and waits for a file;
// here the line is understood, performed, and answered. Also the lock over a standby's connection, disable_conn.
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { giveToPostgres, postgresData } from '../shared/postgres.ts';
import { type ConnectionLock, encodeLock, lockModes, replaceFile } from '../shared/state.ts';
import { termClass } from './catalog.ts';
import type { Context } from './context.ts';
import { openControl } from './control.ts';
import { backendSocket } from './render.ts';

const callLine = /^LOG:\s+standin-call (\S+) (\S+) (.*)$/;

/** Is this line of PostgreSQL's log a call? Then it is performed and not logged. */
export function takeCall(context: Context, line: string): boolean {
  const call = callLine.exec(line);
  if (call === null) return false;
  const [, id = '', name = '', argument = ''] = call;
  void perform(context, name, argument).then((reply) => answer(context.pgdata, id, reply));
  return true;
}

function answer(pgdata: string, id: string, reply: string): void {
  const path = join(postgresData(pgdata), 'og_calls', id);
  try {
    writeFileSync(`${path}.new`, reply);
    giveToPostgres(`${path}.new`);
    renameSync(`${path}.new`, path);
  } catch {
    return; // PostgreSQL was stopped and the directory went with it
  }
  setTimeout(() => rmSync(path, { force: true }), 10_000).unref();
}

const failure = (code: string, text: string) => `error ${code} ${text}`;

async function perform(context: Context, name: string, argument: string): Promise<string> {
  if (name === 'disable-conn') return disableConnection(context, JSON.parse(argument) as ConnectionLock);
  if (name === 'term-log') return writeTermLog(context, argument);
  return failure('42883', `no call ${name}`);
}

function disableConnection(context: Context, wanted: ConnectionLock): string {
  const { live, relay } = context;
  const { redoFinished } = live.facts();
  if (!lockModes.includes(wanted.mode)) {
    return failure('22023', 'Connection mode should be polling_connection or specify_connection or prohibit_connection');
  }
  if (wanted.mode === 'specify_connection' && isIP(wanted.host) === 0) return failure('22023', 'host is invalid');
  // true on a promoted primary, false on one that started cleanly: it had no redo to finish (5.0.3)
  if (wanted.mode === 'prohibit_connection' && !redoFinished) {
    return failure('55000', 'could not add lock when DN is not redo all xlog, redo done flag is false');
  }
  const lock: ConnectionLock = wanted.mode === 'specify_connection' ? wanted : { mode: wanted.mode, host: '', port: 0 };
  replaceFile('disable_conn_file', encodeLock(lock), false);
  live.update({ lock });
  const upstream = relay.upstream();
  const keeps =
    lock.mode === 'polling_connection' ||
    (lock.mode === 'specify_connection' && upstream?.host === lock.host && upstream.port === lock.port);
  if (keeps) relay.nudge();
  else relay.cut();
  return 'ok ';
}

async function writeTermLog(context: Context, commit: string): Promise<string> {
  const control = await openControl(backendSocket, context.initialUser, 5_000, commit === 'local' ? 'local' : 'on');
  if (control === undefined) return failure('57P03', 'the database system is not ready');
  const written = await control.query(
    `set allow_system_table_mods = on; insert into pg_catalog.pg_shdescription values ((pg_catalog.random() * 4000000000)::bigint::oid, ${termClass},
       pg_catalog.jsonb_build_object('term', pg_catalog.og_term())::text)`,
    600_000,
  );
  control.close();
  return written.ok ? 'ok ' : failure(written.code || '58000', written.text);
}
