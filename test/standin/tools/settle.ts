// Brings a data directory whose server was killed to a clean stop, which a rewind needs. A former primary is left to
// pg_rewind itself; a standby must not end its recovery (that would write WAL nobody else has), so it is started as a standby
// that reaches nobody, until it is consistent, and stopped.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ordinaryUser, postgresData, requirePostgres } from '../shared/postgres.ts';

const SETTLE_MS = 120_000;

/** Runs the standby to its consistent point and stops it; answers whether it stopped cleanly. */
export async function settleStandby(data: string): Promise<boolean> {
  const place = mkdtempSync(join(tmpdir(), 'og-settle-'));
  const base = postgresData(data);
  writeFileSync(join(base, 'standby.signal'), '');
  const [program = '', ...words] = [...ordinaryUser(), join(requirePostgres().bin, 'postgres'), '-D', base];
  const settings = {
    listen_addresses: '',
    unix_socket_directories: place,
    primary_conninfo: '',
    hot_standby: 'on',
    logging_collector: 'off',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(program, [...words, ...options], {
    cwd: data,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  const timer = setTimeout(() => child.kill('SIGQUIT'), SETTLE_MS);
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    if (/ready to accept read.only connections|consistent recovery state reached/.test(text)) child.kill('SIGINT');
  });
  const code = await new Promise<number>((resolve) => {
    child.on('error', () => resolve(1));
    child.on('close', (status) => resolve(status ?? 1));
  });
  clearTimeout(timer);
  rmSync(place, { recursive: true, force: true });
  return code === 0;
}
