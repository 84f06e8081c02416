// The adapter against servers that really replicate: three members of the stand-in (or, with GAUSSHOME, of a real openGauss) on
// loopback addresses. One story: a cluster is made, its primary is lost under a freeze, the most advanced standby takes over, the lost one
// comes back. Rows that were acknowledged are read back at the end.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createInstance } from '../../../agent/adapters/gauss/instance.ts';
import { createSession, type Row } from '../../../agent/adapters/gauss/sql.ts';
import type { Instance } from '../../../agent/core/model.ts';
import type { InstancePort, PeerAddress } from '../../../agent/ports/instance.ts';
import { aPermit, clock, eventually } from './support.ts';

const home = process.env['GAUSSHOME'] ?? join(import.meta.dirname, '..', '..', 'standin');
const missing = existsSync(join(home, 'bin', 'gaussdb')) ? false : `no ${join(home, 'bin', 'gaussdb')}`;

/** The initial user bears the name of the operating system's, as openGauss's programs expect; root runs it as another. */
const superuser = initialUser();

function initialUser(): string {
  try {
    const { username } = userInfo();
    return username === 'root' ? 'omm' : username;
  } catch {
    return 'omm';
  }
}

interface Member extends PeerAddress {
  instance: InstancePort;
  log: string[];
  serverLog: string;
  sql(text: string): Promise<Row[]>;
}

/** A port whose successor and heartbeat are free on that address as well. */
async function freePort(host: string): Promise<number> {
  for (let port = 20_000 + (process.pid % 1000) * 10; port < 60_000; port += 10) {
    const free = await Promise.all([0, 1, 4, 5].map((offset) => canListen(host, port + offset)));
    if (free.every(Boolean)) return port;
  }
  throw new Error('no free ports');
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

function aMember(place: string, index: number, port: number): Member {
  const name = `og-demo-${index}`;
  const host = `127.0.7.${index + 1}`;
  const dir = join(place, String(index));
  const socketDir = join(dir, 'run');
  mkdirSync(socketDir, { recursive: true });
  const log: string[] = [];
  const environment: Record<string, string> = {};
  for (const [key, value] of Object.entries(process.env))
    if (key.startsWith('OG_STANDIN_') && value !== undefined) environment[key] = value;
  const instance = createInstance({
    home,
    pgdata: join(dir, 'pgdata'),
    socketDir,
    logDir: join(dir, 'log'),
    member: name,
    port,
    haPort: port + 1,
    bindAddress: host,
    superuser,
    secrets: { superuserPassword: 'Gauss@123', replicationPassword: 'Repl@1234' },
    clock,
    note: (level, msg, fields) => void log.push(`${name} ${level} ${msg} ${JSON.stringify(fields ?? {})}`),
    environment,
  });
  const common = { socketDir, port, user: superuser, applicationName: 'test', maintenance: false, statementTimeoutMs: 20_000 };
  const sql = async (text: string): Promise<Row[]> => {
    const session = createSession({ ...common, settings: { synchronous_commit: 'on' } });
    const answer = await session.query(text, 20_000);
    session.drop();
    assert.ok(answer.ok, `${name}: ${text}: ${JSON.stringify(answer)}`);
    return answer.value[0] ?? [];
  };
  return { name, host, haPort: port + 1, instance, log, serverLog: join(dir, 'log', 'gaussdb.log'), sql };
}

async function shape<K extends Instance['is']>(
  member: Member,
  is: K,
  also: (instance: Extract<Instance, { is: K }>) => boolean = () => true,
): Promise<Extract<Instance, { is: K }>> {
  let last: Instance | undefined;
  try {
    return await eventually(`${member.name} ${is}`, async () => {
      last = await member.instance.observe(2_000);
      const wanted = last as Extract<Instance, { is: K }>;
      return last.is === is && also(wanted) ? wanted : undefined;
    });
  } catch (error) {
    const seen = JSON.stringify(last, (_, value) => (typeof value === 'bigint' ? value.toString(16) : value));
    const server = (await readFile(member.serverLog, 'utf8').catch(() => '')).split('\n').slice(-15);
    throw new Error([`${String(error)}; last seen: ${seen}`, ...member.log.slice(-10), ...server].join('\n'));
  }
}

function done(result: { ok: boolean }): void {
  assert.ok(result.ok, JSON.stringify(result));
}

const build = { onProgress: () => undefined, signal: new AbortController().signal };

test('a cluster is made, loses its primary under a freeze, goes on and gets it back', {
  skip: missing,
  timeout: 240_000,
}, async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'og'));
  const port = await freePort('127.0.7.1');
  const members = [0, 1, 2].map((index) => aMember(place, index, port)) as [Member, Member, Member];
  const [a, b, c] = members;
  t.after(async () => {
    for (const member of members) {
      await member.instance.kill(10_000);
      await member.instance.close();
    }
    await rm(place, { recursive: true, force: true });
  });
  let broken = false;
  /** A chapter that failed makes the later ones meaningless. */
  const chapter = (title: string, work: () => Promise<void>) =>
    t.test(title, { skip: broken && 'an earlier chapter failed' }, async () => {
      broken = true;
      await work();
      broken = false;
    });
  const configure = (member: Member) =>
    member.instance.configure(
      { self: member, peers: members.filter((one) => one !== member), parameters: { work_mem: '8MB' } },
      5_000,
    );

  await chapter('the first member is initialised, starts as a standby and is promoted', async () => {
    assert.equal((await a.instance.observe(2_000)).is, 'empty');
    done(await a.instance.initialise(new AbortController().signal));
    done(await configure(a));
    done(await a.instance.start('standby'));
    await shape(a, 'standby');
    done(await a.instance.promote({ permit: aPermit(3), names: '', deadline: clock.now() + 30_000 }));
    const primary = await shape(a, 'primary', (one) => one.writable);
    assert.equal(primary.role, 'Primary');
    assert.equal(primary.data.promotedTerm, 3);
    done(await a.instance.writeTerm(aPermit(3), 5_000));
    done(await a.instance.settleUsers(aPermit(3), 5_000));
    done(await a.instance.settleUsers(aPermit(3), 5_000));
    await a.sql('create table rows (id int)');
  });

  await chapter('the others are built from it and stream', async () => {
    const { systemId, dataId } = (await shape(a, 'primary')).data;
    for (const member of [b, c]) {
      done(await configure(member));
      assert.equal((await member.instance.observe(2_000)).is, 'empty');
      done(await member.instance.build({ ...build, mode: 'full', from: a }));
      const stopped = await shape(member, 'stopped');
      assert.equal(stopped.data.systemId, systemId);
      assert.notEqual(stopped.data.dataId, dataId);
      assert.equal(stopped.data.promotedTerm, 0);
      done(await member.instance.start('standby'));
      await shape(member, 'standby', (one) => one.state === 'Normal' && one.term === 3 && one.receiver !== undefined);
    }
    const primary = await shape(
      a,
      'primary',
      (one) => one.senders.every((sender) => sender.state === 'Streaming') && one.senders.length === 2,
    );
    assert.deepEqual(primary.senders.map((sender) => sender.name).sort(), [b.name, c.name]);
  });

  await chapter('commits wait for one of them', async () => {
    done(await a.instance.setSync({ permit: aPermit(3), names: `ANY 1 (${b.name}, ${c.name})`, mostAvailable: false }, 5_000));
    await a.sql('insert into rows values (1)');
    await shape(a, 'primary', (one) => one.senders.some((sender) => sender.sync === 'Quorum' || sender.sync === 'Sync'));
  });

  await chapter('the brake makes the primary read-only and lets it go again', async () => {
    done(await a.instance.setReadOnly(true, true, 5_000));
    await shape(a, 'primary', (one) => one.readOnly && !one.writable);
    done(await a.instance.setReadOnly(false, false, 5_000));
    await shape(a, 'primary', (one) => one.writable);
  });

  /** The new primary and the standby that is left. */
  let winner = b;
  let other = c;

  await chapter('its standbys are frozen for a candidate, the primary is killed, and the one that is further wins', async () => {
    for (const member of [b, c]) done(await member.instance.pointAt(b, 5_000));
    await shape(a, 'primary', (one) => one.senders.length === 0);
    done(await a.instance.kill(10_000));
    const stopped = await shape(a, 'stopped');
    assert.equal(stopped.exit?.role, 'Primary');
    assert.equal(stopped.data.promotedTerm, 3);
    const positions: bigint[] = [];
    for (const member of [b, c]) {
      const frozen = await shape(member, 'standby', (one) => one.lock?.redoFinished === true && one.lock.host === b.host);
      positions.push(frozen.replayed ?? 0n);
    }
    // Being ahead of the candidate is normal: with ANY 1 either may have been the one that acknowledged.
    if ((positions[1] ?? 0n) > (positions[0] ?? 0n)) [winner, other] = [c, b];
    for (const member of [b, c]) done(await member.instance.pointAt(winner, 5_000));
  });

  await chapter('the winner is promoted with names that nobody bears and set free', async () => {
    done(await winner.instance.promote({ permit: aPermit(5), names: 'ANY 1 (nobody)', deadline: clock.now() + 30_000 }));
    const primary = await shape(winner, 'primary');
    assert.equal(primary.syncNames, 'ANY 1 (nobody)');
    done(await winner.instance.writeTerm(aPermit(5), 5_000));
    await shape(other, 'standby', (one) => one.term === 5 && one.receiver !== undefined);
    const names = `ANY 1 (${a.name}, ${other.name})`;
    done(await winner.instance.setSync({ permit: aPermit(5), names, mostAvailable: false }, 5_000));
    await winner.sql('insert into rows values (2)');
    for (const member of [b, c]) done(await member.instance.unlock(5_000));
    await shape(other, 'standby', (one) => one.lock?.mode === 'polling_connection' && one.state === 'Normal');
  });

  await chapter('the lost one comes back as a standby, frozen from its first moment for the new primary', async () => {
    done(await configure(a));
    done(await a.instance.start('standby', winner));
    const standby = await shape(a, 'standby', (one) => one.lock !== undefined);
    assert.equal(standby.lock?.host, winner.host);
    const state = await shape(a, 'standby', (one) => one.state === 'Normal' || one.detail === 'WAL segment removed');
    if (state.state !== 'Normal') {
      const { dataId, promotedTerm } = state.data;
      done(await a.instance.build({ ...build, mode: 'incremental', from: winner }));
      const built = await shape(a, 'stopped');
      assert.deepEqual([built.data.dataId, built.data.promotedTerm], [dataId, promotedTerm]);
      done(await a.instance.start('standby'));
      await shape(a, 'standby');
    }
    done(await a.instance.unlock(5_000));
    await shape(a, 'standby', (one) => one.state === 'Normal' && one.term === 5 && one.lock?.mode === 'polling_connection');
    await winner.sql('insert into rows values (3)');
    await eventually('the rows on the old primary', async () =>
      (await a.sql('select id from rows')).length === 3 ? true : undefined,
    );
  });

  await chapter('an incremental build of a running standby keeps its identity', async () => {
    const before = (await shape(other, 'standby')).data;
    done(await other.instance.build({ ...build, mode: 'incremental', from: winner }));
    const after = (await shape(other, 'stopped')).data;
    assert.deepEqual([after.dataId, after.systemId], [before.dataId, before.systemId]);
    done(await other.instance.start('standby'));
    await shape(other, 'standby', (one) => one.state === 'Normal');
  });

  await chapter('the primary restarts in place by way of pending', async () => {
    done(await winner.instance.kill(10_000));
    done(await winner.instance.start('pending'));
    await shape(winner, 'pending');
    done(await winner.instance.promote({ permit: aPermit(6), names: '', deadline: clock.now() + 30_000 }));
    await shape(winner, 'primary', (one) => one.writable);
    assert.equal((await winner.sql('select id from rows')).length, 3);
  });
});

test('a member whose log files cannot be opened starts, is promoted and comes back all the same', {
  skip: missing,
  timeout: 120_000,
}, async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'og'));
  const member = aMember(place, 3, await freePort('127.0.7.4'));
  const { instance } = member;
  t.after(async () => {
    await instance.kill(10_000);
    await instance.close();
    await rm(place, { recursive: true, force: true, maxRetries: 20 });
  });
  done(await instance.initialise(new AbortController().signal));
  await writeFile(dirname(member.serverLog), 'not a directory');
  done(await instance.start('standby'));
  await shape(member, 'standby');
  done(await instance.promote({ permit: aPermit(3), names: '', deadline: clock.now() + 30_000 }));
  await shape(member, 'primary', (one) => one.writable);
  done(await instance.kill(10_000));
  done(await instance.start('pending'));
  await shape(member, 'pending');
  done(await instance.promote({ permit: aPermit(4), names: '', deadline: clock.now() + 30_000 }));
  await shape(member, 'primary', (one) => one.writable);
  assert.equal(member.log.filter((line) => line.includes('is not kept')).length, 1);
});
