/**
 * How full the member's volumes are. At most one look at a volume is ever under way: on a hung one it does not come
 * back, and a second would take the next thread of the pool with it, until no file and no name could be looked up any
 * more. A look that does not come back is itself the finding. Nothing here waits for a volume.
 */
import { stat, statfs } from 'node:fs/promises';
import type { VolumeUse } from '../../core/model.ts';
import type { Clock, VolumesPort } from '../../ports/others.ts';

export interface VolumesOptions {
  /** Where each mount lies; one on the same file system as an earlier one is no volume of its own. */
  mounts: readonly { mount: string; path: string }[];
  clock: Pick<Clock, 'now'>;
  /** Replaced in tests only. */
  look?: Look;
}

/** Undefined: there is nothing at that path. */
export type Look = (path: string) => Promise<{ device: number; use: Omit<VolumeUse, 'mount' | 'stalled'> } | undefined>;

/** A volume is looked at no more often than this. */
const periodMs = 10_000;
/** A look that takes longer than this stalls. */
const stalledMs = 2_000;

interface Volume {
  mount: string;
  path: string;
  /** When the look under way began. */
  began: number | undefined;
  /** When the last one came back. */
  looked: number | undefined;
  device: number | undefined;
  use: Omit<VolumeUse, 'mount' | 'stalled'> | undefined;
}

/** Looks at nothing until it is asked for the first time. */
export function createVolumes({ mounts, clock, look = lookAt }: VolumesOptions): VolumesPort {
  const volumes: Volume[] = mounts.map((one) => ({
    ...one,
    began: undefined,
    looked: undefined,
    device: undefined,
    use: undefined,
  }));

  async function refresh(volume: Volume): Promise<void> {
    volume.began = clock.now();
    const found = await look(volume.path);
    volume.device = found?.device;
    volume.use = found?.use;
    volume.looked = clock.now();
    volume.began = undefined;
  }

  return {
    seen() {
      const now = clock.now();
      const devices = new Set<number | undefined>();
      const seen: VolumeUse[] = [];
      for (const volume of volumes) {
        if (volume.began === undefined && (volume.looked === undefined || now - volume.looked >= periodMs)) void refresh(volume);
        if (volume.use === undefined || devices.has(volume.device)) continue;
        devices.add(volume.device);
        const stalled = volume.began !== undefined && now - volume.began >= stalledMs;
        seen.push({ mount: volume.mount, ...volume.use, ...(stalled ? { stalled } : {}) });
      }
      return seen;
    },
  };
}

async function lookAt(path: string): ReturnType<Look> {
  try {
    const [{ dev }, { blocks, bfree, bavail, bsize, files, ffree }] = await Promise.all([stat(path), statfs(path)]);
    const used = (blocks - bfree) * bsize;
    const availableBytes = bavail * bsize;
    // As df has it: what is reserved for root is of no use to the server.
    const usedRatio = used + availableBytes === 0 ? 0 : used / (used + availableBytes);
    const use = { capacityBytes: blocks * bsize, availableBytes, usedRatio, ...(files === 0 ? {} : { inodesFree: ffree }) };
    return { device: dev, use };
  } catch {
    return undefined;
  }
}
