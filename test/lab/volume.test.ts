/**
 * A member's volume by itself: it is as large as asked for, fills and grows, is seen at the same path from inside and
 * outside, ends with whoever made it, and leaves nothing. Skipped where mounts in a user namespace are not permitted.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { allGone, isAlive } from './processes.ts';
import { startVolume } from './volume.ts';

const MiB = 1024 ** 2;

function place(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'lab-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const dataDir = join(dir, 'volume', 'data');
  mkdirSync(dataDir, { recursive: true });
  return dataDir;
}

test('a volume fills, grows and keeps what is in it', async (t) => {
  const dataDir = place(t);
  const volume = await startVolume(dataDir, 64 * MiB);
  if (volume === undefined) return t.skip('needs mounts in a user namespace');
  t.after(() => volume.close(false));
  assert.equal(volume.use().capacityBytes, 64 * MiB);
  writeFileSync(join(dataDir, 'outside'), 'a row');
  const seen = spawnSync(volume.enter[0] ?? '', [...volume.enter.slice(1), 'cat', join(dataDir, 'outside')], {
    encoding: 'utf8',
  });
  assert.equal(seen.stdout, 'a row');
  assert.ok(volume.fill(90));
  assert.ok(volume.use().percent >= 90 && volume.use().percent < 91, String(volume.use().percent));
  assert.ok(volume.fill(96));
  assert.ok(volume.use().percent >= 96 && volume.use().percent < 97, String(volume.use().percent));
  assert.ok(volume.fill(50), 'it never takes space back');
  assert.throws(() => writeFileSync(join(dataDir, 'more'), Buffer.alloc(8 * MiB)), { code: 'ENOSPC' });
  assert.ok(volume.grow());
  assert.equal(volume.use().capacityBytes, 128 * MiB);
  writeFileSync(join(dataDir, 'more'), Buffer.alloc(8 * MiB));
  assert.equal(readFileSync(join(dataDir, 'outside'), 'utf8'), 'a row');
});

test('what was in a volume is gone with it, or kept when asked for', async (t) => {
  for (const keep of [false, true]) {
    const dataDir = place(t);
    const volume = await startVolume(dataDir, 64 * MiB);
    if (volume === undefined) return t.skip('needs mounts in a user namespace');
    writeFileSync(join(dataDir, 'file'), '');
    await volume.close(keep);
    assert.equal(isAlive(volume.keeper), false);
    assert.equal(existsSync(join(dataDir, 'file')), keep);
    if (keep) assert.ok(lstatSync(dataDir).isDirectory());
  }
});

test('a volume ends with the lab that is killed', async (t) => {
  const dataDir = place(t);
  const program = `
    import { startVolume } from '${new URL('./volume.ts', import.meta.url).href}';
    const volume = await startVolume('${dataDir}', ${64 * MiB});
    process.stdout.write(JSON.stringify(volume?.keeper ?? null) + '\\n');
    setInterval(() => {}, 1000);`;
  const lab = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await new Promise<Buffer[]>((resolve) => lab.stdout.once('data', (chunk: Buffer) => resolve([chunk])));
  const keeper = JSON.parse(String(line));
  lab.kill('SIGKILL');
  if (keeper === null) return t.skip('needs mounts in a user namespace');
  assert.ok(await allGone([keeper], 5000));
  assert.deepEqual(spawnSync('findmnt', ['-n', dirname(dataDir)], { encoding: 'utf8' }).stdout ?? '', '');
});
