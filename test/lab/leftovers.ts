/** The sentence about a lab that is killed before it has members: it leaves nothing for good, with any API server. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFrame, type Undo, unwind } from './frame.ts';
import { defaultOptions, type LabOptions } from './options.ts';
import { readRun, runFile, sweepStale, writeWhole } from './record.ts';

/** As if the lab had ended while it started; what it recorded is swept by the next one. */
export function sweepSentence(kube: LabOptions['kube']): void {
  test('a lab that is killed while it starts is swept by the next one in its directory', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'og-frame-'));
    const undo: Undo[] = [];
    t.after(async () => {
      await unwind(undo);
      rmSync(dir, { recursive: true, force: true });
    });
    await startFrame(
      { ...defaultOptions, members: 1, kube, net: kube === 'apiserver' ? 'netns' : 'loopback', dir },
      dir,
      undo,
      () => undefined,
    );
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
}
