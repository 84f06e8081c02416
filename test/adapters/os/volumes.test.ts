/**
 * The look at volumes: it agrees with the system, never waits, never has two looks at one volume under way, and tells a
 * volume that is gone, another one at its place, and one that takes no writes apart.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Look, lookAt, parseMounts, type Seen, writeTo } from '../../../agent/adapters/os/volume.ts';
import { createVolumes, type VolumesOptions } from '../../../agent/adapters/os/volumes.ts';
import { createVirtualClock } from '../../loop/clock.ts';

const directory = mkdtempSync(join(tmpdir(), 'og-volume-'));
after(() => rmSync(directory, { recursive: true, force: true }));

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const use = { capacityBytes: 100, availableBytes: 60, usedRatio: 0.4 };

function aSight(part: Partial<Seen> = {}): Seen {
  return { id: '1', ...use, inodes: undefined, readOnly: false, device: '/dev/sdb', fileSystem: 'ext4', ...part };
}

function volumesAt(clock: { at: number }, options: Partial<VolumesOptions> & Pick<VolumesOptions, 'mounts'>) {
  const until = () => new Promise<void>(() => {});
  return createVolumes({ clock: { now: () => clock.at, until, wall: () => new Date(clock.at).toISOString() }, ...options });
}

test('a real directory has the figures of its file system', async () => {
  const clock = { at: 0 };
  const volumes = volumesAt(clock, { mounts: [{ mount: 'data', path: directory, own: directory }] });
  assert.deepEqual(volumes.seen(), []);
  await eventually('the look comes back', () => volumes.seen().length === 1);
  const [data] = volumes.seen();
  const system = statfsSync(directory);
  assert.equal(data?.capacityBytes, system.blocks * system.bsize);
  assert.ok(data !== undefined && data.usedRatio >= 0 && data.usedRatio <= 1 && data.stalled === undefined);
  assert.equal(data.fault, undefined);
});

test('a mount on the file system of an earlier one, and one that does not exist, are no volumes of their own', async () => {
  const mounts = ['data', 'log', 'backup', 'gone'].map((mount) => ({ mount, path: `/${mount}` }));
  const look: Look = async (path) => (path === '/gone' ? undefined : aSight({ id: path === '/backup' ? '2' : '1' }));
  const volumes = volumesAt({ at: 0 }, { mounts, look });
  volumes.seen();
  await eventually('the looks come back', () => volumes.seen().length === 2);
  assert.deepEqual(
    volumes.seen().map((volume) => volume.mount),
    ['data', 'backup'],
  );
});

test('a look that does not come back is told as stalled, with the last figures, and is the only one', async () => {
  const clock = { at: 0 };
  let looks = 0;
  let back: (() => void) | undefined;
  const look: Look = async () => {
    looks += 1;
    if (looks === 2) await new Promise<void>((resolve) => (back = resolve));
    return aSight();
  };
  const volumes = volumesAt(clock, { mounts: [{ mount: 'data', path: '/data' }], look });
  volumes.seen();
  await eventually('the first look comes back', () => volumes.seen().length === 1);
  clock.at = 10_000;
  volumes.seen();
  clock.at = 60_000;
  const [stuck] = volumes.seen();
  assert.deepEqual([stuck?.stalled, stuck?.availableBytes, looks], [true, 60, 2]);
  back?.();
  await eventually('it is told as well again', () => volumes.seen()[0]?.stalled === undefined);
});

test('a write that does not come back is told as stalled, is the only one, and stops no look', async () => {
  const clock = { at: 0 };
  let writes = 0;
  let looks = 0;
  const write = () => {
    writes += 1;
    return new Promise<undefined>(() => {});
  };
  const look: Look = async () => {
    looks += 1;
    return aSight();
  };
  const volumes = volumesAt(clock, { mounts: [{ mount: 'data', path: '/data', own: '/data/agent' }], look, write });
  await eventually('the first look comes back', () => volumes.seen().length === 1);
  clock.at = 60_000;
  assert.equal(volumes.seen()[0]?.stalled, true);
  const before = looks;
  await eventually('it is looked at all the same', () => {
    clock.at += 1_000;
    volumes.seen();
    return looks > before + 3;
  });
  assert.equal(writes, 1);
});

for (const [title, later, fault] of [
  ['vanished', undefined, 'absent'],
  ['was replaced by another file system', aSight({ id: '2', availableBytes: 5 }), 'replaced'],
  ['gives errors', 'failed', 'failed'],
  ['was remounted read-only', aSight({ readOnly: true }), 'read-only'],
] as const) {
  test(`a volume that ${title} is a finding, with the last good figures`, async () => {
    const clock = { at: 0 };
    let now: Awaited<ReturnType<Look>> = aSight();
    const volumes = volumesAt(clock, { mounts: [{ mount: 'data', path: '/data' }], look: async () => now });
    await eventually('the first look comes back', () => volumes.seen().length === 1);
    now = later;
    clock.at = 2_000;
    await eventually('the fault is told', () => volumes.seen()[0]?.fault === fault);
    assert.equal(volumes.seen()[0]?.availableBytes, 60);
  });
}

test('a volume that takes no writes any more is told by a small write, and a directory that is missing is no finding', async () => {
  const clock = { at: 0 };
  const mounts = [{ mount: 'data', path: '/data', own: '/data/agent' }];
  const volumes = volumesAt(clock, { mounts, look: async () => aSight(), write: async () => 'failed' });
  await eventually('the fault is told', () => volumes.seen()[0]?.fault === 'failed');
  assert.equal(await writeTo(directory), undefined);
  assert.equal(await writeTo(join(directory, 'missing')), undefined);
  assert.equal(await lookAt(join(directory, 'missing')), undefined);
});

test('a volume that fills is looked at ten times a second, and its rate and end are told', async () => {
  const clock = createVirtualClock();
  let left = 2 ** 40;
  let looks = 0;
  const look: Look = async () => {
    looks += 1;
    return aSight({ capacityBytes: 2 ** 41, availableBytes: left });
  };
  const volumes = createVolumes({ mounts: [{ mount: 'data', path: '/data' }], clock, look });
  const watch = volumes.watch?.(() => {});
  await clock.run(10_000);
  assert.ok(looks >= 9 && looks <= 12, `at rest once a second: ${looks}`);
  for (let turn = 0; turn < 40; turn += 1) {
    left -= 2 ** 40 / 200;
    await clock.run(100);
  }
  const [data] = volumes.seen();
  assert.ok(Math.abs((data?.fillBytesPerSecond ?? 0) - 2 ** 40 / 20) < 2 ** 36, `${data?.fillBytesPerSecond}`);
  assert.ok((data?.fullInSeconds ?? 99) < 20);
  looks = 0;
  await clock.run(1_000);
  assert.ok(looks >= 10, `in haste ten times a second: ${looks}`);
  watch?.stop();
  looks = 0;
  await clock.run(5_000);
  assert.equal(looks, 0);
});

test('the table of mounts is read with its optional fields and escapes', () => {
  const text =
    '36 25 8:16 / /var/lib/opengauss rw,relatime shared:1 master:2 - ext4 /dev/sd\\040b rw,errors=remount-ro\n' +
    '37 25 0:44 / /run rw - tmpfs tmpfs ro,size=64k\ngarbage\n';
  assert.deepEqual(
    [...parseMounts(text)],
    [
      ['8:16', { device: '/dev/sd b', fileSystem: 'ext4', readOnly: false }],
      ['0:44', { device: 'tmpfs', fileSystem: 'tmpfs', readOnly: true }],
    ],
  );
});
