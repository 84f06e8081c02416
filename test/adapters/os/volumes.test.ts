/** The look at volumes: it agrees with the system, never waits, and never has two looks at one volume under way. */
import assert from 'node:assert/strict';
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { createVolumes, type Look } from '../../../agent/adapters/os/volumes.ts';

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const use = { capacityBytes: 100, availableBytes: 60, usedRatio: 0.4 };

test('a real directory has the figures of its file system', async () => {
  const volumes = createVolumes({ mounts: [{ mount: 'data', path: tmpdir() }], clock: { now: () => performance.now() } });
  assert.deepEqual(volumes.seen(), []);
  await eventually('the look comes back', () => volumes.seen().length === 1);
  const [data] = volumes.seen();
  const system = statfsSync(tmpdir());
  assert.equal(data?.capacityBytes, system.blocks * system.bsize);
  assert.ok(data !== undefined && data.usedRatio >= 0 && data.usedRatio <= 1 && data.stalled === undefined);
});

test('a mount on the file system of an earlier one, and one that does not exist, are no volumes of their own', async () => {
  const mounts = [
    { mount: 'data', path: '/data' },
    { mount: 'log', path: '/data/log' },
    { mount: 'backup', path: '/backup' },
    { mount: 'gone', path: '/gone' },
  ];
  const look: Look = async (path) => (path === '/gone' ? undefined : { device: path === '/backup' ? 2 : 1, use });
  const volumes = createVolumes({ mounts, clock: { now: () => 0 }, look });
  volumes.seen();
  await eventually('the looks come back', () => volumes.seen().length === 2);
  assert.deepEqual(
    volumes.seen().map((volume) => volume.mount),
    ['data', 'backup'],
  );
});

test('a look that does not come back is told as stalled, with the last figures, and is the only one', async () => {
  let now = 0;
  let looks = 0;
  let back: (() => void) | undefined;
  const look: Look = async () => {
    looks += 1;
    if (looks === 2) await new Promise<void>((resolve) => (back = resolve));
    return { device: 1, use };
  };
  const volumes = createVolumes({ mounts: [{ mount: 'data', path: '/data' }], clock: { now: () => now }, look });
  volumes.seen();
  await eventually('the first look comes back', () => volumes.seen().length === 1);
  now = 10_000;
  volumes.seen();
  now = 60_000;
  assert.deepEqual(volumes.seen(), [{ mount: 'data', ...use, stalled: true }]);
  assert.equal(looks, 2);
  back?.();
  await eventually('it is told as well again', () => volumes.seen()[0]?.stalled === undefined);
});
