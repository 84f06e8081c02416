/**
 * Goal: server logs stay within their bounds, and nothing else is ever deleted. Method: real directories with files of
 * chosen ages and sizes, among them everything that a mistaken setting could point at.
 */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { sweepLogs } from '../../../agent/adapters/os/logfiles.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const wide = { retentionDays: 7, maxBytes: 1n << 30n };

function place(t: TestContext): (name: string, ageDays?: number, bytes?: number) => string {
  const dir = mkdtempSync(join(tmpdir(), 'og-logs-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return (name, ageDays, bytes = 10) => {
    const path = join(dir, name);
    if (ageDays === undefined) return path;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '');
    truncateSync(path, bytes);
    const at = new Date(now - ageDays * 86_400_000);
    utimesSync(path, at, at);
    return path;
  };
}

test('files older than the retention go, younger ones stay', async (t) => {
  const file = place(t);
  file('postgresql-1.log', 9);
  file('dn/postgresql-2.log.gz', 8);
  file('dn/postgresql-3.log', 6);
  file('postgresql-4.log', 0);
  assert.deepEqual(await sweepLogs([file('.')], wide, now), { ok: true, value: { files: 2, bytes: 20, keptBytes: 20 } });
  assert.deepEqual(readdirSync(file('.')), ['dn', 'postgresql-4.log']);
  assert.deepEqual(readdirSync(file('dn')), ['postgresql-3.log']);
});

test('the oldest go until the rest fits', async (t) => {
  const file = place(t);
  for (const day of [1, 2, 3, 4]) file(`postgresql-${day}.log`, day, 100);
  await sweepLogs([file('.')], { retentionDays: 7, maxBytes: 250n }, now);
  assert.deepEqual(readdirSync(file('.')), ['postgresql-1.log', 'postgresql-2.log']);
});

test('the newest file of a directory stays, however old or large it is', async (t) => {
  const file = place(t);
  file('postgresql-1.log', 30, 5000);
  await sweepLogs([file('.')], { retentionDays: 1, maxBytes: 1n }, now);
  assert.deepEqual(readdirSync(file('.')), ['postgresql-1.log']);
});

test('what the server holds open is cut when it is too long, and never deleted', async (t) => {
  const file = place(t);
  file('gaussdb.log', 30, (64 << 20) + 1);
  file('gs_ctl_build.log', 30);
  file('postgresql-1.log', 0);
  await sweepLogs([file('.')], wide, now);
  assert.equal(statSync(file('gaussdb.log')).size, 0);
  assert.ok(statSync(file('gaussdb.log.1')).size > 64 << 20);
  assert.ok(readdirSync(file('.')).includes('gs_ctl_build.log'));
});

test('a directory with data, WAL or an archive in it is left alone, whatever the setting says', async (t) => {
  const file = place(t);
  file('pgdata/PG_VERSION', 30);
  file('pgdata/old.log', 30);
  file('pgdata/newer.log', 20);
  file('wal/archive_status/0001.ready', 30);
  file('wal/000000010000000000000001', 30);
  file('wal/old.log', 30);
  file('wal/newer.log', 20);
  const before = readdirSync(file('.'), { recursive: true }).length;
  for (const directory of ['.', 'pgdata', 'wal']) await sweepLogs([file(directory)], wide, now);
  assert.equal(readdirSync(file('.'), { recursive: true }).length, before);
});

test('only what looks like a log is one, and links are not followed', async (t) => {
  const file = place(t);
  const outside = place(t);
  outside('secret.log', 30);
  outside('other.log', 1);
  for (const name of ['000000010000000000000002', 'dump.sql', 'notes.txt', 'base.tar.gz']) file(name, 30);
  file('now.log', 0);
  symlinkSync(outside('.'), file('elsewhere'));
  symlinkSync(outside('secret.log'), file('link.log'));
  await sweepLogs([file('.')], wide, now);
  assert.equal(readdirSync(file('.')).length, 7);
  assert.equal(readdirSync(outside('.')).length, 2);
});

test('a directory that does not exist is nothing to do, one that may not be read is a fault', async (t) => {
  const file = place(t);
  assert.deepEqual(await sweepLogs([file('nowhere')], wide, now), { ok: true, value: { files: 0, bytes: 0, keptBytes: 0 } });
  const notADirectory = file('file.log', 1);
  const swept = await sweepLogs([notADirectory], wide, now);
  assert.equal(!swept.ok && swept.fault.of, 'disk');
});
