// What openGauss does to its members by itself, in the stand-in: slots on the primary, the primary's configuration file on the standbys,
// and the flip of a Normal instance to Primary.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, createCluster, type Member, until } from './support/cluster.ts';

describe('the upkeep of members', { timeout: 60_000 }, () => {
  let cluster: Cluster;
  let n1: Member;
  let n2: Member;

  before(async () => {
    cluster = await createCluster(2, ['sync_config_strategy = all_node']);
    [n1, n2] = cluster.members as [Member, Member];
    n2.configure(`application_name = 'ha-node-2'`);
    n1.start(undefined);
    n2.start('standby');
    await n1.becomes('Primary');
    await n2.becomes('Standby');
  });
  after(() => cluster.close());

  it('a standby gets a slot on the primary; dropping it while active only warns, and the stream goes on', async () => {
    const slots = () => n1.sql<{ slot_name: string; active: boolean }>('select slot_name, active from pg_replication_slots');
    await until('the slot is there', async () => (await slots()).length === 1);
    assert.deepEqual(await slots(), [{ slot_name: 'ha-node-2', active: true }]);
    const session = await n1.client();
    const warnings: string[] = [];
    session.on('notice', (notice) => warnings.push(notice.message ?? ''));
    await session.query(`select pg_drop_replication_slot('ha-node-2')`);
    assert.deepEqual(warnings, ['replication slot "ha-node-2" is already active']);
    assert.deepEqual(await slots(), []);
    assert.equal((await n2.state()).db_state, 'Normal');
    await session.query(`select * from pg_create_physical_replication_slot('spare.1', false)`);
    assert.deepEqual(await slots(), [{ slot_name: 'spare.1', active: false }]);
  });

  it('names with dashes count as synchronous standbys, quoted or not', async () => {
    for (const names of ['ANY 1(ha-node-2)', 'ANY 1("ha-node-2")']) {
      n1.configure(`synchronous_standby_names = '${names}'`);
      n1.signal('SIGHUP');
      await until(
        'the standby counts',
        async () => (await n1.sql(`select 1 from pg_stat_replication where sync_state = 'Quorum'`)).length === 1,
      );
      assert.deepEqual(await n1.sql('show synchronous_standby_names'), [{ synchronous_standby_names: names }]);
    }
  });

  it('a change of the primary configuration file comes to the standby, but for what is its own', async () => {
    await sleep(2_500); // two looks of the standby: it must know the file before it can see a change
    n2.configure('# a private line');
    n1.configure('wal_keep_segments = 34');
    n1.signal('SIGHUP');
    const file = join(n2.pgdata, 'postgresql.conf');
    await until('the line has come', () => /^wal_keep_segments = 34$/m.test(readFileSync(file, 'utf8')));
    const text = readFileSync(file, 'utf8');
    assert.match(text, /^application_name = 'ha-node-2'$/m);
    assert.match(text, new RegExp(`^listen_addresses = '${n2.address}'$`, 'm'));
    assert.match(text, /^pgxc_node_name = 'n1'$/m);
    assert.doesNotMatch(text, /a private line/);
    assert.ok(existsSync(`${file}.wal.bak`));
    const value = () => n2.sql<{ v: string }>(`select current_setting('wal_keep_segments') as v`);
    await until('it is in force', async () => (await value())[0]?.v === '34');
  });
});

describe('an instance without peers', { timeout: 60_000 }, () => {
  let cluster: Cluster;
  let member: Member;

  before(async () => {
    cluster = await createCluster(1);
    [member] = cluster.members as [Member];
    member.configure(`synchronous_standby_names = '*'`);
    member.start(undefined);
    await member.becomes('Normal');
  });
  after(() => cluster.close());

  it('does not wait for anybody while Normal, flips to Primary with the first replconninfo, and stays it', async () => {
    await member.sql('create table t (i int)');
    member.configure(`replconninfo1 = 'garbage'`);
    member.signal('SIGHUP');
    await sleep(200);
    assert.equal((await member.state()).local_role, 'Normal');
    const { address } = member;
    member.configure(`replconninfo1 = 'localhost=${address} localport=${cluster.port + 1} remotehost=127.0.0.9 remoteport=1'`);
    member.signal('SIGHUP');
    const watching = await member.client({ options: '-c synchronous_commit=local' });
    const role = async () =>
      (await watching.query('select local_role from pg_stat_get_stream_replications()')).rows[0].local_role;
    await until('it is Primary', async () => (await role()) === 'Primary');
    const writer = await member.client();
    const outcome = await Promise.race([
      writer.query('insert into t values (1)').then(() => 'committed'),
      sleep(400).then(() => 'waits'),
    ]);
    assert.equal(outcome, 'waits');
    member.configure(`replconninfo1 = ''`);
    member.configure(`most_available_sync = on`);
    member.signal('SIGHUP');
    await until('the commit is released', async () => (await watching.query('select 1 from t')).rows.length === 1);
    assert.equal(await role(), 'Primary');
  });
});
