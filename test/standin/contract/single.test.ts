// One instance from its first start to its death: roles by start flag, files, layouts, exit codes (transcripts 01-04, 13, 42, 43, 48).
// The cases build on each other, in this order.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { test } from 'node:test';
import {
  configure,
  eventually,
  home,
  type Instance,
  initialised,
  line,
  lives,
  must,
  normalise,
  real,
  run,
  send,
} from './harness.ts';

let n1: Instance;
const started = `${line('gs_ctl started,datadir is DATA ')}\n${line('waiting for server to start...')}\n.\n${line(' done')}\n${line('server started (DATA)')}\n`;
const stopped = `${line('gs_ctl stopped ,datadir is DATA ')}\nwaiting for server to shut down... done\nserver stopped\n`;
const told = async (command: string, ...words: string[]): Promise<[number | null, string]> => {
  const done = await n1.ctl(command, ...words);
  return [done.code, normalise(done.out, n1)];
};
const opts = (): string => normalise(n1.file('postmaster.opts').toString(), n1);
const stateHead = (): number[] => [0, 4, 8, 64, 68].map((at) => n1.file('gaussdb.state').readInt32LE(at));

test('an instance without replconninfo that is started without -M is Normal', async () => {
  n1 = await initialised('n1');
  assert.deepEqual(await told('start', '-l', n1.log), [0, started]);
  await eventually(
    () => n1.state(),
    (state) => state === 'Normal|Normal|Normal',
    'n1 to be Normal',
  );
  assert.equal(opts(), 'gaussdb "-D" "DATA"\n');
  assert.deepEqual(stateHead(), [1, 0, 1, 0, 1]);
  assert.equal(n1.file('gaussdb.state').length, 72);
});

test('postmaster.pid has pid, directory, start, port, socket directory, address and a seventh line', () => {
  const lines = n1.file('postmaster.pid').toString().split('\n');
  assert.equal(lines[1], n1.data);
  assert.ok(Math.abs(Number(lines[2]) - Date.now() / 1000) < 120);
  assert.deepEqual(lines.slice(3, 6), [String(n1.port), n1.data.replace('/n1', ''), 'localhost']);
  assert.match(lines[6] ?? '', /^\s*\d+\s+\d+/);
});

test('a query of it prints the three sections, tabs and trailing blanks included', async () => {
  assert.deepEqual(await told('query'), [
    0,
    `${line('gs_ctl query ,datadir is DATA ')}\n HA state:           \n\tlocal_role                     : Normal\n\tstatic_connections             : 0\n` +
      '\tdb_state                       : Normal\n\tdetail_information             : Normal\n\n Senders info:       \nNo information \n Receiver info:      \nNo information \n',
  ]);
});

test('without replconninfo -M primary is Normal too, and a promoted standby becomes Normal, which its failover calls a failure', async () => {
  await must(n1.ctl('restart', '-M', 'primary', '-l', n1.log));
  await eventually(
    () => n1.state(),
    (state) => state === 'Normal|Normal|Normal',
    'n1 to be Normal',
  );
  await must(n1.ctl('restart', '-M', 'standby', '-l', n1.log));
  await eventually(
    () => n1.state(),
    (state) => state.startsWith('Standby|Need repair|'),
    'n1 to be a standby',
  );
  const [code, text] = await told('failover', '-T', '2', '-t', '3');
  assert.equal(code, 1);
  assert.ok(text.endsWith(`${line(' failed')}\n${line(' failover failed (DATA)')}\n`), text);
  await eventually(
    () => n1.state(),
    (state) => state === 'Normal|Normal|Normal',
    'n1 to be Normal',
  );
  await must(n1.ctl('stop'));
  await must(n1.ctl('start', '-l', n1.log));
  assert.equal(opts(), 'gaussdb "-D" "DATA"\n');
});

test('status, start again and querybuild of a running instance', async () => {
  assert.deepEqual(await told('status'), [
    0,
    `${line('gs_ctl status,datadir is DATA ')}\ngs_ctl: server is running (PID: P)\ngaussdb "-D" "DATA"\n`,
  ]);
  assert.deepEqual(await told('start', '-M', 'primary'), [
    0,
    `${line('gs_ctl started,datadir is DATA ')}\n${line(' another server might be running; Please use the restart command')}\n`,
  ]);
  const [code, text] = await told('querybuild');
  assert.deepEqual(
    [code, text.slice(text.indexOf(' HA'))],
    [
      0,
      ' HA state:\n        local_role                    : Normal\n        static_connections            : 0\n        db_state                      : Build completed\n        sync_mode                     : Async\n\n',
    ],
  );
});

test('the first replconninfo by reload makes a Normal instance Primary, and taking it away does not make it Normal again', async () => {
  const peer = `localhost=127.0.0.1 localport=${n1.port + 1} remotehost=127.0.0.1 remoteport=${n1.port + 7}`;
  assert.equal((await n1.guc('set', `replconninfo1='${peer}'`)).code, 0);
  assert.equal(await n1.state(), 'Normal|Normal|Normal');
  const done = await n1.guc('reload', `replconninfo1='${peer}'`);
  assert.match(done.out, /server signaled\n\nTotal instances: 1\. Failed instances: 0\.\nSuccess to perform gs_guc!\n/);
  await eventually(
    () => n1.value('select local_role, static_connections from pg_stat_get_stream_replications()'),
    (row) => row === 'Primary|1',
    'the flip',
  );
  await must(n1.guc('reload', "replconninfo1=''"));
  await must(n1.ctl('reload'));
  assert.equal(await n1.state(), 'Primary|Normal|Normal');
  assert.equal(opts(), 'gaussdb "-D" "DATA"\n');
});

test('gs_guc calls an invalid value a success and the server keeps the old one', async () => {
  const before = await n1.value('show synchronous_standby_names');
  const done = await n1.guc('reload', "synchronous_standby_names='ANY 3 (a,b)'");
  assert.deepEqual([done.code, /Success to perform gs_guc!/.test(done.out)], [0, true]);
  await must(n1.ctl('reload'));
  assert.equal(await n1.value('show synchronous_standby_names'), before);
  await must(n1.guc('reload', "synchronous_standby_names=''"));
});

test('a clean stop says so, leaves gaussdb.state as it was, and a second one exits 1', async () => {
  const before = n1.file('gaussdb.state');
  assert.deepEqual(await told('stop'), [0, stopped]);
  assert.deepEqual(n1.file('gaussdb.state'), before);
  assert.equal(n1.exists('postmaster.pid'), false);
  assert.deepEqual(await told('stop'), [
    1,
    `${line('gs_ctl stopped ,datadir is DATA ')}\n${line(' PID file "DATA/postmaster.pid" does not exist.')}\n${line('Is server running?')}\n`,
  ]);
});

test('a gs_guc reload without a server fails although it changed the file', async () => {
  const done = await n1.guc('reload', 'wal_sender_timeout=7s');
  assert.equal(done.code, 1);
  assert.match(done.out, /Total instances: 1\. Failed instances: 1\.\n(?:.*\n)*.*Failure to perform gs_guc!/);
  assert.match(n1.file('postgresql.conf').toString(), /^wal_sender_timeout = 7s/m);
});

test('an unknown mode, and a directory that others may read, fail the start with 1', async () => {
  const failed =
    /waiting for server to start\.\.\.\n\.+.*waitpid \d+ failed, exitstatus is 256, ret is 2\n\n.*stopped waiting\n.*could not start server\nExamine the log output\.\n$/;
  const bogus = await n1.ctl('start', '-M', 'bogus', '-l', n1.log);
  assert.equal(bogus.code, 1);
  assert.match(bogus.out, failed);
  chmodSync(n1.data, 0o750);
  const open = await n1.ctl('start', '-M', 'primary', '-l', n1.log);
  chmodSync(n1.data, 0o700);
  assert.equal(open.code, 1);
  assert.match(open.out, failed);
});

test('with replconninfo a start without -M, or with -M normal, is a writable Primary', async () => {
  configure(
    n1,
    `replconninfo1 = 'localhost=127.0.0.1 localport=${n1.port + 1} remotehost=127.0.0.1 remoteport=${n1.port + 7}'`,
    "synchronous_standby_names = ''",
  );
  await must(n1.ctl('start', '-l', n1.log));
  await eventually(
    () => n1.state(),
    (state) => state === 'Primary|Normal|Normal',
    'n1 to be Primary',
  );
  await must(n1.sql('create table proof(i int)'));
  await must(n1.ctl('stop'));
  await must(n1.ctl('start', '-M', 'normal', '-l', n1.log));
  await eventually(
    () => n1.state(),
    (state) => state === 'Primary|Normal|Normal',
    'n1 to be Primary',
  );
  assert.equal(opts(), 'gaussdb "-D" "DATA" "-M" "normal"\n');
});

test('a primary that started cleanly reports term 0 and position 0/0', async () => {
  assert.equal(await n1.value('select term, lsn from pg_last_xlog_replay_location()'), '0|0/0');
});

test('a restart to pending refuses SQL, answers maintenance, and gs_ctl shows the full view', async () => {
  const done = await n1.ctl('restart', '-M', 'pending', '-l', n1.log);
  assert.equal(done.code, 0);
  assert.match(done.out, /gs_ctl restarted ,datadir is .* \nwaiting for server to shut down\.\.\. done\nserver stopped\n/);
  assert.equal(opts(), 'gaussdb "-D" "DATA" "-M" "pending"\n');
  await eventually(
    () => n1.state(),
    (state) => state.startsWith('Pending|Need repair|'),
    'n1 to be Pending',
  );
  const refused = await n1.sql('select 1');
  assert.equal(refused.code, 2);
  assert.match(refused.err, /can not accept connection in pending mode\./);
  assert.match((await n1.ctl('query')).out, /\tlocal_role {21}: Pending\n/);
});

test('what a pending instance refuses', async () => {
  assert.deepEqual(await told('failover', '-t', '5'), [
    1,
    `${line('gs_ctl failover ,datadir is DATA ')}\n${line('failover term (1)')}\n${line(' cannot failover server; server is not in standby or cascade standby mode')}\n`,
  ]);
  assert.equal((await told('switchover', '-t', '5'))[0], 1);
  assert.deepEqual(await told('notify', '-M', 'bogus'), [
    1,
    `${line('gs_ctl notify ,datadir is DATA ')}\n${line(' the parameter of notify is not recognized')}\n`,
  ]);
  assert.deepEqual(await told('notify'), [
    1,
    `${line('gs_ctl notify ,datadir is DATA ')}\n${line('the parameter of notify must be specified')}\n`,
  ]);
  const [code, text] = await told('build', '-b', 'full');
  assert.equal(code, 1);
  assert.ok(text.endsWith(`${line('The local server run as Pending,build cannot be executed.')}\n`), text);
});

test('a notify makes it Primary with the term given, its messages on one line', async () => {
  const [code, text] = await told('notify', '-M', 'primary', '-T', '5');
  assert.equal(code, 0);
  assert.equal(
    text.replace(/response\.{3,} /, 'response... '),
    `${line('gs_ctl notify ,datadir is DATA ')}\n${line('notify primary term (5)')}${line('waiting for server to response... ')}${line('done')}${line('notify server completed, mode change to Primary')}\n`,
  );
  assert.deepEqual([...n1.file('term_file')], [5, 0, 0, 0]);
  assert.equal(opts(), 'gaussdb "-D" "DATA" "-M" "primary"\n');
  assert.match(await n1.value('select term from pg_last_xlog_replay_location()'), /^5$/);
  assert.deepEqual(await told('notify', '-M', 'standby'), [
    1,
    `${line('gs_ctl notify ,datadir is DATA ')}\n${line(' only support notify server in pending mode; or notify server to primary in normal mode')}`,
  ]);
});

test('failover and switchover of a Primary are 0 and have overwritten its term by 1', async () => {
  assert.deepEqual(await told('failover'), [
    0,
    `${line('gs_ctl failover ,datadir is DATA ')}\n${line('failover term (1)')}\n${line(' failover completed (DATA)')}\n`,
  ]);
  assert.deepEqual([...n1.file('term_file')], [1, 0, 0, 0]);
  await told('failover', '-T', '6');
  assert.deepEqual(await told('switchover'), [
    0,
    `${line('gs_ctl switchover ,datadir is DATA ')}\n${line('switchover term (1)')}\n${line('switchover completed (DATA)')}\n`,
  ]);
  assert.deepEqual([...n1.file('term_file')], [1, 0, 0, 0]);
});

test('a build over a running Primary is refused, and querybuild calls that a failed build', async () => {
  const [code, text] = await told('build');
  assert.equal(code, 1);
  const pid = ['fopen', 'fprintf', 'fsync']
    .map((step) => `${line(`${step} build pid file "DATA/gs_build.pid" success`)}\n`)
    .join('');
  assert.equal(
    text,
    `${line('gs_ctl incremental build ,datadir is DATA')}\n${pid}${line('The local server run as Primary,build cannot be executed.')}\n`,
  );
  assert.match((await n1.ctl('querybuild')).out, /db_state {22}: Build failed\n/);
  assert.equal((await n1.guc('set', 'keep_sync_window=0')).code, 0);
});

test('finishredo on a Primary prints its banner and changes nothing', async () => {
  assert.deepEqual(await told('finishredo'), [0, `${line('gs_ctl finish redo ,datadir is DATA ')}\n`]);
  assert.equal(await n1.state(), 'Primary|Normal|Normal');
});

test('a hung server still is Primary and Normal for query, five seconds late, in the other layout, exit 0', async () => {
  const pid = send(n1, 'SIGSTOP');
  const since = Date.now();
  const done = await n1.ctl('query');
  const ms = Date.now() - since;
  const status = await n1.ctl('status');
  process.kill(pid, 'SIGCONT');
  assert.deepEqual([done.code, status.code], [0, 0]);
  assert.ok(ms > 4500, `${ms} ms`);
  const wait = 'wait localhost:HA timeout expired';
  assert.equal(
    normalise(done.out, n1),
    `${line('gs_ctl query ,datadir is DATA ')}\n HA state:\n        local_role                    : Primary\n        static_connections            : 1\n` +
      `        db_state                      : Normal\n        detail_information            : (connect to V5 server) ${wait}\n(connect to V1 server) ${wait}\n\n` +
      '        sync_mode                     : Async\n\n Senders info:\n        No information\n Receiver info:\n        No information\n',
  );
});

test('SIGTERM to gaussdb is a clean, fast stop', async () => {
  const pid = send(n1, 'SIGTERM');
  await eventually(
    () => lives(pid),
    (alive) => !alive,
    'gaussdb to end',
  );
  assert.equal(n1.exists('postmaster.pid'), false);
  assert.match((await run('pg_controldata', [n1.data])).out, /^Database cluster state: {15}shut down$/m);
  await must(n1.ctl('start', '-M', 'primary', '-l', n1.log));
});

test('after SIGKILL status is 1, query is 1, stop is 0, and the state file still says Primary and Normal', async () => {
  const pid = send(n1, 'SIGKILL');
  await eventually(
    () => lives(pid),
    (alive) => !alive,
    'gaussdb to die',
  );
  const status = await n1.ctl('status');
  // A real one whose dead process is reaped already says "no server running", 3.
  assert.ok(status.code === 1 || (real && status.code === 3), status.out);
  if (!real) {
    assert.equal(
      normalise(status.out, n1),
      `${line('gs_ctl status,datadir is DATA ')}\ngs_ctl: The process recorded in PID file "DATA/postmaster.pid" is not current server\nIs server running?\n`,
    );
  }
  assert.equal((await n1.ctl('query')).code, 1);
  const [code, text] = await told('stop');
  assert.deepEqual(
    [code, text.replace(/PID: P\) +No/, 'PID: P)  No')],
    [
      0,
      `${line('gs_ctl stopped ,datadir is DATA ')}\n${line(' cannot stop server; single-user server is running (PID: P)  No such process')}\n`,
    ],
  );
  assert.deepEqual(stateHead().slice(0, 3), [2, 1, 1]);
  assert.deepEqual(await told('start', '-M', 'primary', '-l', n1.log), [0, started]);
  await eventually(
    () => n1.state(),
    (state) => state === 'Primary|Normal|Normal',
    'n1 to be Primary again',
  );
  assert.equal(await n1.value('select count(*) from proof'), '0');
});

test('the installation has the programs an agent calls', async () => {
  for (const name of ['gaussdb', 'gs_ctl', 'gs_guc', 'gs_initdb', 'gs_basebackup', 'gsql', 'pg_controldata'])
    assert.equal((await run(`${home}/bin/${name}`.replaceAll('//', '/'), ['-V'])).code, 0, name);
});
