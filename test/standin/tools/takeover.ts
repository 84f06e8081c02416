// What a build takes over from the source besides the database itself: the small files at the top of its PGDATA, as far as
// they belong to the cluster and not to one member. Files come over SQL, from a connection to the source's HA port.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { at } from './datadir.ts';
import type { Wire } from './wire.ts';

const FILE_BYTES_MAX = 1024 * 1024;

/** Files of one member, which a build leaves alone or removes. */
const OWN =
  /^(postmaster\.|postgresql\.conf|gaussdb\.state|gs_build\.pid|pg_ctl\.lock|postport\.lock|rewind_lable|disable_conn_file|build_completed\.start|backup_label|full_backup_label|pg_rewind_filemap|failover|switchover|primary|standby|cascade_standby|finish_redo_file|server\.|pg_hba\.conf\.old|.*\.temp$|.*\.lock$)/;

interface Entry {
  name: string;
  directory: boolean;
  size: number;
}

async function entries(connection: Wire): Promise<Entry[]> {
  const answer = await connection.query(
    "select f, (s).isdir, (s).size from (select f, pg_stat_file('../' || f, true) s from pg_ls_dir('..') f) x where (s).isdir is not null",
  );
  if ('error' in answer) return [];
  return answer.rows.map(([name = '', directory, size]) => ({ name, directory: directory === 't', size: Number(size) }));
}

/** The bytes of a file at the top of the source's PGDATA. */
async function fetch(connection: Wire, name: string): Promise<Buffer | undefined> {
  const answer = await connection.query(`select encode(pg_read_binary_file('../${name.replaceAll("'", "''")}'), 'hex')`);
  if ('error' in answer) return undefined;
  const hex = answer.rows[0]?.[0];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex');
}

/** Copies files of the source; `which` chooses among those that are not a member's own. `withConf` takes postgresql.conf too. */
export async function takeOver(
  data: string,
  connection: Wire,
  which: (name: string) => boolean,
  withConf = false,
): Promise<void> {
  for (const entry of await entries(connection)) {
    const own = OWN.test(entry.name) && !(withConf && entry.name === 'postgresql.conf');
    if (own || entry.name === 'base' || entry.name === 'pg_xlog' || !which(entry.name)) continue;
    const path = at(data, entry.name);
    if (entry.directory) {
      if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
    } else if (entry.size <= FILE_BYTES_MAX) {
      const content = await fetch(connection, entry.name);
      if (content !== undefined) writeFileSync(path, content, { mode: 0o600 });
    }
  }
}
