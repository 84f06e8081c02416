// Real processes behind a /proc that fails or does not come back, as with no file left to open, or for a process stuck in the kernel.
// What is attacked: that what cannot be read is taken for gone, and that a look waits for it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createInstance } from '../../../agent/adapters/gauss/instance.ts';
import type { InstanceOptions } from '../../../agent/adapters/gauss/options.ts';
import { findProcesses, hasEnded, type ProcFiles, procFiles } from '../../../agent/adapters/gauss/proc.ts';
import type { ServerExit, ServerProcess } from '../../../agent/core/model.ts';
import type { InstancePort } from '../../../agent/ports/instance.ts';
import { aPlace, aProgram, eventually, waitForever } from './support.ts';

/** Is there, under its own name, in its data directory, and does nothing. */
const idleServer = `cd "$2" && echo "$$" > postmaster.pid && ${waitForever}`;

interface Scene {
  options: InstanceOptions;
  /** Another agent over the same directory, which reads /proc through these. */
  agent(doctored?: Partial<ProcFiles>): InstancePort;
  /** A server of an earlier agent. */
  running(): Promise<ServerProcess>;
}

async function scene(t: TestContext): Promise<Scene> {
  const { options, remove } = await aPlace();
  await mkdir(options.pgdata, { mode: 0o700 });
  await aProgram(options, 'gaussdb', idleServer);
  const made: InstancePort[] = [];
  const agent = (doctored: Partial<ProcFiles> = {}): InstancePort => {
    const one = createInstance({ ...options, proc: { ...procFiles, ...doctored } });
    made.push(one);
    return one;
  };
  const servers: ServerProcess[] = [];
  t.after(async () => {
    // Not by an agent: what a test keeps from being read is still kept from it.
    for (const server of servers) if (!(await hasEnded(server))) process.kill(server.pid, 'SIGKILL');
    for (const one of made) await one.close();
    await remove();
  });
  const running = async (): Promise<ServerProcess> => {
    const started = await agent().start('standby');
    assert.ok(started.ok, JSON.stringify(started));
    servers.push(started.value);
    await eventually('its pid file', () => readFile(join(options.pgdata, 'postmaster.pid'), 'utf8').catch(() => undefined));
    return started.value;
  };
  return { options, agent, running };
}

/** A /proc that can be broken, wholly or in part: no file can be opened as long as it is. */
function breakable(parts: (keyof ProcFiles)[] = ['stat', 'cmdline', 'pids']): { files: Partial<ProcFiles>; broken: boolean } {
  const refuse = <T>(part: keyof ProcFiles, what: () => T): T => {
    if (state.broken && parts.includes(part))
      throw Object.assign(new Error('EMFILE: too many open files, open'), { code: 'EMFILE' });
    return what();
  };
  const state = {
    broken: false,
    files: {
      stat: (pid: number) => refuse('stat', () => procFiles.stat(pid)),
      cmdline: async (pid: number) => refuse('cmdline', () => procFiles.cmdline(pid)),
      pids: async () => refuse('pids', () => procFiles.pids()),
    },
  };
  return state;
}

/** A /proc in which the arguments of that process never come, until the test is over. */
function stuckOn(t: TestContext, pid: number): Pick<ProcFiles, 'cmdline'> {
  const { promise, resolve } = Promise.withResolvers<string>();
  t.after(() => resolve(''));
  return { cmdline: (one) => (one === pid ? promise : procFiles.cmdline(one)) };
}

/** A stranger that lives as long as the test. */
async function aProcess(t: TestContext, options: InstanceOptions, name: string): Promise<number> {
  await aProgram(options, name, 'while :; do sleep 600; done');
  const child = spawn(join(options.home, 'bin', name), { stdio: 'ignore', detached: true });
  const { pid = 0 } = child;
  t.after(() => process.kill(-pid, 'SIGKILL'));
  await eventually('its name', () => (procFiles.stat(pid).includes(`(${name})`) ? true : undefined));
  return pid;
}

test('a server that cannot be looked at has not ended, is still the one that runs, and is killed when it must be', async (t) => {
  const { agent, running } = await scene(t);
  const server = await running();
  const proc = breakable();
  const second = agent(proc.files);
  const exits: ServerExit[] = [];
  second.onExit((exit) => exits.push(exit));
  assert.ok('process' in (await second.observe(1_000)));
  proc.broken = true;
  for (let look = 0; look < 3; look += 1) {
    const shape = await second.observe(1_000);
    assert.deepEqual('process' in shape ? shape.process : shape, server);
  }
  const killed = await second.kill(100);
  assert.equal(!killed.ok && killed.fault.kind, 'timeout', 'that it is gone is not seen, and not said');
  assert.deepEqual(exits, []);
  await eventually('its end', async () => ((await hasEnded(server)) ? true : undefined));
  proc.broken = false;
  await eventually('the exit', () => (exits.length === 1 ? true : undefined));
});

for (const part of ['stat', 'cmdline', 'pids'] as const)
  test(`an agent that cannot look for a server says so, starts none, and adopts it as soon as it can look (${part})`, async (t) => {
    const { options, agent, running } = await scene(t);
    const server = await running();
    await rm(join(options.pgdata, 'postmaster.pid'));
    const proc = breakable([part]);
    proc.broken = true;
    const second = agent(proc.files);
    const blind = await second.observe(1_000);
    assert.ok(blind.is === 'unusable' && blind.blind === true && /EMFILE/.test(blind.detail), JSON.stringify(blind));
    assert.equal((await second.start('standby')).ok, false);
    assert.equal((await second.kill(100)).ok, false);
    assert.equal(await hasEnded(server), false);
    proc.broken = false;
    const shape = await second.observe(1_000);
    assert.deepEqual('process' in shape ? shape.process : shape, server);
  });

test('a server whose start time cannot be read is not left running unguarded', async (t) => {
  const { options, agent } = await scene(t);
  const proc = breakable(['stat']);
  const one = agent(proc.files);
  proc.broken = true;
  const started = await one.start('standby');
  assert.equal(!started.ok && started.fault.code, 'EMFILE', JSON.stringify(started));
  await eventually('its end', async () => {
    const left = await findProcesses('gaussdb', (args) => args.includes(options.pgdata));
    return left.ok && left.value.length === 0 ? true : undefined;
  });
});

test('a server that an interpreter runs is known by its arguments', async (t) => {
  const { options, agent } = await scene(t);
  await aProgram(options, 'gaussdb', 'cd "$2" && echo "$$" > postmaster.pid && exec -a gaussdb sleep 600');
  const started = await agent().start('standby');
  assert.ok(started.ok, JSON.stringify(started));
  await eventually('its name', () => (procFiles.stat(started.value.pid).includes('(sleep)') ? true : undefined));
  const shape = await agent().observe(1_000);
  assert.deepEqual('process' in shape ? shape.process : shape, started.value);
});

test('a stranger whose arguments never come is passed over by its name', async (t) => {
  const { options, agent, running } = await scene(t);
  const stranger = await aProcess(t, options, 'dumping');
  const stuck = stuckOn(t, stranger);
  let asked = 0;
  const cmdline = async (pid: number): Promise<string> => {
    if (pid === stranger) asked += 1;
    return stuck.cmdline(pid);
  };
  for (let look = 0; look < 5; look += 1) assert.deepEqual(await agent({ cmdline }).observe(1_000), { is: 'empty' });
  assert.equal(asked, 1, 'each read of it holds a thread');
  const server = await running();
  const shape = await agent({ cmdline }).observe(1_000);
  assert.deepEqual('process' in shape ? shape.process : shape, server);
});

test('a server whose arguments never come is not passed over, and no look waits for them', async (t) => {
  const { agent, running } = await scene(t);
  const server = await running();
  const stuck = stuckOn(t, server.pid);
  let asked = 0;
  const cmdline = async (pid: number): Promise<string> => {
    if (pid === server.pid) asked += 1;
    return stuck.cmdline(pid);
  };
  const second = agent({ cmdline });
  for (let look = 0; look < 3; look += 1) {
    const shape = await second.observe(1_000);
    assert.ok(shape.is === 'unusable' && shape.blind === true, JSON.stringify(shape));
  }
  assert.equal((await second.start('standby')).ok, false);
  assert.equal(asked, 1, 'each read of it holds a thread');
});

test('a build does not begin while another one may be under way that cannot be looked at', async (t) => {
  const { options, agent } = await scene(t);
  const other = await aProcess(t, options, 'gs_ctl');
  const files = stuckOn(t, other);
  await writeFile(join(options.pgdata, 'gs_build.pid'), String(other));
  assert.equal((await agent(files).observe(1_000)).is, 'unusable', 'nor does it count as one that was broken off');
  const from = { name: 'og-demo-1', host: '10.0.0.1', haPort: 5433 };
  const wishes = { mode: 'full', from, signal: new AbortController().signal, onProgress: () => undefined } as const;
  const built = await agent(files).build(wishes);
  assert.equal(!built.ok && built.fault.kind, 'timeout', JSON.stringify(built));
});
