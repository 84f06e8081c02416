/** Goal: a lab that is killed before it has members leaves nothing for good. Method: what stands around them, started and recorded. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFrame, type Undo, unwind } from './frame.ts';
import { defaultOptions } from './options.ts';
import { readRun, runFile, sweepStale, writeWhole } from './record.ts';

test('a lab that is killed while it starts is swept by the next one in its directory', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'og-frame-'));
  const undo: Undo[] = [];
  t.after(async () => {
    await unwind(undo);
    rmSync(dir, { recursive: true, force: true });
  });
  await startFrame({ ...defaultOptions, members: 1, dir }, dir, undo, () => undefined);
  const run = readRun(dir);
  assert.equal(run?.lab.pid, process.pid);
  assert.deepEqual(await sweepStale(dir), { running: process.pid, swept: false });
  // As if the process that wrote it had ended.
  writeWhole(runFile(dir), { ...run, lab: { ...run?.lab, startTime: '0' } });
  assert.deepEqual(await sweepStale(dir), { running: undefined, swept: true });
  assert.deepEqual(
    run?.paths.filter((path) => existsSync(path)),
    [],
  );
  assert.deepEqual(readdirSync(dir), []);
});
