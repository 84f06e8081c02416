// Who may come in to the stand-in, and how: openGauss's rules for sockets, addresses, stored passwords and ports, as the recorded
// matrix of a real server has them.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Cluster, createCluster, type Member, until } from './support/cluster.ts';

describe('admission to an instance of the stand-in', { timeout: 60_000 }, () => {
  let cluster: Cluster;
  let member: Member;
  const password = 'Test@12345';
  // a client bound to another address than the server's is a remote one
  const elsewhere = () => member.address.replace(/\d+$/, '77');
  const asks = (options: object) => member.sql<{ u: string }>('select current_user as u', [], options as never);
  const sasl = /SASL: Only mechanism\(s\) SCRAM-SHA-256 are supported/;

  before(async () => {
    cluster = await createCluster(1);
    [member] = cluster.members as [Member];
    member.start(undefined);
    await until('it answers', () => member.sql('select 1'));
    for (const [type, user] of [
      [0, 'u_md5'],
      [1, 'u_both'],
      [2, 'u_sha'],
    ] as const) {
      member.configure(`password_encryption_type = ${type}`);
      member.signal('SIGHUP');
      await until(
        'the type is set',
        async () =>
          (await member.sql<{ v: string }>(`select current_setting('password_encryption_type') as v`))[0]?.v === String(type),
      );
      await member.sql(`create user ${user} password '${password}'`);
    }
    await member.sql(`create user boss sysadmin identified by '${password}'`);
  });
  after(() => cluster.close());

  it('the unix socket trusts the initial user alone', async () => {
    assert.deepEqual(await asks({}), [{ u: 'omm' }]);
    for (const user of ['u_md5', 'u_both']) {
      assert.deepEqual(await asks({ user, password }), [{ u: user }]);
      await assert.rejects(asks({ user, password: 'wrong' }), {
        code: '28P01',
        message: 'Invalid username/password,login denied.',
      });
    }
    await assert.rejects(asks({ user: 'u_sha', password }), sasl);
  });

  it('the HA port is not for clients, only its unix socket', async () => {
    await assert.rejects(asks({ host: member.address, port: cluster.port + 1 }), {
      code: '57P03',
      message: 'the local listen ip and port is not for the gsql client',
    });
    assert.deepEqual(await asks({ port: cluster.port + 1 }), [{ u: 'omm' }]);
  });

  it('from 127.0.0.1 with trust everybody shows a password, but inner tools', async () => {
    assert.deepEqual(await asks({ host: member.address, user: 'u_md5', password }), [{ u: 'u_md5' }]);
    await assert.rejects(asks({ host: member.address, user: 'omm', password }), sasl);
    assert.deepEqual(await asks({ host: member.address, application_name: 'cm_agent' }), [{ u: 'omm' }]);
    assert.deepEqual(await asks({ host: member.address, port: cluster.port + 1, application_name: 'gs_ctl' }), [{ u: 'omm' }]);
    await assert.rejects(
      asks({ host: member.address, user: 'u_md5', application_name: 'cm_agent' }),
      /only for the initial user/,
    );
  });

  it('pg_hba decides on remote clients; trust is forbidden there, and so is the initial user', async () => {
    const local = elsewhere();
    await assert.rejects(remoteAsks(member, local, 'u_md5', password), /no pg_hba.conf entry/);
    appendFileSync(join(member.pgdata, 'pg_hba.conf'), `host all u_both ${local}/32 trust\nhost all all ${local}/32 md5\n`);
    member.signal('SIGHUP');
    await until('the lines are read', () => remoteAsks(member, local, 'u_md5', password));
    await assert.rejects(remoteAsks(member, local, 'u_both', password), /Forbid remote connection with trust method!/);
    await assert.rejects(remoteAsks(member, local, 'omm', password), /Forbid remote connection with initial user/);
  });

  it('roles and their attributes are understood as openGauss writes them', async () => {
    const rows = await member.sql<{ rolsuper: boolean }>(`select rolsuper from pg_roles where rolname = 'boss'`);
    assert.deepEqual(rows, [{ rolsuper: true }]);
    await member.sql(`alter user boss identified by 'Other@12345' replace '${password}'`);
    await assert.rejects(member.sql(`create user weak password 'simple'`), { code: '28P01', message: /at least 8 characters/ });
    await member.sql(`alter role u_sha password 'Test@12345' nosysadmin`);
  });

  it('every client but the reserved ones is refused past max_connections', async () => {
    await assert.rejects(Promise.all(Array.from({ length: 125 }, () => member.client())), { code: '53300' });
  });
});

/** Connects from a chosen source address and runs a query. */
async function remoteAsks(member: Member, localAddress: string, user: string, password: string): Promise<unknown> {
  const { Socket } = await import('node:net');
  const bound = () => {
    const socket = new Socket();
    const connect = socket.connect.bind(socket);
    socket.connect = ((port: number, host: string) => connect({ port, host, localAddress })) as never;
    return socket;
  };
  return member.sql('select 1', [], { host: member.address, user, password, stream: bound } as never);
}
