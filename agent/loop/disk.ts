/**
 * Watches the volumes beside the cycles, because a burst fills in less than a period: each look goes through the pure
 * machine, what changed is told, and a brake that is due is set at once. The reserves and the suggested size are kept in
 * step once a cycle. It never waits for a volume and never decides who leads.
 */
import { type DiskNews, freshDisk, stepDisk, suggestedBytes } from '../core/disk.ts';
import type { VolumeUse } from '../core/model.ts';
import { exactPod } from '../core/pods.ts';
import { formatBytes } from '../core/quantity.ts';
import type { View } from '../core/view.ts';
import { carryBrake, keepBrake } from './brake.ts';
import type { Context } from './context.ts';
import { changePod } from './readings.ts';
import { keepReserve } from './reserve.ts';

/** Takes up what an earlier agent recorded, and looks from now on until it is told to stop. */
export async function watchDisk(ctx: Context): Promise<{ stop(): void }> {
  const { memory, ports } = ctx;
  const loaded = await ports.brake?.load();
  if (loaded?.ok === false) ctx.log.warn('who set the server read-only is not known', { fault: loaded.fault });
  memory.brake.mark = loaded?.ok === true ? loaded.value : undefined;
  memory.disk = freshDisk(ports.clock.now(), memory.brake.mark?.owner === 'agent');
  for (const reserve of Object.values(ports.reserves ?? {})) void reserve.look();
  return ports.volumes?.watch?.(() => onLook(ctx)) ?? { stop() {} };
}

function onLook(ctx: Context): void {
  const { memory } = ctx;
  noteVolumes(ctx);
  if (memory.instance.is !== 'primary' || memory.brake.busy !== undefined) return;
  if (memory.disk.on !== memory.instance.readOnly) void keepBrake(ctx);
}

/** One look through the machine. Before the configuration is known no limit is. */
function noteVolumes(ctx: Context): void {
  const { memory, ports } = ctx;
  const volumes = ports.volumes?.seen() ?? [];
  const { disk } = memory.config;
  for (const volume of volumes) if (memory.disk.capacity[volume.mount] === undefined) logVolume(ctx, volume);
  if (!memory.configKnown) {
    for (const volume of volumes) memory.disk.capacity[volume.mount] = volume.capacityBytes;
    return;
  }
  const input = { now: ports.clock.now(), volumes, disk, reactionMs: memory.brake.reactionMs };
  const { state, news } = stepDisk(memory.disk, input);
  memory.disk = state;
  for (const one of news) tell(ctx, one, volumes);
  if (news.length > 0) ctx.nudge();
}

/** One line for each mount and start. */
function logVolume(ctx: Context, volume: VolumeUse): void {
  const { mount, capacityBytes, availableBytes, usedRatio, inodesFree, device, fileSystem, fault } = volume;
  const used = Math.round(usedRatio * 1000) / 1000;
  ctx.log.info('volume', { mount, capacityBytes, availableBytes, usedRatio: used, inodesFree, device, fileSystem, fault });
}

function tell(ctx: Context, news: DiskNews, volumes: VolumeUse[]): void {
  const { of, mount, text } = news;
  const calm = of === 'eased' || of === 'known' || of === 'grown' || of === 'off';
  ctx.log[calm ? 'info' : 'warn']('volume changed', { mount, change: of, note: text });
  // What the switch does is told by who sets it; the figures alone are not worth an Event twice.
  if (of === 'on' || of === 'off' || of === 'eased' || of === 'known') return;
  const volume = volumes.find((one) => one.mount === mount);
  const size = volume === undefined ? '' : `; a size of ${formatBytes(suggestedBytes(volume))} would leave room`;
  const notes: Record<typeof of, string> = {
    pressure: `${text}${size}`,
    critical: `${text}: it takes no connection for writes any more${size}`,
    unknown: `${text}: read-only stays as it is`,
    grown: text,
  };
  ctx.event({ reason: 'DiskPressure', type: calm ? 'Normal' : 'Warning', action: 'Watch', note: notes[of] });
}

/** What is kept in step once a cycle: the switch, the reserves, and the size that people are told. */
export async function keepDisk(ctx: Context, view: View): Promise<void> {
  if (ctx.memory.brake.busy === undefined) void keepBrake(ctx);
  for (const mount of Object.keys(ctx.ports.reserves ?? {})) await keepReserve(ctx, view, mount);
  const size = sizeChange(ctx, view);
  if (size !== undefined) beside(ctx, 'size', () => changePod(ctx, { name: ctx.self.name, uid: ctx.self.uid }, size));
  beside(ctx, 'carried', () => carryBrake(ctx, view));
}

const under = new WeakMap<Context, Set<string>>();

/** What waits for the API server must not hold up a cycle; one of a kind at a time. */
function beside(ctx: Context, what: string, work: () => Promise<unknown>): void {
  const running = under.get(ctx) ?? new Set();
  under.set(ctx, running);
  if (running.has(what)) return;
  running.add(what);
  void work().finally(() => running.delete(what));
}

const sizeAnnotation = 'opengauss.agent/suggested-size';

/** `data=136Gi` on the own pod while a volume is above its pre-alarm; undefined: it says so, or has nothing to say. */
function sizeChange({ memory, self }: Context, view: View): { annotations: Record<string, string | null> } | undefined {
  const own = exactPod(view, self);
  if (own === undefined) return undefined;
  const full = view.volumes.filter((one) => memory.disk.warned.includes(one.mount) && one.fault === undefined);
  const text = full.map((one) => `${one.mount}=${suggestedBytes(one) / 2 ** 30}Gi`).join(',');
  const before = own.annotations[sizeAnnotation];
  if (text === '' && before === undefined) return undefined;
  // It does not follow every byte: once said, it stands until the volume has room again.
  if ((text === '') === (before === undefined) && mountsIn(text) === mountsIn(before ?? '')) return undefined;
  return { annotations: { [sizeAnnotation]: text === '' ? null : text } };
}

function mountsIn(text: string): string {
  return text
    .split(',')
    .map((one) => one.split('=')[0])
    .join();
}
