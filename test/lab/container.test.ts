/**
 * Containers of the lab on real processes: that the end of PID 1 ends everything in it, that host pids are found, and
 * that a container dies with the lab that started it. Skips nothing: without namespaces the same must hold.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Isolation, probeIsolation, startContainer } from './container.ts';
import { allGone, isAlive, type ProcessId, send } from './processes.ts';

const script = 'sleep 600 & setsid sleep 601 & wait';

async function start(dir: string, isolation: Isolation) {
  return await startContainer({
    isolation,
    command: ['bash', '-c', script],
    env: { PATH: process.env['PATH'] ?? '', LAB_MEMBER: dir },
    cwd: dir,
    log: createWriteStream(join(dir, 'log'), { flags: 'a' }),
    mark: `LAB_MEMBER=${dir}`,
    prefix: [],
    enter: [],
    passwd: undefined,
  });
}

async function untilCount(count: number, list: () => ProcessId[]): Promise<ProcessId[]> {
  const end = performance.now() + 10_000;
  for (;;) {
    const found = list();
    if (found.length >= count) return found;
    assert.ok(performance.now() < end, `only ${found.length} processes`);
    await sleep(10);
  }
}

for (const [name, change] of [
  ['with what this machine allows', {}],
  ['without namespaces', { namespaces: false }],
] as const) {
  test(`the end of PID 1 ends every process of the container ${name}`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'lab-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    const isolation = { ...probeIsolation(), ...change };
    const container = await start(dir, isolation);
    const all = await untilCount(3, container.processes);
    if (isolation.namespaces) assert.equal(container.innerPid(container.pid1.pid), 1);
    send(container.pid1, 'SIGKILL');
    await container.ended;
    // Without a namespace the lab does by hand what the kernel does with one.
    for (const id of isolation.namespaces ? [] : container.processes()) send(id, 'SIGKILL');
    assert.ok(await allGone(all, 5000));
  });
}

test('a container dies with the lab that is killed', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'lab-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const isolation = probeIsolation();
  if (!isolation.deathSignal || !isolation.namespaces) return t.skip('needs setpriv and namespaces');
  const program = `
    import { createWriteStream, writeFileSync } from 'node:fs';
    import { startContainer } from '${new URL('./container.ts', import.meta.url).href}';
    const container = await startContainer({ isolation: ${JSON.stringify(isolation)}, command: ['bash', '-c', '${script}'], env: { PATH: process.env.PATH },
      cwd: '${dir}', log: createWriteStream('${dir}/log'), mark: 'LAB_MEMBER=x', prefix: [], enter: [], passwd: undefined });
    while (container.processes().length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
    writeFileSync('${dir}/pids', JSON.stringify(container.processes()));
    setInterval(() => {}, 1000);`;
  const lab = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
  let all: ProcessId[] = [];
  await untilCount(3, () => {
    try {
      all = JSON.parse(readFileSync(join(dir, 'pids'), 'utf8'));
    } catch {
      all = [];
    }
    return all;
  });
  assert.ok(all.every(isAlive));
  lab.kill('SIGKILL');
  assert.ok(await allGone(all, 5000));
});
