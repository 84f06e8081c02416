// Log files that cannot be had: a log directory below a plain file, and one whose files never open. What is attacked: a start, or a tool,
// that waits for a file that nobody needs, and a data volume that is refused because another one hangs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, mkdir, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileBoundMs, writeDurably } from '../../../agent/adapters/gauss/files.ts';
import { createInstance } from '../../../agent/adapters/gauss/instance.ts';
import type { InstanceOptions } from '../../../agent/adapters/gauss/options.ts';
import { runTool } from '../../../agent/adapters/gauss/tool.ts';
import { aPlace, aProgram, clock, eventually } from './support.ts';

const fifos = ['gaussdb.log', 'gs_ctl.log'];

interface Scene {
  options: InstanceOptions;
  place: string;
  warnings(): string[];
  /** Starts the server, anew where it runs. */
  start(): Promise<boolean>;
  /** Runs a tool whose output goes to a file. */
  ask(): Promise<boolean>;
}

async function scene(t: TestContext): Promise<Scene> {
  const { options, place, log, remove } = await aPlace();
  const instance = createInstance(options);
  t.after(async () => {
    await letGo(options.logDir);
    await instance.kill(5_000);
    await instance.close();
    await remove();
  });
  await mkdir(options.pgdata, { mode: 0o700 });
  await aProgram(options, 'gaussdb', 'echo started; cd "$2" && echo "$$" > postmaster.pid && exec -a gaussdb sleep 600');
  await aProgram(options, 'gs_ctl', `echo asked; echo asked >> ${place}/asked`);
  const start = async (): Promise<boolean> => {
    await instance.kill(5_000);
    return (await instance.start('standby')).ok;
  };
  const ask = async (): Promise<boolean> => {
    const result = await runTool(options, 'gs_ctl', ['failover'], { deadlineMs: 10_000, logFile: 'gs_ctl.log' });
    return result.ok && result.value.exitCode === 0 && existsSync(`${place}/asked`);
  };
  return { options, place, warnings: () => log.filter((line) => line.startsWith('warn ')), start, ask };
}

test('the server starts and its tools run where no log file can be opened, and that is said once', async (t) => {
  const { options, warnings, start, ask } = await scene(t);
  await writeFile(options.logDir, '');
  assert.ok(await start());
  for (let i = 0; i < 3; i += 1) assert.ok(await ask());
  assert.ok(await start());
  assert.equal(warnings().length, 1);
  assert.match(warnings()[0] ?? '', /output .* is not kept .*ENOTDIR|output .* is not kept .*EEXIST/);
});

test('output is kept again once the log directory can be used, and another failure is said anew', async (t) => {
  const { options, warnings, ask } = await scene(t);
  await writeFile(options.logDir, '');
  assert.ok(await ask());
  await rm(options.logDir);
  assert.ok(await ask());
  assert.match(await readFile(join(options.logDir, 'gs_ctl.log'), 'utf8'), /asked/);
  assert.equal(warnings().length, 1);
  await rm(options.logDir, { recursive: true });
  await writeFile(options.logDir, '');
  assert.ok(await ask());
  assert.equal(warnings().length, 2);
});

test('log files that never open hold up one call for a moment, the next ones not at all, and the data volume never', async (t) => {
  const { options, warnings, start, ask } = await scene(t);
  await mkdir(options.logDir);
  // Opening a FIFO to write waits for somebody who reads, in a thread of the pool, as on a hung volume (fifo(7)).
  execFileSync(
    'mkfifo',
    fifos.map((name) => join(options.logDir, name)),
  );
  const late = clock.until(clock.now() + fileBoundMs).then(() => 'as late as for a file that is needed');
  assert.equal(await Promise.race([start(), late]), true);
  for (let i = 0; i < 5; i += 1) assert.ok(await ask());
  assert.equal(await Promise.race([start(), late]), true);
  assert.deepEqual(await writeDurably(join(options.pgdata, 'postgresql.conf'), ''), { ok: true, value: undefined });
  assert.equal(warnings().length, 1);
  const heard: string[] = [];
  const hear = (warning: Error): void => void heard.push(warning.message);
  process.on('warning', hear);
  t.after(() => process.off('warning', hear));
  await letGo(options.logDir);
  await eventually('the end of what was given up', async () => ((await holds(options.logDir)) ? undefined : true));
  assert.deepEqual(heard, [], 'a file that was opened too late is closed, not left to be found');
});

/** Opens what waits to be opened. */
async function letGo(directory: string): Promise<void> {
  for (const name of fifos) {
    const reader = await open(join(directory, name), constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
    // Long enough for the writer to be let in.
    await clock.until(clock.now() + 50);
    await reader?.close();
  }
}

/** Whether this process has a file of that directory open. */
async function holds(directory: string): Promise<boolean> {
  const links = await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return links.some((link) => link.startsWith(directory));
}
