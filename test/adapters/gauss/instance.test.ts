// The port over a process that exists and a wire server that answers for it: every shape of an instance, promotion with lost requests,
// settings that are or are not taken over, builds and initialisation by tools that fail in the ways of the real ones.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createInstance } from '../../../agent/adapters/gauss/instance.ts';
import type { InstanceOptions } from '../../../agent/adapters/gauss/options.ts';
import { findProcesses } from '../../../agent/adapters/gauss/proc.ts';
import type { BuildProgress, Instance } from '../../../agent/core/model.ts';
import type { InstancePort } from '../../../agent/ports/instance.ts';
import {
  type Answer,
  aPermit,
  aPlace,
  aProgram,
  aWireServer,
  clock,
  eventually,
  type WireServer,
  waitForever,
} from './support.ts';

/** Is there, and lives through a reload. */
const idleServer = `trap "" HUP; cd "$2" && echo "$$" > postmaster.pid && ${waitForever}`;
const controlData = 'echo "Database system identifier:  42"; echo "Database cluster state:  shut down"';

interface Scene {
  place: string;
  options: InstanceOptions;
  instance: InstancePort;
  /** Data as gs_initdb leaves it. */
  withData(): Promise<void>;
  /** Starts the idle server and answers for it. */
  serving(answer: (sql: string) => Answer): Promise<WireServer>;
}

async function scene(t: TestContext): Promise<Scene> {
  const { options, place, remove } = await aPlace();
  const instance = createInstance(options);
  let wire: WireServer | undefined;
  t.after(async () => {
    await instance.kill(5_000);
    await instance.close();
    await wire?.close();
    await remove();
  });
  await aProgram(options, 'gaussdb', idleServer);
  await aProgram(options, 'pg_controldata', controlData);
  const withData = async (): Promise<void> => {
    await mkdir(join(options.pgdata, 'global'), { recursive: true });
    await chmod(options.pgdata, 0o700);
    for (const name of ['PG_VERSION', 'postgresql.conf', 'pg_hba.conf', 'global/pg_control'])
      await writeFile(join(options.pgdata, name), '');
  };
  const serving = async (answer: (sql: string) => Answer): Promise<WireServer> => {
    await withData();
    wire = await aWireServer(options.socketDir, options.port, { is: 'serving', answer });
    const started = await instance.start('pending');
    assert.ok(started.ok, JSON.stringify(started));
    await eventually('the server', () => (existsSync(join(options.pgdata, 'postmaster.pid')) ? true : undefined));
    return wire;
  };
  return { options, place, instance, withData, serving };
}

/** What a server of that role answers; settings come from the written postgresql.conf, as after a reload. */
function aServer(options: InstanceOptions, role: () => string): (sql: string) => Answer {
  return (sql) =>
    sql.split(/;\s*/).map((statement) => {
      const shown = /^show "?([a-z_0-9]+)"?$/.exec(statement)?.[1];
      if (shown !== undefined) return [{ [shown]: settingOf(options, shown) }];
      if (statement.includes('local_role, db_state'))
        return [{ local_role: role(), db_state: 'Normal', detail_information: 'Normal' }];
      if (statement.includes('local_role')) return [{ local_role: role(), recovering: role() === 'Primary' ? 'f' : 't' }];
      if (statement.includes('as recovering'))
        return [{ recovering: role() === 'Primary' ? 'f' : 't', written: role() === 'Primary' ? '0/30' : null }];
      if (statement.includes('pg_last_xlog_replay_location')) return [{ term: '3', lsn: '0/20', received: null }];
      return [{ nothing: null }];
    });
}

function settingOf(options: InstanceOptions, name: string): string {
  const conf = readFileSync(join(options.pgdata, 'postgresql.conf'), 'utf8');
  return new RegExp(`^${name} = '?(.*?)'?$`, 'm').exec(conf)?.[1] ?? '';
}

async function seen(instance: InstancePort): Promise<Instance> {
  return instance.observe(2_000);
}

test('a data directory is empty, unusable, half built or stopped, by what lies in it', async (t) => {
  const { options, instance, withData } = await scene(t);
  assert.deepEqual(await seen(instance), { is: 'empty' });
  await mkdir(options.pgdata, { mode: 0o700 });
  assert.deepEqual(await seen(instance), { is: 'empty' });
  await writeFile(join(options.pgdata, 'holiday.jpg'), '');
  const foreign = await seen(instance);
  assert.ok(foreign.is === 'unusable' && /holiday\.jpg/.test(foreign.detail));
  await withData();
  const stopped = await seen(instance);
  assert.ok(stopped.is === 'stopped');
  assert.deepEqual(stopped.data, { systemId: '42', clusterState: 'shut down', dataId: undefined, promotedTerm: 0 });
  await chmod(options.pgdata, 0o750);
  const open = await seen(instance);
  assert.ok(open.is === 'unusable' && /0750/.test(open.detail) && /chmod 0700/.test(open.hint));
  await chmod(options.pgdata, 0o700);
  await writeFile(join(options.pgdata, 'build_completed.start'), '');
  assert.deepEqual(await seen(instance), { is: 'unfinished', mode: 'full' });
});

test('data whose control file cannot be read is not started and not wiped', async (t) => {
  const { options, instance, withData } = await scene(t);
  await withData();
  await aProgram(options, 'pg_controldata', 'echo could not read; exit 2');
  const shape = await seen(instance);
  assert.ok(shape.is === 'unusable' && /could not read/.test(shape.detail), JSON.stringify(shape));
});

test('a server is starting until its first answer, hung when it falls silent, and stopped when its process is gone', async (t) => {
  const { options, instance, serving } = await scene(t);
  const wire = await serving(() => 'silence');
  wire.behave({ is: 'refusing', code: '57P03', message: 'the database system is starting up' });
  const starting = await seen(instance);
  assert.ok(starting.is === 'starting' && starting.data?.systemId === '42', JSON.stringify(starting));
  assert.match(starting.data.dataId ?? '', /^[0-9a-f-]{36}$/);
  const server = aServer(options, () => 'Standby');
  wire.behave({ is: 'serving', answer: server });
  const standby = await seen(instance);
  assert.ok(standby.is === 'standby' && standby.term === 3 && standby.replayed === 0x20n && standby.received === undefined);
  wire.behave({ is: 'serving', answer: () => 'silence' });
  const hung = await instance.observe(200);
  assert.ok(hung.is === 'hung' && hung.last === 'Standby');
  const later = await instance.observe(200);
  assert.ok(later.is === 'hung' && later.since === hung.since);
  wire.behave({ is: 'serving', answer: server });
  assert.equal((await seen(instance)).is, 'standby');
  assert.ok((await instance.kill(5_000)).ok);
  const stopped = await seen(instance);
  assert.ok(stopped.is === 'stopped' && stopped.exit?.role === 'Standby');
});

test('a server without replconninfo, which cannot be asked for its lock, is seen all the same; with one it is asked again', async (t) => {
  const { options, instance, serving } = await scene(t);
  const wire = await serving(() => 'silence');
  const server = aServer(options, () => 'Pending');
  const lock = { disconn_mode: 'specify_connection', disconn_host: '10.0.0.1', disconn_port: '5433', redo_finished: 'true' };
  let peer = '';
  let refused = 0;
  const answer = (sql: string): Answer => {
    if (sql.includes('read_disable_conn_file') && peer === '') {
      refused += 1;
      return { code: 'XX000', message: 'get local host failed!' };
    }
    const role = peer === '' ? server : aServer(options, () => 'Standby');
    return sql.split(/;\s*/).map((one) => {
      if (one === 'show replconninfo1') return [{ replconninfo1: peer }];
      if (one.includes('read_disable_conn_file')) return [lock];
      return (role(one) as Record<string, string | null>[][])[0] ?? [];
    });
  };
  wire.behave({ is: 'serving', answer });
  for (let look = 0; look < 3; look += 1) assert.equal((await seen(instance)).is, 'pending');
  assert.equal(refused, 1, 'it is not asked in vain again and again');
  peer = 'localhost=10.0.0.1';
  const standby = await seen(instance);
  assert.ok(standby.is === 'standby' && standby.lock?.mode === 'specify_connection', standby.is);
});

test('a server that has just ended is told of without running a program, however often it is looked at', async (t) => {
  const { options, instance, serving } = await scene(t);
  const wire = await serving(() => 'silence');
  wire.behave({ is: 'serving', answer: aServer(options, () => 'Primary') });
  assert.equal((await seen(instance)).is, 'primary');
  await aProgram(options, 'pg_controldata', 'echo somebody asked; exit 2');
  await writeFile(join(options.pgdata, 'global/pg_control'), 'changed');
  assert.ok((await instance.kill(5_000)).ok);
  for (let look = 0; look < 3; look += 1) {
    const stopped = await seen(instance);
    assert.ok(stopped.is === 'stopped' && stopped.data.systemId === '42', JSON.stringify(stopped));
  }
});

test('a promotion writes the term and the names first, and asks again when the request was lost', async (t) => {
  const { options, place, instance, serving } = await scene(t);
  const asked = join(place, 'asked');
  await serving(
    aServer(options, () => (existsSync(asked) && readFileSync(asked, 'utf8').split('\n').length > 2 ? 'Primary' : 'Standby')),
  );
  const names = 'ANY 1 ("og-demo-1")';
  const look = `cat "$GAUSSHOME/../pgdata/opengauss_agent.term" && grep synchronous_standby_names "$GAUSSHOME/../pgdata/postgresql.conf"`;
  await aProgram(options, 'gs_ctl', `{ ${look}; } >> ${asked}.state; echo "$@" >> ${asked}; exit 1`);
  const result = await instance.promote({ permit: aPermit(7), names, deadline: clock.now() + 20_000 });
  assert.deepEqual(result, { ok: true, value: undefined });
  const calls = (await readFile(asked, 'utf8')).trim().split('\n');
  assert.equal(calls[0], `failover -T 7 -D ${options.pgdata} -t 30`);
  assert.match(await readFile(`${asked}.state`, 'utf8'), /^7\nsynchronous_standby_names = 'ANY 1 \("og-demo-1"\)'\n/);
  const primary = await seen(instance);
  assert.ok(
    primary.is === 'primary' && primary.data.promotedTerm === 7 && primary.syncNames === names && primary.written === 0x30n,
  );
});

test('a pending server is told its role by notify', async (t) => {
  const { options, place, instance, serving } = await scene(t);
  const asked = join(place, 'asked');
  await serving(aServer(options, () => (existsSync(asked) ? 'Primary' : 'Pending')));
  await aProgram(options, 'gs_ctl', `echo "$@" > ${asked}.new; mv ${asked}.new ${asked}`);
  assert.equal((await seen(instance)).is, 'pending');
  assert.ok((await instance.promote({ permit: aPermit(9), names: '', deadline: clock.now() + 20_000 })).ok);
  assert.equal((await readFile(asked, 'utf8')).trim(), `notify -M primary -T 9 -D ${options.pgdata} -t 30`);
});

test('nothing that only a leader may do happens once the permit has ended', async (t) => {
  const { options, place, instance, serving } = await scene(t);
  const asked = join(place, 'asked');
  await serving(aServer(options, () => 'Standby'));
  await aProgram(options, 'gs_ctl', `echo "$@" >> ${asked}`);
  const permit = aPermit(7, 0);
  const outcomes = [
    await instance.promote({ permit, names: '', deadline: clock.now() + 5_000 }),
    await instance.setSync({ permit, names: '*', mostAvailable: false }, 1_000),
    await instance.writeTerm(permit, 1_000),
    await instance.settleUsers(permit, 1_000),
  ];
  for (const outcome of outcomes) assert.equal(!outcome.ok && outcome.fault.kind, 'cancelled');
  assert.equal(existsSync(asked), false);
  assert.equal(existsSync(join(options.pgdata, 'opengauss_agent.term')), false);
});

test('a promotion that never comes ends at its deadline, or with the permit, and may still happen', async (t) => {
  const { options, instance, serving } = await scene(t);
  await serving(aServer(options, () => 'Standby'));
  await aProgram(options, 'gs_ctl', `touch ${options.pgdata}/failover; exec sleep 600`);
  const late = await instance.promote({ permit: aPermit(7), names: '', deadline: clock.now() + 500 });
  assert.ok(!late.ok && late.fault.kind === 'timeout' && late.fault.done === 'maybe');
  assert.equal(existsSync(join(options.pgdata, 'failover')), false, 'a request that was given up is withdrawn');
  const ended = await instance.promote({ permit: aPermit(7, 0.5), names: '', deadline: clock.now() + 10_000 });
  assert.ok(!ended.ok && ended.fault.kind === 'cancelled', JSON.stringify(ended));
});

test('settings are written once, verified by asking, and a value that is not taken over is named', async (t) => {
  const { options, instance, serving } = await scene(t);
  let stubborn = false;
  const server = aServer(options, () => 'Standby');
  await serving((sql) => (stubborn ? sql.split('; ').map(() => [{ x: 'old' }]) : server(sql)));
  const self = { name: 'og-demo-0', host: '127.0.0.1', haPort: 15433 };
  const peer = { name: 'og-demo-1', host: '127.0.0.2', haPort: 15433 };
  const wanted = { self, peers: [peer], parameters: { work_mem: '8MB' } };
  assert.deepEqual(await instance.configure(wanted, 5_000), { ok: true, value: { changed: true } });
  assert.deepEqual(await instance.configure(wanted, 5_000), { ok: true, value: { changed: false } });
  assert.match(settingOf(options, 'replconninfo1'), /remotehost=127\.0\.0\.2 remoteport=15433/);
  assert.match(await readFile(join(options.pgdata, 'pg_hba.conf'), 'utf8'), /host all omm 127\.0\.0\.2\/32 trust/);
  assert.ok((await instance.setSync({ permit: aPermit(1), names: 'ANY 1 (og-demo-1)', mostAvailable: false }, 5_000)).ok);
  assert.deepEqual(await instance.configure(wanted, 5_000), { ok: true, value: { changed: false } });
  assert.ok((await instance.setReadOnly(true, true, 5_000)).ok);
  assert.equal(settingOf(options, 'default_transaction_read_only'), 'on');
  stubborn = true;
  const refused = await instance.setSync({ permit: aPermit(1), names: 'ANY 3 (a', mostAvailable: false }, 1_000);
  assert.ok(!refused.ok && /synchronous_standby_names/.test(refused.fault.detail), JSON.stringify(refused));
});

test('settings that were written but not seen in force are asked for again', async (t) => {
  const { options, instance, serving } = await scene(t);
  let deaf = true;
  const server = aServer(options, () => 'Standby');
  await serving((sql) => (deaf ? 'silence' : server(sql)));
  const first = await instance.configure(wanted, 300);
  assert.equal(!first.ok && first.fault.kind, 'timeout');
  const second = await instance.configure(wanted, 300);
  assert.equal(second.ok, false, 'the file is as wanted, the server has not said so');
  deaf = false;
  assert.deepEqual(await instance.configure(wanted, 5_000), { ok: true, value: { changed: false } });
});

test('settings that somebody edits in the file are put right again, however often they were found right before', async (t) => {
  const { options, instance, serving } = await scene(t);
  await serving(aServer(options, () => 'Standby'));
  for (let i = 0; i < 3; i += 1) assert.ok((await instance.configure(wanted, 5_000)).ok);
  for (const [file, own] of [
    ['postgresql.conf', /replconninfo1/],
    ['pg_hba.conf', /127\.0\.0\.2/],
  ] as const) {
    const path = join(options.pgdata, file);
    const right = await readFile(path, 'utf8');
    await writeFile(
      path,
      right
        .split('\n')
        .filter((line) => !own.test(line))
        .join('\n'),
    );
    assert.deepEqual(await instance.configure(wanted, 5_000), { ok: true, value: { changed: true } }, file);
    assert.equal(await readFile(path, 'utf8'), right);
    assert.deepEqual(await instance.configure(wanted, 5_000), { ok: true, value: { changed: false } });
    assert.deepEqual(await instance.configure(wanted, 5_000), { ok: true, value: { changed: false } });
  }
});

test('the end of the WAL of a standby without a stream is asked for where the version can tell it', async (t) => {
  const { options, instance, serving } = await scene(t);
  const server = aServer(options, () => 'Standby');
  await serving((sql) => {
    if (sql.includes('pg_proc')) return [[{ one: '1' }]];
    return sql.includes('gs_get_recv_locations') ? [[{ received_lsn: '0/2A' }]] : server(sql);
  });
  const standby = await seen(instance);
  assert.ok(standby.is === 'standby' && standby.received === 0x2an && standby.replayed === 0x20n);
});

test('an interrupted initialisation leaves nothing that looks like data, and the next one succeeds', async (t) => {
  const { options, place, instance } = await scene(t);
  await aProgram(options, 'gs_initdb', 'mkdir -p "$2/global"; touch "$2/PG_VERSION" "$2/global/pg_control"; exit 1');
  const torn = await instance.initialise(new AbortController().signal);
  assert.equal(torn.ok, false);
  assert.deepEqual(await seen(instance), { is: 'empty' });
  const make =
    'mkdir -p "$2/global"; chmod 700 "$2"; touch "$2/PG_VERSION" "$2/global/pg_control"; echo "port = 1" > "$2/postgresql.conf"';
  const args = `echo "$@" > ${place}/args; cat "$GAUSSHOME/../pgdata.password" > ${place}/word`;
  await aProgram(options, 'gs_initdb', `[ -e "$2/PG_VERSION" ] && exit 1; ${make}; ${args}`);
  assert.deepEqual(await instance.initialise(new AbortController().signal), { ok: true, value: { systemId: '42' } });
  const stopped = await seen(instance);
  assert.ok(stopped.is === 'stopped' && stopped.data.dataId !== undefined && stopped.data.promotedTerm === 0);
  assert.equal(await readFile(join(place, 'word'), 'utf8'), 'Gauss@123\n');
  assert.doesNotMatch(await readFile(join(place, 'args'), 'utf8'), /Gauss@123/);
  assert.equal(existsSync(`${options.pgdata}.password`), false);
  assert.equal(settingOf(options, 'sync_config_strategy'), 'none_node');
  assert.equal((await instance.initialise(new AbortController().signal)).ok, false, 'nothing is initialised over data');
});

const from = { name: 'og-demo-1', host: '127.0.0.2', haPort: 15433 };
const other = { name: 'og-demo-2', host: '127.0.0.3', haPort: 15433 };
const wanted = { self: { name: 'og-demo-0', host: '127.0.0.1', haPort: 15433 }, peers: [other, from], parameters: {} };

test('an empty member is built: from that one source, under a new identity, with its own settings afterwards', async (t) => {
  const { options, place, instance } = await scene(t);
  await instance.configure(wanted, 1_000);
  assert.deepEqual(await seen(instance), { is: 'empty' });
  const copied =
    'mkdir -p "$3/global"; touch "$3/PG_VERSION" "$3/global/pg_control"; echo primary > "$3/pg_hba.conf"; echo 0 > "$3/gs_build.pid"';
  const identity = 'echo 11111111-primary > "$3/opengauss_agent.id"; echo 5 > "$3/opengauss_agent.term"';
  await aProgram(options, 'gs_ctl', `echo "$@" > ${place}/args; cp "$3/postgresql.conf" ${place}/conf; ${copied}; ${identity}`);
  const progress: BuildProgress[] = [];
  const signal = new AbortController().signal;
  const result = await instance.build({ mode: 'full', from, onProgress: (one) => progress.push(one), signal });
  assert.deepEqual(result, { ok: true, value: undefined });
  assert.equal((await readFile(join(place, 'args'), 'utf8')).trim(), `build -D ${options.pgdata} -b full -q -r 120`);
  const during = await readFile(join(place, 'conf'), 'utf8');
  assert.match(during, /replconninfo1 = '.*remotehost=127\.0\.0\.2/);
  assert.doesNotMatch(during, /127\.0\.0\.3/);
  assert.match(settingOf(options, 'replconninfo1'), /remotehost=127\.0\.0\.3/);
  assert.match(await readFile(join(options.pgdata, 'pg_hba.conf'), 'utf8'), /host all omm 127\.0\.0\.3\/32 trust/);
  const stopped = await seen(instance);
  assert.ok(stopped.is === 'stopped' && stopped.data.promotedTerm === 0);
  assert.match(stopped.data.dataId ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(progress[0]?.mode, 'full');
  assert.equal((await stat(options.pgdata)).mode & 0o777, 0o700);
});

test("an incremental build keeps the member's own identity, also when the agent dies right after the copy", async (t) => {
  const { options, instance, withData } = await scene(t);
  await withData();
  await instance.configure(wanted, 1_000);
  await writeFile(join(options.pgdata, 'opengauss_agent.id'), '22222222-own\n');
  await writeFile(join(options.pgdata, 'opengauss_agent.term'), '3\n');
  const identity = 'echo 11111111-primary > "$3/opengauss_agent.id"; echo 5 > "$3/opengauss_agent.term"';
  await aProgram(options, 'gs_ctl', `${identity}; exit 1`);
  const build = () =>
    instance.build({ mode: 'incremental', from, onProgress: () => undefined, signal: new AbortController().signal });
  const torn = await build();
  assert.ok(!torn.ok && torn.fault.kind === 'exited');
  const after = await seen(instance);
  assert.ok(
    after.is === 'stopped' && after.data.dataId === '22222222-own' && after.data.promotedTerm === 3,
    JSON.stringify(after),
  );
  await aProgram(options, 'gs_ctl', `${identity}; echo 0 > "$3/gs_build.pid"`);
  assert.deepEqual(await build(), { ok: true, value: undefined });
  assert.equal(await readFile(join(options.pgdata, 'opengauss_agent.id'), 'utf8'), '22222222-own\n');
  assert.equal(await readFile(join(options.pgdata, 'opengauss_agent.term'), 'utf8'), '3\n');
});

test('a build that says it succeeded and left a half directory is believed by the directory', async (t) => {
  const { options, instance } = await scene(t);
  await instance.configure(wanted, 1_000);
  await aProgram(options, 'gs_ctl', 'touch "$3/build_completed.start"');
  const result = await instance.build({ mode: 'full', from, onProgress: () => undefined, signal: new AbortController().signal });
  assert.equal(!result.ok && result.fault.kind, 'malformed');
  assert.deepEqual(await seen(instance), { is: 'unfinished', mode: 'full' });
});

test('a cancelled build leaves no process that goes on writing', async (t) => {
  const { options, instance, withData } = await scene(t);
  await withData();
  await instance.configure(wanted, 1_000);
  // As the real one: a forked receiver with the same arguments that outlives its parent.
  await aProgram(
    options,
    'gs_ctl',
    '(trap "" TERM; for i in $(seq 600); do sleep 0.1; done) & trap "" TERM; touch "$3/begun"; wait',
  );
  const abort = new AbortController();
  const building = instance.build({ mode: 'incremental', from, onProgress: () => undefined, signal: abort.signal });
  await eventually('the build', () => (existsSync(join(options.pgdata, 'begun')) ? true : undefined));
  abort.abort();
  const result = await building;
  assert.equal(!result.ok && result.fault.kind, 'cancelled');
  const left = await findProcesses('gs_ctl', (args) => args.includes('build') && args.includes(options.pgdata));
  assert.deepEqual(left, { ok: true, value: [] });
});

test('a build stops a running standby first, and never touches a running primary', async (t) => {
  const { options, place, instance, serving } = await scene(t);
  let role = 'Primary';
  await serving(aServer(options, () => role));
  await aProgram(options, 'gs_ctl', `touch ${place}/built; echo 0 > "$3/gs_build.pid"`);
  const build = () => instance.build({ mode: 'full', from, onProgress: () => undefined, signal: new AbortController().signal });
  await instance.configure(wanted, 5_000);
  assert.equal((await seen(instance)).is, 'primary');
  const refused = await build();
  assert.equal(!refused.ok && refused.fault.kind, 'refused');
  assert.equal(existsSync(join(place, 'built')), false);
  assert.equal((await seen(instance)).is, 'primary');
  role = 'Standby';
  assert.equal((await seen(instance)).is, 'standby');
  assert.deepEqual(await build(), { ok: true, value: undefined });
  assert.equal((await seen(instance)).is, 'stopped');
});
