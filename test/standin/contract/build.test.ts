// Builds: what they destroy, keep and take over, what they refuse, and what a kill leaves behind (transcripts 20-23, 44).
// One primary and one standby; the cases build on each other, in this order.
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster, eventually, type Instance, launch, line, lives, must, normal, normalise, send } from './harness.ts';

let [n1, n2]: Instance[] = [];
const primary = (): Instance => n1 as Instance;
const standby = (): Instance => n2 as Instance;
const has = (...names: string[]): string[] => names.filter((name) => standby().exists(name));
const buildPid = (): string => standby().file('gs_build.pid').toString();
const pidLines = ['fopen', 'fprintf', 'fsync'].map((step) => line(`${step} build pid file "DATA/gs_build.pid" success`));
const startLines = [
  line('waiting for server to start...', 'n2'),
  '.',
  line(' done', 'n2'),
  line('server started (DATA)', 'n2'),
  ...pidLines.map((text) => text.replace('[][gs_ctl]', '[n2][gs_ctl]')),
];

/** The message parts of a build, in order. */
const messages = (text: string): string[] =>
  normalise(text, standby())
    .split('\n')
    .map((row) => row.replace(/^\[T\]\[P\]\[\w*\]\[\w+\]: /, ''));

test('a full build of a running standby speaks as recorded, wipes what it does not know and keeps what is its own', async () => {
  [n1, n2] = await cluster(2);
  const data = standby().data;
  mkdirSync(join(data, 'agent'));
  writeFileSync(join(data, 'agent', 'x'), 'a');
  writeFileSync(join(data, 'agent.json'), 'b');
  appendFileSync(join(data, 'pg_hba.conf'), '#local\n');
  appendFileSync(join(data, 'postgresql.conf'), '# local marker\n');
  await must(standby().sql("select disable_conn('specify_connection', '127.0.0.1', 1)"));
  await must(primary().ctl('failover', '-T', '5'));
  const done = await must(standby().ctl('build', '-b', 'full', '-l', standby().log));
  assert.deepEqual(messages(done.out).slice(0, 12), [
    'gs_ctl full build ,datadir is DATA',
    ...pidLines.map((text) => text.replace(/^.*: /, '')),
    'waiting for server to shut down... done',
    'server stopped',
    messages(done.out)[6],
    'set gaussdb state file when full build build:db state(BUILDING_STATE), server mode(STANDBY_MODE), build mode(FULL_BUILD).',
    'Get repl_auth_mode is  and repl_uuid is ',
    'build try host(127.0.0.1) port(HA) success'.replace('HA', String(primary().port + 1)),
    'connected to server success, build started.',
    'clear old target dir success',
  ]);
  for (const text of [
    'create build tag file again success',
    'xlog start point: LSN',
    'begin receive tar files',
    'finish receive tar files',
    'rename build status file success',
  ])
    assert.ok(messages(done.out).includes(text), text);
  assert.ok(
    normalise(done.out, standby()).endsWith(`${line('full build build completed(DATA).', 'n2')}\n${startLines.join('\n')}\n`),
    done.out,
  );
  await normal(standby());
  assert.deepEqual(has('agent', 'agent.json', 'disable_conn_file', 'pg_hba.conf.old', 'build_completed.start'), []);
  assert.deepEqual(has('build_completed.done', 'rewind_lable', 'full_backup_label', 'backup_label.old'), [
    'build_completed.done',
    'rewind_lable',
    'full_backup_label',
    'backup_label.old',
  ]);
  assert.equal(buildPid(), '0');
  assert.deepEqual(standby().file('pg_hba.conf'), primary().file('pg_hba.conf'));
  assert.match(standby().file('postgresql.conf').toString(), /# local marker\n$/);
  assert.deepEqual(standby().file('term_file'), primary().file('term_file'));
  assert.match(standby().file('full_backup_label').toString(), /^START SYSIDENTIFER: \d+\nSTART TIMELINE: 1\n$/);
});

test('querybuild after a build says completed', async () => {
  const done = await must(standby().ctl('querybuild'));
  assert.ok(
    done.out.endsWith(
      ' HA state:\n        local_role                    : Standby\n        static_connections            : 1\n        db_state                      : Build completed\n        sync_mode                     : Async\n\n',
    ),
    done.out,
  );
});

test('an incremental build of a healthy standby succeeds, and an unknown kind is the automatic one', async () => {
  for (const words of [
    ['-b', 'incremental'],
    ['-b', 'nonsense'],
  ]) {
    const done = await must(standby().ctl('build', ...words, '-l', standby().log));
    assert.match(done.out, /gs_ctl incremental build ,datadir is/);
    assert.match(done.out, /\[n2\]\[gs_rewind\]: dn incremental build completed\.\n/);
    await normal(standby());
  }
});

test('a build with -q leaves the server stopped and is complete', async () => {
  await must(standby().ctl('build', '-b', 'full', '-q', '-l', standby().log));
  assert.equal((await standby().ctl('status')).code, 3);
  assert.equal(buildPid(), '0');
  await must(standby().ctl('start', '-M', 'standby', '-l', standby().log));
  await normal(standby());
});

test('a standby of a larger given term refuses the primary and stays stopped', async () => {
  const done = await standby().ctl('build', '-b', 'incremental', '-T', '900', '-l', standby().log);
  assert.equal(done.code, 1);
  assert.match(
    done.out,
    /^the primary term \d+ is smaller than the standby term 900\.\n.*build try host\(127\.0\.0\.1\) port\(\d+\) failed\n/m,
  );
  assert.equal((await standby().ctl('status')).code, 3);
});

test('a build without a primary exits 1, has stopped the standby, and touched no data', async () => {
  await must(standby().ctl('start', '-M', 'standby', '-l', standby().log));
  await normal(standby());
  await must(primary().ctl('stop'));
  const auto = await standby().ctl('build', '-r', '5', '-l', standby().log);
  assert.equal(auto.code, 1);
  assert.equal(messages(auto.out).at(-2), 'inc build failed due to primary connection failure, skip full build.');
  assert.equal((await standby().ctl('status')).code, 3);
  const full = await standby().ctl('build', '-b', 'full', '-r', '5', '-l', standby().log);
  assert.equal(full.code, 1);
  assert.deepEqual(messages(full.out).slice(-3), ['could not connect to server.', 'full build failed(DATA).', '']);
  assert.deepEqual(has('base', 'build_completed.start'), ['base']);
  assert.equal(standby().file('gaussdb.state').readInt32LE(8), 7);
  await Promise.all([
    must(primary().ctl('start', '-M', 'primary', '-l', primary().log)),
    must(standby().ctl('start', '-M', 'standby', '-l', standby().log)),
  ]);
  await normal(standby());
});

test('a check build stops the standby, fails and does not start it again', async () => {
  const done = await standby().ctl('build', '-b', 'check', '-l', standby().log);
  assert.equal(done.code, 1);
  assert.deepEqual(messages(done.out).slice(-4), [
    ' invalid value for parameter "replconninfo" in postgresql.conf.',
    'could not connect to server.',
    'build check failed(DATA), need to do full build',
    '',
  ]);
  assert.equal((await standby().ctl('status')).code, 3);
});

test('querybuild shows a running build with its progress', async () => {
  await must(primary().sql('create table big as select g, repeat(md5(g::text), 20) t from generate_series(1, 40000) g'));
  const building = standby().ctl('build', '-b', 'full', '-l', standby().log);
  const seen = await eventually(
    async () => normalise((await standby().ctl('querybuild')).out, standby()),
    (text) => text.includes('Building'),
    'the build to be seen',
  );
  assert.match(
    seen,
    /^.*gs_ctl build query ,datadir is DATA \n HA state:\n {8}local_role {20}: Standby\n {8}static_connections {12}: 1\n {8}db_state {22}: Building\n {8}sync_mode {21}: Async\n Build state:\n {8}build_mode {20}: Full\n {8}data_synchronized {13}: [\d.]+[kMG]B\n {8}estimated_total_data {10}: [\d.]+[kMG]B\n {8}process_schedule {14}: \d+%\n {8}estimated_remaining_time {6}: (?:\d\d:\d\d:\d\d|--:--:--)\n\n$/,
  );
  await must(building);
  await normal(standby());
});

test('a kill of gs_ctl in the destructive phase leaves a mark that stops gaussdb, gs_guc and an incremental build, and an automatic one goes full', async () => {
  const child = launch('gs_ctl', ['build', '-D', standby().data, '-b', 'full', '-l', standby().log]);
  const receivers = (): string[] =>
    readdirSync('/proc').filter(
      (pid) =>
        /^\d+$/.test(pid) &&
        Number(pid) !== child.pid &&
        commandLine(pid).startsWith('gs_ctl build ') &&
        commandLine(pid).includes(`-D ${standby().data} `),
    );
  await eventually(receivers, (pids) => pids.length > 0, 'the receiver to be seen');
  child.kill('SIGKILL');
  assert.notDeepEqual(receivers(), []);
  await eventually(receivers, (pids) => pids.length === 0, 'the receiver to end');
  assert.deepEqual(has('build_completed.start'), ['build_completed.start']);
  assert.match((await standby().ctl('querybuild')).out, /local_role {20}: Unknown\n(?:.*\n)*.*db_state {22}: Build failed\n/);
  const guc = await standby().guc('set', 'keep_sync_window=0');
  assert.equal(guc.code, 1);
  assert.match(guc.out + guc.err, /The gs_ctl build is doing now, the gs_guc process should be stopped\./);
  const start = await standby().ctl('start', '-M', 'standby', '-l', standby().log);
  assert.equal(start.code, 1);
  assert.match(start.out, /waitpid \d+ failed, exitstatus is 512, ret is 2\n/);
  const incremental = await standby().ctl('build', '-b', 'incremental', '-l', standby().log);
  assert.equal(incremental.code, 1);
  assert.equal(
    incremental.out.match(/last build uncompleted, change to full build\. \n \ngs_rewind receive FATAL, it will exit\n/g)?.length,
    3,
  );
  const auto = await must(standby().ctl('build', '-l', standby().log));
  assert.match(auto.out, /inc build failed, change to full build\.\n/);
  assert.match(auto.out, /auto build build completed\(/);
  await normal(standby());
  assert.equal(await standby().value('select count(*) from big'), '40000');
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

test('a former primary with writes nobody has is rewound by an incremental build, killed as it was', async () => {
  await must(primary().sql('create table on_n1(i int)'));
  await eventually(
    () => standby().value("select count(*) from pg_class where relname = 'on_n1'"),
    (count) => count === '1',
    'n2 to follow',
  );
  await must(standby().sql("select disable_conn('specify_connection', '127.0.0.1', 1)"));
  await must(primary().sql('insert into on_n1 select generate_series(1, 1000)'));
  const pid = send(primary(), 'SIGKILL');
  await eventually(
    () => lives(pid),
    (alive) => !alive,
    'n1 to die',
  );
  await must(standby().ctl('failover', '-T', '30'));
  await must(standby().sql("select disable_conn('polling_connection', '', 0)"));
  await must(standby().sql('create table on_n2(i int)'));
  const done = await must(primary().ctl('build', '-b', 'incremental', '-l', primary().log));
  assert.match(done.out, /stop failed, killing gaussdb by force \.\.\.\n/);
  assert.match(done.out, /\[n1\]\[gs_rewind\]: dn incremental build completed\.\n/);
  await normal(primary());
  assert.equal(
    await primary().value("select string_agg(relname, ',' order by relname) from pg_class where relname like 'on_n_'"),
    'on_n1,on_n2',
  );
  assert.equal(await primary().value('select count(*) from on_n1'), '0');
  assert.equal(existsSync(join(primary().data, 'build_completed.start')), false);
});

test('a standby that was killed is built incrementally without ending its recovery', async () => {
  const pid = send(primary(), 'SIGKILL');
  await eventually(
    () => lives(pid),
    (alive) => !alive,
    'n1 to die',
  );
  await must(standby().sql('insert into on_n2 values (1)'));
  await must(primary().ctl('build', '-b', 'incremental', '-l', primary().log));
  await normal(primary());
  await eventually(
    () => primary().value('select count(*) from on_n2'),
    (count) => count === '1',
    'n1 to follow',
  );
});
