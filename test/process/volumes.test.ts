/**
 * The look at volumes on real file systems: what the kernel says when one fills, grows, freezes and fails is what the
 * agent is told, and the agent never waits for it. Takes root and loop devices; named as skipped elsewhere. The clock
 * runs twenty times as fast, so that deadlines pass while the test looks on.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createBrake } from '../../agent/adapters/os/brake.ts';
import { createVolumes } from '../../agent/adapters/os/volumes.ts';
import { defaultConfig } from '../../agent/core/config.ts';
import { judge, limitsOf } from '../../agent/core/disk.ts';
import type { VolumeUse } from '../../agent/core/model.ts';
import {
  type FileSystem,
  type FileSystemKind,
  fileSystems,
  makeFileSystem,
  missingFor,
  missingToGrow,
} from '../chaos/disk/filesystem.ts';

const mib = 2 ** 20;
const bytes = 320 * mib;
const haste = 20;
const clock = {
  now: () => performance.now() * haste,
  wall: () => new Date(performance.now() * haste).toISOString(),
  until: (moment: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, moment - performance.now() * haste) / haste);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    }),
};

interface Scene {
  volume: FileSystem;
  data(): VolumeUse | undefined;
  until(what: string, holds: (use: VolumeUse) => boolean): Promise<void>;
}

async function withVolume(kind: FileSystemKind, work: (scene: Scene) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'og-fs-'));
  const volume = makeFileSystem(kind, dir, bytes);
  const own = join(volume.path, 'agent');
  mkdirSync(own);
  const volumes = createVolumes({ mounts: [{ mount: 'data', path: volume.path, own }], clock });
  const watch = volumes.watch?.(() => {});
  const data = () => volumes.seen()[0];
  const until = async (what: string, holds: (use: VolumeUse) => boolean): Promise<void> => {
    const end = performance.now() + 30_000;
    for (let use = data(); use === undefined || !holds(use); use = data()) {
      assert.ok(performance.now() < end, `never: ${what}; ${JSON.stringify(use)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  try {
    await until('it is seen', () => true);
    await work({ volume, data, until });
  } finally {
    watch?.stop();
    volume.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

function skips(t: TestContext, kind: FileSystemKind): boolean {
  const missing = missingFor(kind);
  if (missing !== undefined) t.skip(missing);
  return missing !== undefined;
}

const levelOf = (use: VolumeUse) => judge(use, limitsOf(defaultConfig.disk, 'data'), 500).level;

for (const kind of fileSystems) {
  test(`a volume on ${kind} that fills and grows is told with its figures, device and file system`, async (t) => {
    if (skips(t, kind)) return;
    await withVolume(kind, async ({ volume, data, until }) => {
      assert.equal(data()?.fileSystem, kind);
      assert.ok((data()?.device ?? '') !== '');
      volume.fill(96);
      await until('it is too full', (use) => use.usedRatio > 0.95 && ['read-only', 'critical'].includes(levelOf(use)));
      const stuck = missingToGrow(kind);
      if (stuck !== undefined) {
        t.diagnostic(stuck);
        volume.clear();
        await until('it has room again', (use) => levelOf(use) === 'fine');
        return;
      }
      const before = data()?.capacityBytes ?? 0;
      volume.grow(2 * bytes);
      await until('it has grown', (use) => use.capacityBytes > before + 200 * mib && levelOf(use) === 'fine');
    });
  });

  test(`the mark of the read-only switch can be written on a full ${kind}`, async (t) => {
    if (skips(t, kind)) return;
    await withVolume(kind, async ({ volume }) => {
      const brake = createBrake({ dataDir: volume.path });
      assert.ok((await brake.save({ term: 1, owner: undefined })).ok);
      volume.fill(100);
      assert.throws(() => writeFileSync(join(volume.path, 'more'), Buffer.alloc(8 * mib)), /ENOSPC/);
      assert.deepEqual(await brake.save({ term: 2, owner: 'agent' }), { ok: true, value: undefined });
      assert.deepEqual(await brake.load(), { ok: true, value: { term: 2, owner: 'agent' } });
    });
  });
}

test('a volume whose inodes are used up is too full, whatever room it has', async (t) => {
  if (skips(t, 'tmpfs')) return;
  await withVolume('tmpfs', async ({ volume, until }) => {
    execFileSync('mount', ['-o', 'remount,nr_inodes=64', volume.path]);
    const take = () => {
      for (let count = 0; count < 64; count += 1) writeFileSync(join(volume.path, `small-${count}`), '');
    };
    assert.throws(take, /ENOSPC/);
    await until('it is too full', (use) => levelOf(use) === 'critical' && use.usedRatio < 0.1 && use.inodesFree === 0);
  });
});

for (const kind of ['ext4', 'xfs'] as const) {
  test(`a volume on ${kind} that freezes is told as mute, looked at all the same, and well again when it thaws`, async (t) => {
    if (skips(t, kind)) return;
    await withVolume(kind, async ({ volume, data, until }) => {
      volume.freeze();
      await until('it is mute', (use) => use.stalled === true);
      await until('for longer than a server may hang', (use) => (use.stalledMs ?? 0) > 10_000);
      assert.equal(levelOf(data() as VolumeUse), 'unknown');
      volume.thaw();
      await until('it answers', (use) => use.stalled === undefined && use.fault === undefined);
    });
  });

  test(`a volume on ${kind} that fails is told as ${kind === 'ext4' ? 'read-only' : 'failed'}`, async (t) => {
    if (skips(t, kind)) return;
    await withVolume(kind, async ({ volume, until }) => {
      volume.fail();
      await until('the fault', (use) => use.fault === (kind === 'ext4' ? 'read-only' : 'failed'));
    });
  });
}
