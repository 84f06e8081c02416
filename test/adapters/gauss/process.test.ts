// Real processes: a stand-in for gaussdb that only exists, and tools that misbehave. What is attacked: pids of somebody else, zombies,
// servers that ignore a stop, requests left from before, daemons that hold a tool's output.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { decodeLock } from '../../../agent/adapters/gauss/freeze.ts';
import type { InstanceOptions } from '../../../agent/adapters/gauss/options.ts';
import { findProcesses, hasEnded, type ProcessStat, serverAt, statOf } from '../../../agent/adapters/gauss/proc.ts';
import { createServerKeeper, type ServerKeeper } from '../../../agent/adapters/gauss/process.ts';
import { runTool } from '../../../agent/adapters/gauss/tool.ts';
import { createInstance } from '../../../agent/adapters/gauss/instance.ts';
import type { ServerExit, ServerProcess } from '../../../agent/core/model.ts';
import { fileBoundMs } from '../../../agent/adapters/gauss/files.ts';
import { aPlace, aProgram, clock, eventually, givenUp, heldSync, waitForever } from './support.ts';

/** Is there, in its data directory, under its own name, and does nothing. */
const idleServer = `cd "$2" && echo "$$" > postmaster.pid && echo started && ${waitForever}`;

interface Scene {
  options: InstanceOptions;
  place: string;
  keeper(): ServerKeeper;
}

async function scene(t: TestContext, server = idleServer): Promise<Scene> {
  const { options, place, remove } = await aPlace();
  const keepers: ServerKeeper[] = [];
  t.after(async () => {
    for (const keeper of keepers) {
      const known = keeper.known();
      if (known !== undefined) await keeper.signal(known, 'SIGKILL');
      keeper.close();
    }
    await remove();
  });
  await mkdir(options.pgdata, { mode: 0o700 });
  await aProgram(options, 'gaussdb', server);
  const keeper = (): ServerKeeper => {
    const made = createServerKeeper(options);
    keepers.push(made);
    return made;
  };
  return { options, place, keeper };
}

async function started(keeper: ServerKeeper): Promise<ServerProcess> {
  const result = await keeper.start('standby');
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

async function settled(options: InstanceOptions, process: ServerProcess): Promise<void> {
  await eventually('the server in its directory', async () => {
    const server = await serverAt(process.pid, options.pgdata);
    const named = (await readFile(join(options.pgdata, 'postmaster.pid'), 'utf8').catch(() => '')).trim();
    return server.ok && server.value !== undefined && named === String(process.pid) ? server.value : undefined;
  });
}

test('a server that the agent started is adopted by the next agent, and both notice its end', async (t) => {
  const { options, keeper } = await scene(t);
  const [first, second] = [keeper(), keeper()];
  const exits: ServerExit[] = [];
  const process = await started(first);
  await settled(options, process);
  const found = await second.find();
  assert.deepEqual(found, { ok: true, value: process });
  first.remember('Primary');
  for (const one of [first, second]) one.onExit((exit) => exits.push(exit));
  await first.signal(process, 'SIGKILL');
  await eventually('both exits', () => (exits.length === 2 ? true : undefined));
  assert.deepEqual(exits.map((exit) => exit.role).sort(), ['Primary', 'Unknown']);
  assert.equal(first.lastExit()?.process.pid, process.pid);
  assert.deepEqual(await second.find(), { ok: true, value: undefined });
});

test('a second server is not started on the same data', async (t) => {
  const { options, keeper } = await scene(t);
  const process = await started(keeper());
  await settled(options, process);
  const again = await keeper().start('pending');
  assert.equal(!again.ok && again.fault.kind, 'exists');
});

test('a server that has not written its pid file yet is found by its arguments', async (t) => {
  const { options, keeper } = await scene(t, 'mkfifo "$2/f"; exec 3<>"$2/f"; read -r -t 600 -u 3');
  const process = await started(keeper());
  const again = await keeper().start('pending');
  assert.equal(!again.ok && again.fault.kind, 'exists');
  assert.deepEqual(await serverAt(process.pid, options.pgdata), { ok: true, value: process });
});

test('a pid file that names a living stranger is no server, and is removed before the start', async (t) => {
  const { options, keeper } = await scene(t);
  await writeFile(join(options.pgdata, 'postmaster.pid'), `${process.pid}\n`);
  const one = keeper();
  assert.deepEqual(await one.find(), { ok: true, value: undefined });
  const server = await started(one);
  assert.notEqual(server.pid, process.pid);
});

test('requests of a dead gs_ctl are gone before the server starts, and a freeze is there', async (t) => {
  const { options, keeper } = await scene(t, 'ls "$2" > "$2/seen"; exec sleep 600');
  for (const name of ['failover', 'primary', 'switchover', 'term_file']) await writeFile(join(options.pgdata, name), 'x');
  const result = await keeper().start('standby', { host: '10.0.0.2', haPort: 5433 });
  assert.ok(result.ok);
  const seen = await eventually('what the server saw', async () => {
    const text = await readFile(join(options.pgdata, 'seen'), 'utf8').catch(() => '');
    return text.includes('term_file') ? text : undefined;
  });
  assert.deepEqual(seen.trim().split('\n'), ['disable_conn_file', 'seen', 'term_file']);
  assert.deepEqual(decodeLock(await readFile(join(options.pgdata, 'disable_conn_file'))), {
    mode: 'specify_connection',
    host: '10.0.0.2',
    haPort: 5433,
  });
});

test('a freeze whose writing was given up is not laid beside a server that is started without one', async (t) => {
  const { options, keeper } = await scene(t);
  const [one, lockFile] = [keeper(), join(options.pgdata, 'disable_conn_file')];
  const held = await heldSync(t, options.pgdata);
  const frozen = await givenUp(t, () => one.start('standby', { host: '10.0.0.2', haPort: 5433 }), held.reached, fileBoundMs);
  assert.equal(!frozen.ok && frozen.fault.kind, 'timeout');
  const free = one.start('standby').then(async (begun) => ({ begun, before: await readFile(lockFile).catch(() => undefined) }));
  await Promise.race([free, clock.until(clock.now() + 500)]);
  held.release();
  const { begun, before } = await free;
  assert.ok(begun.ok, JSON.stringify(begun));
  await clock.until(clock.now() + 100);
  assert.deepEqual(await readFile(lockFile).catch(() => undefined), before);
});

test('a gs_ctl of a dead agent that goes on asking for a promotion has ended before the server starts', async (t) => {
  const { options, keeper } = await scene(t);
  await aProgram(options, 'gs_ctl', waitForever);
  const run = async (verb: string): Promise<ServerProcess> => {
    const args = [verb, '-T', '7', '-D', options.pgdata];
    const env = { PATH: process.env['PATH'], GAUSSHOME: options.home };
    const child = spawn(join(options.home, 'bin', 'gs_ctl'), args, { stdio: 'ignore', env });
    t.after(() => child.kill('SIGKILL'));
    const { pid = 0 } = child;
    const stat = await statOf(pid);
    return { pid, startTime: stat.ok ? (stat.value?.startTime ?? '') : '' };
  };
  const [asking, telling, other] = [await run('failover'), await run('notify'), await run('query')];
  await eventually('their names', async () => {
    const found = await findProcesses('gs_ctl', (args) => args.includes(options.pgdata));
    return found.ok && found.value.length === 3 ? true : undefined;
  });
  await started(keeper());
  assert.deepEqual([await hasEnded(asking), await hasEnded(telling), await hasEnded(other)], [true, true, false]);
});

test('a server that is not installed is a fault, not an exception', async (t) => {
  const { options, keeper } = await scene(t);
  options.home = '/nonexistent';
  const result = await keeper().start('standby');
  assert.equal(!result.ok && result.fault.kind, 'absent');
});

test('the server writes to a file that outlives the agent, never to a pipe', async (t) => {
  const { options, keeper } = await scene(t);
  const process = await started(keeper());
  await settled(options, process);
  assert.match(await readFile(join(options.logDir, 'gaussdb.log'), 'utf8'), /started/);
});

test('a zombie that nobody reaps counts as gone', async (t) => {
  const { place } = await scene(t);
  const parent = spawn('bash', ['-c', `sleep 600 & echo $! > ${place}/child; exec sleep 600`], { stdio: 'ignore' });
  t.after(() => parent.kill('SIGKILL'));
  const pid = await eventually(
    'the child',
    async () => Number(await readFile(join(place, 'child'), 'utf8').catch(() => '')) || undefined,
  );
  const stat = async (): Promise<ProcessStat | undefined> => {
    const read = await statOf(pid);
    return read.ok ? read.value : undefined;
  };
  const startTime = (await stat())?.startTime ?? '';
  assert.equal(await hasEnded({ pid, startTime }), false);
  assert.equal(await hasEnded({ pid, startTime: '1' }), true, 'another start time is another process');
  process.kill(pid, 'SIGKILL');
  await eventually('the end of a zombie', async () => ((await hasEnded({ pid, startTime })) ? true : undefined));
  assert.equal((await stat())?.state, 'Z');
});

test('a server that ignores its stop is killed at the deadline, and killing what is dead already is no fault', async (t) => {
  const { options } = await scene(t, `trap "" INT; ${idleServer}`);
  const instance = createInstance(options);
  t.after(() => instance.close());
  const server = await instance.start('standby');
  assert.ok(server.ok);
  await settled(options, server.value);
  assert.deepEqual(await instance.stop(300), { ok: true, value: undefined });
  assert.equal(await hasEnded(server.value), true);
  assert.deepEqual(await instance.kill(1_000), { ok: true, value: undefined });
});

test('a tool returns when it ends although a daemon that it left holds its output', async (t) => {
  const { options } = await scene(t);
  await aProgram(options, 'gs_ctl', 'sleep 600 & echo $! > "$2/daemon"; echo done; exit 3');
  const result = await runTool(options, 'gs_ctl', ['start', options.pgdata], { deadlineMs: 10_000, logFile: 'tool.log' });
  const daemon = Number(await readFile(join(options.pgdata, 'daemon'), 'utf8'));
  t.after(() => process.kill(daemon, 'SIGKILL'));
  assert.deepEqual(result, { ok: true, value: { exitCode: 3, stdout: '' } });
  assert.equal(process.kill(daemon, 0), true);
  assert.match(await readFile(join(options.logDir, 'tool.log'), 'utf8'), /done/);
});

test('a tool that ignores SIGTERM ends all the same, and one that is not there is named', async (t) => {
  const { options } = await scene(t);
  await aProgram(options, 'gs_ctl', 'trap "" TERM; for i in $(seq 100); do sleep 0.1; done');
  const late = await runTool(options, 'gs_ctl', ['query'], { deadlineMs: 100, killAfterMs: 100, logFile: 'tool.log' });
  assert.equal(!late.ok && late.fault.kind, 'timeout');
  const absent = await runTool(options, 'gs_guc', ['set'], { deadlineMs: 1_000 });
  assert.equal(!absent.ok && absent.fault.kind, 'absent');
});

test('a tool that has not ended although it was killed is left alone', async (t) => {
  const { options } = await scene(t);
  // Nothing survives SIGKILL at will: a daemon that holds its output keeps it from ending as a hung volume does.
  await aProgram(options, 'gs_ctl', 'sleep 600 & echo $! > "$2/daemon"; wait');
  const abort = new AbortController();
  const running = runTool(options, 'gs_ctl', ['build', options.pgdata], {
    deadlineMs: 60_000,
    killAfterMs: 50,
    signal: abort.signal,
  });
  const daemon = await eventually('the daemon', async () => {
    const text = await readFile(join(options.pgdata, 'daemon'), 'utf8').catch(() => '');
    return text === '' ? undefined : Number(text);
  });
  t.after(() => process.kill(daemon, 'SIGKILL'));
  abort.abort();
  const result = await running;
  assert.match(result.ok ? '' : result.fault.detail, /was killed and has not ended/);
});

test('a tool gets nothing to read and speaks English', async (t) => {
  const { options } = await scene(t);
  await aProgram(options, 'gs_ctl', 'read line; echo "$? $LC_ALL $GAUSSHOME $HOME"');
  const result = await runTool(options, 'gs_ctl', ['query'], { deadlineMs: 5_000 });
  assert.deepEqual(result, { ok: true, value: { exitCode: 0, stdout: `1 C ${options.home} \n` } });
});

test('a cancelled tool says so', async (t) => {
  const { options } = await scene(t);
  await aProgram(options, 'gs_ctl', 'exec sleep 600');
  const abort = new AbortController();
  const running = runTool(options, 'gs_ctl', ['build'], { deadlineMs: 60_000, signal: abort.signal, logFile: 'tool.log' });
  await clock.until(clock.now() + 50);
  abort.abort();
  const result = await running;
  assert.equal(!result.ok && result.fault.kind, 'cancelled');
});
