/**
 * How full the member's volumes are, how fast they fill, and whether they still take writes. At most one look at a
 * volume and one write to it are ever under way: on a hung one they do not come back, and more would take the threads of
 * the pool with them, until no file and no name could be looked up any more (K14). What does not come back is itself the
 * finding. Nothing here waits for a volume, and nothing is decided: core/disk.ts does.
 */
import type { VolumeFault, VolumeUse } from '../../core/model.ts';
import { onTurn } from '../../core/turns.ts';
import { fillRate, fullInSeconds, lookAfterMs, type Sample, withSample } from '../../core/volume.ts';
import type { Clock, VolumesPort } from '../../ports/others.ts';
import { type Look, lookAt, type Seen, type Write, writeTo } from './volume.ts';

export interface VolumeMount {
  /** `data`, `wal`, `log`, `archive`, `backup`. */
  mount: string;
  path: string;
  /** A directory of the agent's on it, where a small write tells whether it still takes any; it may be missing. */
  own?: string;
}

export interface VolumesOptions {
  /** Where each mount lies; one on the same file system as an earlier one is no volume of its own. */
  mounts: readonly VolumeMount[];
  clock: Pick<Clock, 'now' | 'until' | 'wall'>;
  /** Replaced in tests only. */
  look?: Look;
  write?: Write;
}

/** With nothing to hurry for. */
const restMs = 1_000;
/** A look or a write that takes longer than this stalls. */
const stalledMs = 2_000;
/** An fsync has to wait for what others write. */
const writeStalledMs = 5_000;
/** How often a small write is tried, and how fast a volume has to fill to have shown by itself that it takes writes. */
const writePeriodMs = 10_000;
/** A mount on the file system of an earlier one is looked at this often, in case that changes. */
const sharedPeriodMs = 5_000;
const evidentBytesPerSecond = 1 << 20;

interface Volume extends VolumeMount {
  /** When the look or write under way began. */
  began: number | undefined;
  writeBegan: number | undefined;
  looked: number;
  wrote: number;
  /** The file system that was found first. */
  device: string | undefined;
  last: Seen | undefined;
  window: Sample[];
  /** What the window tells. */
  rate: number | undefined;
  fault: VolumeFault | undefined;
  writeFault: VolumeFault | undefined;
}

/** Looks at nothing until it is asked, or told to watch. */
export function createVolumes(options: VolumesOptions): VolumesPort {
  const { clock, look = lookAt, write = writeTo } = options;
  const never = Number.NEGATIVE_INFINITY;
  const volumes: Volume[] = options.mounts.map((one) => ({
    ...one,
    ...{ began: undefined, writeBegan: undefined, looked: never, wrote: never },
    ...{ device: undefined, last: undefined, window: [], rate: undefined, fault: undefined, writeFault: undefined },
  }));
  let tell: (() => void) | undefined;

  async function refresh(volume: Volume): Promise<void> {
    volume.began = clock.now();
    take(volume, await look(volume.path), clock.now());
    volume.looked = clock.now();
    volume.began = undefined;
    tell?.();
  }

  async function tryWrite(volume: Volume, directory: string): Promise<void> {
    volume.writeBegan = clock.now();
    volume.writeFault = await write(directory);
    volume.wrote = clock.now();
    volume.writeBegan = undefined;
    tell?.();
  }

  function isShared(volume: Volume): boolean {
    const first = volumes.find((one) => one.device === volume.device);
    return volume.last !== undefined && first !== volume;
  }

  function due(volume: Volume, now: number): void {
    const { rate } = volume;
    const period = isShared(volume) ? sharedPeriodMs : periodOf(volume, rate);
    if (volume.began === undefined && now - volume.looked >= period * 0.95) void refresh(volume);
    if (volume.own === undefined || volume.writeBegan !== undefined || volume.last === undefined) return;
    // A volume that fills shows by itself that it takes writes, and an fsync would only wait in the crowd.
    if (now - volume.wrote >= writePeriodMs && (rate ?? 0) < evidentBytesPerSecond) void tryWrite(volume, volume.own);
  }

  function seen(): VolumeUse[] {
    const now = clock.now();
    const devices = new Set<string | undefined>();
    const found: VolumeUse[] = [];
    for (const volume of volumes) {
      due(volume, now);
      if (volume.last === undefined || devices.has(volume.device)) continue;
      devices.add(volume.device);
      found.push(useOf(volume, volume.last, now));
    }
    return found;
  }

  function watch(listener: () => void): { stop(): void } {
    const stopped = new AbortController();
    tell = listener;
    const turn = async (): Promise<void> => {
      while (!stopped.signal.aborted) {
        seen();
        const waits = volumes.map((one) => (isShared(one) ? sharedPeriodMs : periodOf(one, one.rate)));
        const now = clock.now();
        const soonest = now + Math.min(...waits);
        const rest = onTurn(now + restMs, now, Date.parse(clock.wall()));
        await clock.until(Math.min(soonest, rest), stopped.signal);
      }
    };
    void turn();
    return {
      stop() {
        tell = undefined;
        stopped.abort();
      },
    };
  }

  return { seen, watch };
}

function periodOf(volume: Volume, rate: number | undefined): number {
  return volume.last === undefined ? 1_000 : lookAfterMs(volume.last.availableBytes, rate);
}

/** What a look brought; the figures of a volume that is gone or another one are not taken over. */
function take(volume: Volume, found: Awaited<ReturnType<Look>>, now: number): void {
  if (found === 'nothing') return;
  if (typeof found === 'string' || found === undefined) {
    // What never was there is no volume of its own; what was there and is not is a finding.
    if (volume.last !== undefined) volume.fault = found ?? 'absent';
    return;
  }
  volume.device ??= found.id;
  if (found.id !== volume.device) {
    volume.fault = 'replaced';
    return;
  }
  volume.fault = found.readOnly ? 'read-only' : undefined;
  volume.last = found;
  volume.window = withSample(volume.window, { at: now, availableBytes: found.availableBytes });
  volume.rate = fillRate(volume.window);
}

function useOf(volume: Volume, last: Seen, now: number): VolumeUse {
  const looking = volume.began === undefined ? 0 : now - volume.began;
  const writing = volume.writeBegan === undefined ? 0 : now - volume.writeBegan;
  const stalled = looking >= stalledMs || writing >= writeStalledMs;
  const { rate } = volume;
  const full = fullInSeconds(last.availableBytes, rate);
  const fault = volume.fault ?? volume.writeFault;
  return {
    mount: volume.mount,
    capacityBytes: last.capacityBytes,
    availableBytes: last.availableBytes,
    usedRatio: last.usedRatio,
    ...(last.inodes === undefined ? {} : { inodesFree: last.inodes.free, inodes: last.inodes.all }),
    ...(stalled ? { stalled, stalledMs: Math.max(looking, writing) } : {}),
    ...(rate === undefined ? {} : { fillBytesPerSecond: Math.round(rate) }),
    ...(full === undefined ? {} : { fullInSeconds: full }),
    ...(fault === undefined ? {} : { fault }),
    ...(last.device === undefined ? {} : { device: last.device }),
    ...(last.path === undefined ? {} : { path: last.path }),
    ...(last.fileSystem === undefined ? {} : { fileSystem: last.fileSystem }),
  };
}
