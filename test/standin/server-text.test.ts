// The stand-in's pure parts: configuration lines, names of synchronous standbys, rewritten statements, histories.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readLine, resolveSettings, setLine } from './server/conf.ts';
import { parseReplConnInfo, parseSyncNames } from './server/gucs.ts';
import { hbaMethod, readHba } from './server/hba.ts';
import { renderSyncNames } from './server/render.ts';
import { rewriteSql } from './server/rewrite.ts';
import { mergeConf } from './server/shipping.ts';
import { divergence } from './server/terms.ts';
import { adoptHistories, newestTimeline } from './server/timelines.ts';

describe('the configuration file', () => {
  it('a line is read with its quotes and comments', () => {
    assert.deepEqual(readLine(`a = 'it''s # not a comment' # one`), { name: 'a', value: "it's # not a comment" });
    assert.deepEqual(readLine('port 5432'), { name: 'port', value: '5432' });
    assert.equal(readLine('# port = 1'), undefined);
  });

  it('the last valid line wins, and none keeps the old value', () => {
    const complaints: string[] = [];
    const read = (text: string, before?: ReturnType<typeof resolveSettings>) =>
      resolveSettings(text, new Map(), before, (line) => complaints.push(line));
    const first = read(`synchronous_standby_names = '*'\nsynchronous_standby_names = 'ANY 3 (a,b)'\n`);
    assert.equal(first.get('synchronous_standby_names'), '*');
    const second = read('most_available_sync = on\n', first);
    const third = read('most_available_sync = perhaps\n', second);
    assert.equal(third.bool('most_available_sync'), true);
    assert.equal(read('port = 1\n', third).number('port'), 5432);
    assert.equal(complaints.length, 3);
  });

  it('a parameter is set in place: its last line, its commented one, or the end', () => {
    assert.equal(setLine('a = 1\nb = 2\na = 3\t# why\n', 'a', '4'), 'a = 1\nb = 2\na = 4\t\t# why\n');
    assert.equal(setLine('#a = 1\t# why\n', 'a', '4'), 'a = 4\t\t# why\n');
    assert.equal(setLine('b = 2\n', 'a', '4'), 'b = 2\na = 4\n');
  });

  it('a shipped file keeps what is reserved', () => {
    assert.equal(mergeConf('port = 1\nwork_mem = 1MB\n# mine\n', 'port = 2\nwork_mem = 2MB\n'), 'work_mem = 2MB\nport = 1\n');
  });
});

describe('names of synchronous standbys', () => {
  for (const [value, rendered] of [
    ['*', 'FIRST 1 (*)'],
    ['n2,n3', 'FIRST 1 ("n2", "n3")'],
    ['2 (a, b)', 'FIRST 2 ("a", "b")'],
    ['ANY 1(ha-node-1)', 'ANY 1 ("ha-node-1")'],
    ['ANY 1 ("ha-node-1",b)', 'ANY 1 ("ha-node-1", "b")'],
    ['', ''],
  ] as const) {
    it(`'${value}' is understood`, () => assert.equal(renderSyncNames(value), rendered));
  }
  for (const value of ['ANY 3 (n2,n3)', 'ANY 0 (a)', 'ANY 1 ()', 'ANY 1 (a', 'a b']) {
    it(`'${value}' is refused`, () => assert.equal(parseSyncNames(value), undefined));
  }
});

describe('replconninfo', () => {
  it('needs both ends', () => {
    assert.deepEqual(parseReplConnInfo('localhost=a localport=1 localheartbeatport=5 remotehost=b remoteport=2 iscascade=true'), {
      localHost: 'a',
      localPort: 1,
      remoteHost: 'b',
      remotePort: 2,
      cascade: true,
    });
    for (const value of ['garbage', 'localhost=x', 'localhost=a localport=1 remotehost=b remoteport=x'])
      assert.equal(parseReplConnInfo(value), undefined);
  });
});

describe('pg_hba.conf', () => {
  it('the first line that fits decides', () => {
    const lines = readHba(
      'local all all trust\nhost all omm 10.0.0.0/8 trust # mine\nhost all all 10.0.0.0 255.0.0.0 sha256\nhost replication all all md5\n',
    );
    const method = (user: string, remote: string, replication = false) =>
      hbaMethod(lines, { database: 'd', user, replication, remote, local: '10.0.0.1' });
    assert.equal(method('omm', '10.1.2.3'), 'trust');
    assert.equal(method('u', '10.1.2.3'), 'sha256');
    assert.equal(method('u', '11.1.2.3'), undefined);
    assert.equal(method('u', '11.1.2.3', true), 'md5');
  });
});

describe('statements', () => {
  const own = new Set(['replconninfo1', 'session_timeout']);
  for (const [sql, sent] of [
    ['insert into t values (1)', 'insert into t values (1)'],
    ['show replconninfo1;', `select pg_catalog.current_setting('og.replconninfo1') as replconninfo1;`],
    ['show work_mem', 'show work_mem'],
    ['SET session_timeout = 0; select 1', 'SET og.session_timeout = 0; select 1'],
    [`create user u sysadmin identified by "Abc@12345"`, `create user u superuser password 'Abc@12345'`],
    [`select current_setting('session_timeout')`, `select current_setting('og.session_timeout')`],
  ] as const) {
    it(sql, () => assert.equal(rewriteSql(sql, own), sent));
  }
  it('listen and weak passwords fail in the server', () => {
    assert.match(rewriteSql('LISTEN x', own), /errcode = '0A000'/);
    assert.match(rewriteSql(`create user u password 'abc'`, own), /at least 8 characters/);
  });
});

describe('histories', () => {
  const history = (end: string, ...promotions: [number, string, string][]) => ({
    term: 1,
    end,
    promotions: promotions.map(([term, mark, begin]) => ({ term, mark, begin })),
  });
  it('a standby within the primary history may follow', () => {
    assert.equal(divergence(history('0/100'), history('0/200', [2, 'a', '0/100'])), undefined);
    assert.equal(divergence(history('0/150', [2, 'a', '0/100']), history('0/200', [2, 'a', '0/100'])), undefined);
  });
  it('one beyond the fork, beyond the end, or promoted elsewhere may not', () => {
    assert.match(divergence(history('0/101'), history('0/200', [2, 'a', '0/100'])) ?? '', /began at 0\/100/);
    assert.match(divergence(history('1/0'), history('0/FFFFFFFF')) ?? '', /the primary's at/);
    assert.match(
      divergence(history('0/110', [2, 'b', '0/100']), history('0/200', [2, 'a', '0/100'])) ?? '',
      /unknown to the primary/,
    );
  });

  it('timeline files become those of the primary; a stale branch asks for a restart', () => {
    const wal = mkdtempSync(join(tmpdir(), 'wal-'));
    try {
      assert.equal(adoptHistories(wal, { '00000003.history': '1\t0/100\tx\n\n2\t0/200\tx\n' }), false);
      assert.deepEqual(readdirSync(wal).sort(), ['00000002.history', '00000003.history']);
      assert.deepEqual(newestTimeline(wal), { timeline: 3, begin: '0/200' });
      assert.equal(
        adoptHistories(wal, { '00000002.history': '1\t0/100\tx\n', '00000003.history': '1\t0/100\tx\n2\t0/200\tx\n' }),
        false,
      );
      writeFileSync(join(wal, '00000004.history'), '3\t0/300\tx\n');
      assert.equal(adoptHistories(wal, { '00000003.history': '1\t0/100\tx\n2\t0/200\tx\n' }), true);
      assert.equal(newestTimeline(wal).timeline, 3);
    } finally {
      rmSync(wal, { recursive: true });
    }
  });
});
