// Three members: what they show of each other, synchronous names, terms, the three modes of disable_conn, failover, switchover and
// divergence (transcripts 10-16, 30, 44, 45). The cases build on each other, in this order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, eventually, type Instance, line, lives, must, normal, normalise, send } from './harness.ts';

let [n1, n2, n3]: Instance[] = [];
const m1 = (): Instance => n1 as Instance;
const m2 = (): Instance => n2 as Instance;
const m3 = (): Instance => n3 as Instance;

const role = (of: Instance, wanted: string, ms?: number): Promise<string> =>
  eventually(
    () => of.state(),
    (state) => state === wanted,
    `${of.name} to be ${wanted}`,
    ms,
  );
const term = (of: Instance): Promise<string> => of.value('select term from pg_last_xlog_replay_location()');
const replayed = (of: Instance): Promise<string> => of.value('select lsn from pg_last_xlog_replay_location()');
const refusal = async (of: Instance, statement: string): Promise<string> => (await of.sql(statement)).err;

const ha = (mode: string): string =>
  ` HA state:           \n\tlocal_role                     : ${mode}\n\tstatic_connections             : 2\n\tdb_state                       : Normal\n\tdetail_information             : Normal\n\n`;
const locations = (side: string, steps: string[]): string =>
  steps.map((step) => `\t${`${side}_${step}_location`.padEnd(30)} : LSN\n`).join('');
const eight =
  locations('sender', ['sent', 'write', 'flush', 'replay']) + locations('receiver', ['received', 'write', 'flush', 'replay']);
const sender = (sync: string, priority: number): string =>
  `\tsender_pid                     : P\n\tlocal_role                     : Primary\n\tpeer_role                      : Standby\n\tpeer_state                     : Normal\n` +
  `\tstate                          : Streaming\n${eight}\tsync_percent                   : 100%\n\tsync_state                     : ${sync}\n` +
  `\tsync_priority                  : ${priority}\n\tsync_most_available            : Off\n\tchannel                        : 127.0.0.1:HA-->127.0.0.1:OTHER\n\n`;

async function query(of: Instance): Promise<string> {
  const done = await must(of.ctl('query'));
  return normalise(done.out, of).replace(`${line('gs_ctl query ,datadir is DATA ')}\n`, '');
}

test('two full builds give a primary with two streaming standbys', async () => {
  [n1, n2, n3] = await cluster(3);
  await role(m1(), 'Primary|Normal|Normal');
});

test('the primary shows both senders, a standby its receiver, byte for byte', async () => {
  const both = `${ha('Primary')} Senders info:       \n${sender('Async', 0)}${sender('Async', 0)} Receiver info:      \nNo information \n`;
  await eventually(
    () => query(m1()),
    (text) => text === both,
    'both senders to be shown',
  );
  assert.equal(
    await query(m2()),
    `${ha('Standby')} Senders info:       \nNo information \n Receiver info:      \n\treceiver_pid                   : P\n\tlocal_role                     : Standby\n` +
      `\tpeer_role                      : Primary\n\tpeer_state                     : Normal\n\tstate                          : Normal\n${eight}` +
      '\tsync_percent                   : 100%\n\tchannel                        : 127.0.0.1:OTHER<--127.0.0.1:OTHER\n\n',
  );
});

test('synchronous names give Sync and Potential, Quorum, or Async', async () => {
  const states = (): Promise<string> =>
    m1().value("select string_agg(sync_state, ',' order by sync_state) from pg_stat_get_wal_senders()");
  for (const [names, wanted] of [
    ['*', 'Potential,Sync'],
    ['ANY 1(n2,n3)', 'Quorum,Quorum'],
    ['FIRST 1 (n3)', 'Async,Sync'],
    ['', 'Async,Async'],
  ] as const) {
    await must(m1().guc('reload', `synchronous_standby_names='${names}'`));
    await eventually(states, (row) => row === wanted, `names '${names}' to give ${wanted}`);
  }
});

test('a standby is named in brackets, positions are text, and PostgreSQL 10 names do not exist', async () => {
  assert.equal(
    await m1().value("select string_agg(application_name, ',' order by application_name) from pg_stat_replication"),
    'WalSender to Standby[n2],WalSender to Standby[n3]',
  );
  assert.equal(await m1().value('show server_version'), '9.2.4');
  assert.equal(await m1().value("select pg_xlog_location_diff('0/3000010', '0/3000000')"), '16');
  assert.match(await m1().value('select pg_typeof(pg_current_xlog_location())'), /^text$/);
  assert.match(await replayed(m2()), /^[0-9A-F]+\/[0-9A-F]+$/);
  assert.equal(await m2().value('select pg_is_in_recovery()'), 't');
  for (const name of ['pg_current_wal_lsn()', 'pg_last_wal_replay_lsn()', 'pg_promote()'])
    assert.match(await refusal(m1(), `select ${name}`), /does not exist/);
  assert.match(await refusal(m2(), 'select pg_current_xlog_location()'), /recovery is in progress/);
  assert.match(await refusal(m1(), 'listen x'), /not (?:yet )?supported/i);
});

test('a standby learns a term from a WAL record only', async () => {
  const before = Number(await term(m2()));
  assert.equal(await m1().value('select gs_write_term_log()'), 't');
  assert.equal(await m2().value('select gs_write_term_log()'), 'f');
  assert.equal(Number(await term(m2())), before);
});

test('prohibit_connection is refused while the standby streams', async () => {
  assert.match(
    await refusal(m2(), "select disable_conn('prohibit_connection', '', 0)"),
    /could not add lock when DN is not redo all xlog, redo done flag is false/,
  );
  assert.match(await refusal(m2(), "select disable_conn('specify_connection', 'no-address', 1)"), /host is invalid/);
});

test('specify_connection to nowhere cuts the stream, redo finishes, then prohibit_connection is accepted', async () => {
  await must(m2().sql("select disable_conn('specify_connection', '127.0.0.1', 1)"));
  assert.equal(await m2().value('select count(*) from pg_stat_get_wal_receiver()'), '0');
  await eventually(
    () => m2().value('select redo_finished from read_disable_conn_file()'),
    (done) => done === 'true',
    'redo to finish',
  );
  await must(m2().sql("select disable_conn('prohibit_connection', '', 0)"));
  assert.equal(await m2().value('select disconn_mode from read_disable_conn_file()'), 'prohibit_connection');
  assert.equal(m2().file('disable_conn_file').readInt32LE(0), 2);
  assert.match(await m2().state(), /^Standby\|Need repair\|/);
});

test('the lock survives a restart and polling_connection takes it away', async () => {
  await must(m2().ctl('restart', '-l', m2().log));
  // In the first moments a real one may still say polling_connection: its startup has not read the file yet.
  await eventually(
    () => m2().value('select disconn_mode from read_disable_conn_file()'),
    (mode) => mode === 'prohibit_connection',
    'the lock to be seen',
  );
  assert.match(await m2().state(), /^Standby\|Need repair\|/);
  await must(m2().sql("select disable_conn('polling_connection', '', 0)"));
  await normal(m2());
});

test('the calls do nothing on a primary; one that started cleanly refuses prohibit_connection as not redone', async () => {
  assert.match(await refusal(m1(), "select disable_conn('prohibit_connection', '', 0)"), /redo done flag is false/);
  await must(m1().sql("select disable_conn('specify_connection', '127.0.0.1', 1)"));
  assert.equal(await m1().value("select count(*) from pg_stat_get_wal_senders() where state = 'Streaming'"), '2');
  await must(m1().sql("select disable_conn('polling_connection', '', 0)"));
  await must(m1().sql('create table kept(i int)'));
});

test('a standby that lost its primary says Disconnected or Connecting..., and its receive location becomes NULL', async () => {
  const pid = send(m1(), 'SIGKILL');
  await eventually(
    () => lives(pid),
    (alive) => !alive,
    'n1 to die',
  );
  const seen = new Set<string>();
  await eventually(
    async () => {
      seen.add(await m2().state());
      return m2().value("select coalesce(pg_last_xlog_receive_location(), 'NULL')");
    },
    (location) => location === 'NULL',
    'the receive location to be NULL',
  );
  await eventually(
    async () => seen.add(await m2().state()),
    (all) => all.size > 1,
    'the detail to alternate',
  );
  for (const state of seen) assert.match(state, /^Standby\|(?:Need repair\|(?:Disconnected|Connecting\.\.\.)|Normal\|Normal)$/);
});

test('a failover promotes with its term; the other standby follows and learns the term from the WAL', async () => {
  const done = await m2().ctl('failover', '-T', '7');
  assert.deepEqual(
    [done.code, normalise(done.out, m2()).replace(/^\.+/m, '.')],
    [
      0,
      `${line('gs_ctl failover ,datadir is DATA ')}\n${line('failover term (7)')}\n${line(' waiting for server to failover...')}\n.${line(' done')}\n${line(' failover completed (DATA)')}\n`,
    ],
  );
  await role(m2(), 'Primary|Normal|Normal');
  assert.equal(await term(m2()), '7');
  assert.match(m2().file('postmaster.opts').toString(), /"-M" "primary"/);
  await normal(m3());
  assert.equal(await m2().value('select gs_write_term_log()'), 't');
  await eventually(
    () => term(m3()),
    (seen) => seen === '7',
    'n3 to learn term 7',
  );
});

test('the killed, idle old primary rejoins by a plain start as standby', async () => {
  await must(m1().ctl('start', '-M', 'standby', '-l', m1().log));
  await normal(m1());
});

test('a switchover swaps the roles inside the same processes', async () => {
  const before = [m1().pid(), m2().pid()];
  const done = await m1().ctl('switchover', '-T', '9');
  assert.deepEqual(
    [done.code, normalise(done.out, m1())],
    [
      0,
      `${line('gs_ctl switchover ,datadir is DATA ')}\n${line('switchover term (9)')}\n${line('waiting for server to switchover...')}\n${line('done')}\n${line('switchover completed (DATA)')}\n`,
    ],
  );
  await role(m1(), 'Primary|Normal|Normal');
  await normal(m2());
  await normal(m3());
  assert.deepEqual([m1().pid(), m2().pid()], before);
  assert.match(m2().file('postmaster.opts').toString(), /"-M" "standby"/);
});

test('a failover beside a living primary gives two primaries that both write, and n3 stays with the old one', async () => {
  await must(m2().ctl('failover', '-T', '11'));
  await must(m1().sql('create table on_n1(i int)'));
  await must(m2().sql('create table on_n2(i int)'));
  assert.equal(await m1().state(), 'Primary|Normal|Normal');
  assert.equal(await m2().state(), 'Primary|Normal|Normal');
  assert.equal(await m3().value("select count(*) from pg_class where relname = 'on_n1'"), '1');
});

test('after a fast stop of the old primary its follower has diverged for good, until a build', async () => {
  await must(m1().ctl('stop'));
  await role(m3(), 'Standby|Need repair|WAL segment removed');
  await must(m1().ctl('start', '-M', 'standby', '-l', m1().log));
  await role(m1(), 'Standby|Need repair|WAL segment removed');
  assert.equal(await m1().value("select count(*) from pg_class where relname = 'on_n1'"), '1');
  await Promise.all([m1(), m3()].map((one) => must(one.ctl('build', '-l', one.log))));
  await normal(m1());
  await normal(m3());
  for (const one of [m1(), m3()]) {
    assert.equal(await one.value("select string_agg(relname, ',') from pg_class where relname in ('on_n1', 'on_n2')"), 'on_n2');
    assert.deepEqual([...one.file('term_file')], [11, 0, 0, 0]);
  }
});

test('a standby of a higher term refuses a primary of a lower one without asking for a build', async () => {
  const live = await term(m3());
  await must(m3().ctl('failover', '-T', '500'));
  await must(m3().sql('select gs_write_term_log()'));
  await must(m3().ctl('stop'));
  await must(m3().ctl('start', '-M', 'standby', '-l', m3().log));
  assert.notEqual(live, '500');
  await eventually(
    () => m3().state(),
    (state) => /^Standby\|Need repair\|/.test(state),
    'n3 to wait',
  );
  assert.notEqual(await m3().state(), 'Standby|Need repair|WAL segment removed');
  await must(m3().ctl('build', '-b', 'incremental', '-l', m3().log));
  await normal(m3());
});

test('a switchover whose primary does not answer ends in time with 0 and a timeout', async () => {
  const pid = send(m2(), 'SIGKILL');
  await eventually(
    () => lives(pid),
    (alive) => !alive,
    'n2 to die',
  );
  await eventually(
    () => m1().state(),
    (state) => /Need repair/.test(state),
    'n1 to notice',
  );
  const done = await m1().ctl('switchover', '-T', '501', '-t', '3');
  assert.equal(done.code, 0);
  assert.ok(
    normalise(done.out, m1()).endsWith(
      `\n${line('\n switchover timeout after 3 seconds. please manually check the cluster status.')}\n`,
    ),
    done.out,
  );
  assert.match(await m1().state(), /^Standby\|/);
});
