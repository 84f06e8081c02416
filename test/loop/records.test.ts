/**
 * Goal: nothing is answered from the memory that may no longer be on the disk. Method: the one way to change the records,
 * over a volume whose answers get lost.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalRecords } from '../../agent/core/model.ts';
import { failed, ok } from '../../agent/core/result.ts';
import type { Context } from '../../agent/loop/context.ts';
import { amend } from '../../agent/loop/records.ts';

const promised: LocalRecords = {
  granted: 3,
  freeze: undefined,
  build: undefined,
  promise: { holder: 'og-demo-0/uid-0/inc-0', term: 3, durationMs: 8000 },
};

function aVolume(done: 'maybe' | 'no') {
  const volume = { disk: promised, broken: false, writes: 0 };
  const save = async (records: LocalRecords) => {
    volume.writes += 1;
    if (volume.broken && done === 'no') return failed({ of: 'disk', kind: 'refused', done, detail: 'no space left' } as const);
    volume.disk = records;
    return volume.broken ? failed({ of: 'disk', kind: 'timeout', done, detail: 'timed out' } as const) : ok();
  };
  const ctx = { memory: { records: promised }, ports: { records: { save } } } as unknown as Context;
  return { volume, ctx };
}

test('a promise that a lost answer may have taken off the disk is written again before it counts', async () => {
  const { volume, ctx } = aVolume('maybe');
  volume.broken = true;
  const forgotten = await amend(ctx, (records) => ok({ ...records, promise: undefined }));
  assert.equal(forgotten.ok, false);
  const kept = (records: LocalRecords) => ok(records);
  assert.equal((await amend(ctx, kept)).ok, false, 'it is not promised while the volume does not answer');
  volume.broken = false;
  assert.equal((await amend(ctx, kept)).ok, true);
  assert.deepEqual(volume.disk.promise, promised.promise);
  const { writes } = volume;
  await amend(ctx, kept);
  assert.equal(volume.writes, writes, 'what is on the disk for certain is not written again');
});

test('a save that was refused for certain leaves the disk as it was', async () => {
  const { volume, ctx } = aVolume('no');
  volume.broken = true;
  await amend(ctx, (records) => ok({ ...records, promise: undefined }));
  assert.equal((await amend(ctx, (records) => ok(records))).ok, true);
  assert.equal(volume.writes, 1);
});
