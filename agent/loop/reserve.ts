/**
 * Room held back on each volume that the server needs: written while there is plenty, given free when a server that died
 * of a full volume would not start for want of it. It is inside `minFreeBytes`, and no more than a share of the volume.
 */
import { judge, limitsOf, noRoom } from '../core/disk.ts';
import { formatBytes } from '../core/quantity.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';

const reserveMin = 32 * 2 ** 20;
const reserveMax = 64 * 2 ** 20;

/** How much is held back on a volume: a share of it, inside `minFreeBytes` where that is set; none on a small one. */
export function reserveBytes(capacityBytes: number, minFreeBytes: bigint | undefined): number {
  const share = Math.min(reserveMax, Math.max(reserveMin, capacityBytes / 64));
  const bytes = Math.floor(Math.min(share, Number(minFreeBytes ?? BigInt(reserveMax))));
  return bytes < reserveMin || capacityBytes < 32 * reserveMin ? 0 : bytes;
}

/** Gives the reserve of a mount free when it is needed, and makes one where there is none. */
export async function keepReserve(ctx: Context, view: View, mount: string): Promise<void> {
  const { memory, ports } = ctx;
  const reserve = ports.reserves?.[mount];
  const volume = view.volumes.find((one) => one.mount === mount);
  const held = reserve?.held();
  if (reserve === undefined || volume === undefined) return;
  // Its place is known once there are data.
  if (held === undefined) return void (await reserve.look());
  const full = noRoom([volume]);
  if (view.instance.is === 'stopped' && full !== undefined && held > 0) {
    const released = await reserve.release();
    ctx.log.warn('reserve given free', { mount, bytes: held, note: full, ok: released.ok });
    const note = `${full}: ${formatBytes(held)} held back are given free`;
    ctx.event({ reason: 'DiskPressure', type: 'Warning', action: 'Release', note });
    ctx.nudge();
    return;
  }
  const limits = limitsOf(memory.config.disk, mount);
  const wanted = reserveBytes(volume.capacityBytes, limits.minFreeBytes);
  const running = view.instance.is === 'primary' || view.instance.is === 'standby';
  const usedRatio = volume.usedRatio + wanted / volume.capacityBytes;
  const after = { ...volume, usedRatio, availableBytes: volume.availableBytes - wanted };
  if (held > 0 || wanted === 0 || !running || memory.disk.on || volume.fault !== undefined || !judge(after, limits, 0).calm)
    return;
  // In its own time: writing it out waits for the volume.
  void reserve.hold(wanted).then((kept) => kept.ok || ctx.log.debug('no reserve', { mount, fault: kept.fault }));
}
