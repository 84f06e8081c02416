/**
 * What a harness that was killed leaves behind: the next one ends and removes exactly that.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { allGone, identify, isAlive, type ProcessId, send } from '../../lab/processes.ts';
import { createDaemon } from './daemon.ts';
import { claimScratch } from './scratch.ts';

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'scratch-'));
});
after(() => rmSync(root, { recursive: true, force: true }));

interface Harness {
  id: ProcessId;
  dir: string;
  child: ProcessId;
}

/** Another process that claims a directory, starts something in it and records it. */
async function harness(): Promise<Harness> {
  const script = `
    import { spawn } from 'node:child_process';
    import { claimScratch } from ${JSON.stringify(join(import.meta.dirname, 'scratch.ts'))};
    import { identify } from ${JSON.stringify(join(import.meta.dirname, '../../lab/processes.ts'))};
    const scratch = await claimScratch(${JSON.stringify(root)});
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    scratch.record([identify(child.pid)]);
    console.log(JSON.stringify({ dir: scratch.dir, child: identify(child.pid) }));
    setInterval(() => {}, 1000);`;
  const made = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(made.stdout, 'data')) as [Buffer];
  const id = identify(made.pid ?? 0);
  assert.ok(id);
  return { id, ...(JSON.parse(line.toString()) as { dir: string; child: ProcessId }) };
}

test('the next harness ends and removes what a killed one left, and leaves a living one alone', async () => {
  const [dead, living] = [await harness(), await harness()];
  try {
    send(dead.id, 'SIGKILL');
    await allGone([dead.id], 5000);
    assert.ok(isAlive(dead.child));
    const own = await claimScratch(root);
    assert.ok(!isAlive(dead.child));
    assert.ok(!existsSync(dead.dir));
    assert.ok(isAlive(living.child));
    assert.ok(existsSync(living.dir));
    own.remove();
  } finally {
    for (const id of [living.id, living.child, dead.child]) send(id, 'SIGKILL');
  }
});

test('a program can be stopped and started again, and is known by another id then', async () => {
  const log = join(root, 'log');
  const daemon = createDaemon({ name: 'sleep', command: ['sleep', '600'], log, cwd: root, onChange: () => undefined });
  daemon.start();
  const first = daemon.id();
  assert.ok(first !== undefined && isAlive(first));
  await daemon.stop();
  assert.ok(!isAlive(first));
  assert.equal(daemon.id(), undefined);
  daemon.start();
  assert.notDeepEqual(daemon.id(), first);
  await daemon.kill();
});
