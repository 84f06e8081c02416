/**
 * A member's data volume of bounded size: a tmpfs in a mount namespace that one idle process keeps open, as root or as
 * an ordinary user. It outlives the member's containers as a claim outlives pods, and ends with the lab, killed or not.
 * From outside, `data` is a link into it, so that one path names the data on both sides.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statfsSync, statSync, symlinkSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { identify, type ProcessId } from './processes.ts';

export interface Volume {
  /** Put before a command that shall see the volume mounted; its working directory is lost. */
  enter: string[];
  /** Who keeps it open. */
  keeper: ProcessId;
  /** How full it is, as df has it, and how large. */
  use(): { percent: number; capacityBytes: number };
  /** Takes space until it is that full; false when the space could not be had. */
  fill(percent: number): boolean;
  /** Doubles it; false when the kernel refuses. */
  grow(): boolean;
  /** Ends it with everything in it; `keep` copies the data out before. */
  close(keep: boolean): Promise<void>;
}

const toolDeadlineMs = 20_000;
const largestBytes = 2 * 1024 ** 3;
/** What `fill` writes; beside the server's directory, not in it. */
const fillerName = 'filler';

/** What a lab gives each member where nothing is said: it lies in memory, as far as it is used. */
export function usualVolumeBytes(): number {
  return Math.min(largestBytes, Math.max(largestBytes / 4, Math.floor(totalmem() / 8)));
}

/** Mounts a volume over the directory that `dataDir` lies in; undefined where the machine does not permit it. */
export async function startVolume(dataDir: string, bytes: number): Promise<Volume | undefined> {
  const mountPoint = dirname(dataDir);
  const mount = `mount -t tmpfs -o size=${bytes},mode=0700 tmpfs "$0" && mkdir -m 700 "$1" && echo mounted && exec cat`;
  const child = spawn('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', mount, mountPoint, dataDir], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  // It reads what never comes: the end of the lab is the end of its input.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  const mounted = await Promise.race([once(child.stdout, 'data').then(() => true), ended.then(() => false)]);
  const keeper = child.pid === undefined ? undefined : identify(child.pid);
  if (!mounted || keeper === undefined) return undefined;
  const inside = `/proc/${keeper.pid}/root${dataDir}`;
  rmSync(dataDir, { recursive: true, force: true });
  symlinkSync(inside, dataDir);
  const enter = ['nsenter', '--target', String(keeper.pid), '--user', '--mount', '--preserve-credentials', '--'];
  return {
    enter,
    keeper,
    ...createSpace(inside, (size) => {
      // Both names given: else the tool repeats the options of the first mount, which this user may not all set.
      const remount = ['mount', '-i', '-t', 'tmpfs', '-o', `remount,size=${size}`, 'tmpfs', mountPoint];
      return runs([...enter, ...remount]);
    }),
    async close(keep) {
      rmSync(dataDir, { force: true });
      if (keep) runs(['cp', '-a', inside, dataDir]);
      child.stdin.end();
      await ended;
    },
  };
}

/** Filling and growing, given the way to another size. */
function createSpace(inside: string, resize: (bytes: number) => boolean): Pick<Volume, 'use' | 'fill' | 'grow'> {
  const look = () => {
    const { blocks, bfree, bavail, bsize } = statfsSync(inside);
    return { capacity: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize };
  };
  const use = () => {
    const { capacity, used, available } = look();
    return { percent: (100 * used) / (used + available), capacityBytes: capacity };
  };
  return {
    use,
    fill(percent) {
      const { used, available } = look();
      const missing = Math.ceil(((used + available) * percent) / 100) - used;
      if (missing <= 0) return true;
      const file = join(inside, fillerName);
      const wanted = sizeOf(file) + Math.min(missing, available);
      return runs(['fallocate', '--length', String(wanted), file]);
    },
    grow: () => resize(look().capacity * 2),
  };
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function runs([command = '', ...args]: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: toolDeadlineMs }).status === 0;
}
