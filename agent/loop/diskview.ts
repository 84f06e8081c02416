/** The state of the volumes as decisions see it; pure reading of the memory. */
import { brokenVolume, isNeeded, noRoom } from '../core/disk.ts';
import type { Mono, VolumeUse } from '../core/model.ts';
import type { DiskView } from '../core/view.ts';
import type { Memory } from './memory.ts';

/** What the volumes mean to the next decision. */
export function diskView({ disk, brake, promotion, config, wrote }: Memory, volumes: VolumeUse[], now: Mono): DiskView {
  const owner = promotion !== undefined && brake.mark?.term === promotion.term ? brake.mark.owner : undefined;
  const pressure = disk.on ? disk.why : undefined;
  const hangMs = config.hangSeconds * 1000;
  const mute = volumes.find((one) => isNeeded(one.mount) && (one.stalledMs ?? 0) >= hangMs);
  const stuck = mute !== undefined && now - wrote.at >= hangMs ? `volume ${mute.mount} does not answer` : undefined;
  return { pressure, critical: disk.critical, owner, broken: brokenVolume(volumes), noRoom: noRoom(volumes), stuck };
}
