/**
 * A real file system for a member's data: ext4 or XFS on a loop device, or a tmpfs. It can be filled, grown, frozen,
 * failed and remounted read-only by its own kernel code, as in a cluster. Root only; everything is given back by close().
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export const fileSystems = ['ext4', 'xfs', 'tmpfs'] as const;
export type FileSystemKind = (typeof fileSystems)[number];

export interface FileSystem {
  kind: FileSystemKind;
  /** Where it is mounted. */
  path: string;
  use(): { capacityBytes: number; availableBytes: number; usedPercent: number };
  /** Takes room until that share is in use, by a file beside everything else. */
  fill(percent: number): void;
  clear(): void;
  grow(bytes: number): void;
  /** Nothing is written any more, and whoever tries waits. */
  freeze(): void;
  thaw(): void;
  /** As after an error: ext4 remounts itself read-only, XFS shuts down and answers EIO. */
  fail(): void;
  close(): void;
}

const toolMs = 60_000;
/** What a file system takes for itself to describe a large file. */
const ownBytes = 1 << 20;

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', timeout: toolMs, stdio: ['ignore', 'pipe', 'pipe'] });
}

function tries(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: toolMs }).status === 0;
}

/** Why there can be none here; undefined when there can. */
export function missingFor(kind: FileSystemKind): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting takes root';
  if (kind === 'tmpfs') return undefined;
  const tool = `mkfs.${kind}`;
  if (!tries('which', tool)) return `${tool} is not installed`;
  return tries('losetup', '--find') ? undefined : 'there are no loop devices';
}

/** Why it cannot be grown while it is mounted; undefined when it can. */
export function missingToGrow(kind: FileSystemKind): string | undefined {
  if (kind !== 'ext4') return undefined;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) >> 24n) & 1n ? undefined : 'growing a mounted ext4 takes CAP_SYS_RESOURCE';
}

/** Writes until there is not a block left. */
function exhaust(file: string): void {
  const handle = openSync(file, 'a');
  try {
    for (const size of [1 << 20, 1 << 16, 1 << 12]) {
      try {
        for (;;) writeSync(handle, Buffer.alloc(size));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(handle);
  }
}

/** Makes and mounts one of that size under `dir`. */
export function makeFileSystem(kind: FileSystemKind, dir: string, bytes: number): FileSystem {
  const path = join(dir, 'mount');
  const image = join(dir, 'image');
  mkdirSync(path, { recursive: true });
  let loop = '';
  let frozen = false;
  if (kind === 'tmpfs') run('mount', '-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', path);
  else {
    writeFileSync(image, '');
    truncateSync(image, bytes);
    loop = run('losetup', '--find', '--show', image).trim();
    if (kind === 'ext4') run('mkfs.ext4', '-q', '-m', '0', '-E', 'nodiscard', loop);
    else run('mkfs.xfs', '-q', '-K', loop);
    run('mount', '-o', kind === 'ext4' ? 'errors=remount-ro' : 'defaults', loop, path);
  }
  const use = () => {
    const { blocks, bfree, bavail, bsize } = statfsSync(path);
    const used = (blocks - bfree) * bsize;
    const availableBytes = bavail * bsize;
    return { capacityBytes: blocks * bsize, availableBytes, usedPercent: (100 * used) / (used + availableBytes) };
  };
  const thaw = () => {
    if (frozen) run('fsfreeze', '--unfreeze', path);
    frozen = false;
  };
  let fillers = 0;
  return {
    kind,
    path,
    use,
    fill(percent) {
      if (percent >= 100) {
        exhaust(join(path, 'filler-all'));
        return;
      }
      const { capacityBytes, usedPercent } = use();
      const bytesMore = Math.floor(((percent - usedPercent) / 100) * capacityBytes);
      if (bytesMore <= 0) return;
      fillers += 1;
      const most = use().availableBytes - ownBytes;
      run('fallocate', '--length', String(Math.min(bytesMore, most)), join(path, `filler-${fillers}`));
    },
    clear() {
      for (const name of readdirSync(path)) if (name.startsWith('filler-')) rmSync(join(path, name));
    },
    grow(size) {
      if (kind === 'tmpfs') {
        run('mount', '-o', `remount,size=${size}`, path);
        return;
      }
      truncateSync(image, size);
      run('losetup', '--set-capacity', loop);
      if (kind === 'ext4') run('resize2fs', loop);
      else run('xfs_growfs', path);
    },
    freeze() {
      run('fsfreeze', '--freeze', path);
      frozen = true;
    },
    thaw,
    fail() {
      if (kind === 'xfs') run('xfs_io', '-x', '-c', 'shutdown', path);
      else writeFileSync(`/sys/fs/ext4/${loop.slice('/dev/'.length)}/trigger_fs_error`, '1');
    },
    close() {
      thaw();
      tries('umount', path) || tries('umount', '--lazy', path);
      if (loop !== '') tries('losetup', '--detach', loop);
      rmSync(image, { force: true });
    },
  };
}
