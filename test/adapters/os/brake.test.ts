/** The mark of the read-only switch and the reserve, on a real directory: read back, torn, foreign, and given free. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createBrake, decodeMark, encodeMark } from '../../../agent/adapters/os/brake.ts';
import { createReserve, walReserve } from '../../../agent/adapters/os/reserve.ts';
import { reserveBytes } from '../../../agent/loop/reserve.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'og-brake-'));
after(() => rmSync(dataDir, { recursive: true, force: true }));
const file = join(dataDir, 'agent', 'brake');

test('a mark is read back, and is written over in place', async () => {
  const brake = createBrake({ dataDir });
  assert.deepEqual(await brake.load(), { ok: true, value: undefined });
  for (const mark of [
    { term: 7, owner: 'agent' },
    { term: 2147483647, owner: 'switchover' },
    { term: 8, owner: 'human' },
    { term: 9, owner: undefined },
  ] as const) {
    assert.ok((await brake.save(mark)).ok);
    assert.deepEqual(await createBrake({ dataDir }).load(), { ok: true, value: mark });
  }
  const { ino, size } = statSync(file);
  await brake.save({ term: 10, owner: 'agent' });
  assert.deepEqual([statSync(file).ino, statSync(file).size, size], [ino, 512, 512]);
});

test('what is torn or foreign is no mark', async () => {
  const whole = encodeMark({ term: 7, owner: 'agent' });
  for (const text of ['', whole.slice(0, 100), whole.replace('agent', 'devil'), whole.replace('7', '-7'), `${whole} `]) {
    assert.equal(decodeMark(text), undefined);
  }
  writeFileSync(file, '\0'.repeat(512));
  assert.deepEqual(await createBrake({ dataDir }).load(), { ok: true, value: undefined });
});

test('a reserve holds real blocks, and gives them free', async () => {
  const reserve = createReserve({ directory: async () => join(dataDir, 'agent') });
  assert.equal(reserve.held(), undefined);
  await reserve.look();
  assert.equal(reserve.held(), 0);
  assert.ok((await reserve.hold(3_000_000)).ok);
  const path = join(dataDir, 'agent', 'reserve');
  assert.equal(readFileSync(path).length, 3_000_000);
  assert.ok(statSync(path).blocks * 512 >= 3_000_000);
  await reserve.release();
  assert.deepEqual([existsSync(path), reserve.held()], [false, 0]);
});

test('the reserve stays inside minFreeBytes, and a small volume has none', () => {
  const mib = 2 ** 20;
  assert.equal(reserveBytes(2048 * mib, undefined) / mib, 32);
  assert.equal(reserveBytes(100_000 * mib, undefined) / mib, 64);
  assert.equal(reserveBytes(100_000 * mib, 40n << 20n) / mib, 40);
  assert.equal(reserveBytes(100_000 * mib, 8n << 20n), 0);
  assert.equal(reserveBytes(512 * mib, undefined), 0);
});

test('the WAL has a reserve of its own only on a volume of its own, beside its directory', async () => {
  const wal = join(dataDir, 'pgdata', 'pg_xlog');
  const nowhere = createReserve({ directory: walReserve(wal, dataDir) });
  for (const made of [false, true]) {
    if (made) mkdirSync(wal, { recursive: true });
    assert.ok((await nowhere.look()).ok);
    assert.equal(nowhere.held(), undefined);
  }
  assert.ok((await nowhere.hold(3_000_000)).ok);
  // Another file system than the data's, as far as there is one that anybody may look at.
  const elsewhere = walReserve('/proc/self', dataDir);
  assert.match((await elsewhere()) ?? '', /^\/proc\/opengauss-agent$/);
});
