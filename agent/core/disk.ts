/**
 * When writes have to stop because a volume fills, and when they may go on. A pure state machine over what was seen of
 * the volumes: it starts to brake at once and lets go late, so that it does not flap; usage that is not known changes
 * nothing (I2). It sets nothing: who owns the server's switch is brake.ts's business, carrying it out loop/disk.ts's.
 */
import type { DiskLimits, DynamicConfig } from './config.ts';
import type { Mono, VolumeUse } from './model.ts';
import { formatBytes } from './quantity.ts';

export type DiskLevel = 'unknown' | 'fine' | 'warn' | 'read-only' | 'critical';

export interface DiskVerdict {
  mount: string;
  level: DiskLevel;
  /** So far from every limit that a brake may be let go. */
  calm: boolean;
  why: string;
}

/** What is remembered from one look to the next. */
export interface DiskState {
  on: boolean;
  /** Since when it is as it is. */
  since: Mono;
  /** Why it is on: the first mount that asked for it, with figures. */
  why: string | undefined;
  /** The write label goes too. */
  critical: boolean;
  calmSince: Mono | undefined;
  /** When it was switched on lately; each time within the memory makes the next wait longer. */
  sets: Mono[];
  warned: string[];
  unknown: string[];
  capacity: Record<string, number>;
}

export interface DiskInput {
  now: Mono;
  volumes: VolumeUse[];
  disk: DynamicConfig['disk'];
  /** How long it takes from a look until no ordinary session writes any more. */
  reactionMs: number;
}

/** What changed, for people; `pressure`, `unknown` and `on` are alarming. */
export interface DiskNews {
  of: 'pressure' | 'eased' | 'on' | 'off' | 'critical' | 'unknown' | 'known' | 'grown';
  mount: string;
  text: string;
}

/** The mounts without whose room the server dies; others are told of and stop nothing. */
const needed = ['data', 'wal'];
/** How long it has to be calm before writes go on; doubled by each braking within the memory. */
const dwellMs = 10_000;
const dwellMaxMs = 300_000;
const memoryMs = 600_000;
const setsMax = 8;
/** Room above `minFreeBytes` before a brake for its sake is let go. */
const freeMargin = 1.25;
/** A limit in bytes that would leave less than half of the volume is a mistake, and is taken for half. */
const freeShareMax = 0.5;

export function freshDisk(now: Mono, on = false): DiskState {
  const why = on ? 'as it was before the agent started' : undefined;
  return { on, since: now, why, critical: false, calmSince: undefined, sets: [], warned: [], unknown: [], capacity: {} };
}

/** Whether the server's writes need room on that mount. */
export function isNeeded(mount: string): boolean {
  return needed.includes(mount);
}

export function limitsOf(disk: DynamicConfig['disk'], mount: string): DiskLimits {
  const { mounts, ...common } = disk;
  return { ...common, ...(Object.hasOwn(mounts, mount) ? mounts[mount] : {}) };
}

/** How one volume stands. */
export function judge(volume: VolumeUse, limits: DiskLimits, reactionMs: number): DiskVerdict {
  const { mount } = volume;
  const blind = unknownUse(volume);
  if (blind !== undefined) return { mount, level: 'unknown', calm: false, why: `volume ${mount}: ${blind}` };
  const used = volume.usedRatio * 100;
  const inodes = inodesUsed(volume);
  const floor = Math.min(Number(limits.minFreeBytes ?? 0n), volume.capacityBytes * freeShareMax);
  const { availableBytes } = volume;
  const leftMs = (volume.fullInSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  const { readOnlyPercent, resumePercent, warnPercent } = limits;
  const share = Math.max(used, inodes);
  const full = share >= readOnlyPercent || availableBytes < floor;
  const soon = leftMs < 2 * reactionMs;
  const critical = share >= (readOnlyPercent + 100) / 2 || availableBytes < floor / 2;
  const calm = share < resumePercent && availableBytes >= floor * freeMargin && leftMs >= 4 * reactionMs;
  const level = critical ? 'critical' : full || soon ? 'read-only' : share >= warnPercent ? 'warn' : 'fine';
  const cause = soon && !full ? `, full in ${(leftMs / 1000).toFixed(1)} s at this rate` : '';
  const counted =
    inodes > used
      ? `${Math.floor(inodes)}% of the inodes of volume ${mount} are used`
      : `volume ${mount} is ${Math.floor(used)}% full`;
  return { mount, level, calm, why: `${counted}, ${formatBytes(availableBytes)} free${cause}` };
}

/** Why the figures tell nothing; undefined when they do. */
function unknownUse(volume: VolumeUse): string | undefined {
  if (volume.stalled === true) return 'it does not answer';
  if (volume.fault !== undefined && volume.fault !== 'read-only') return `it is ${volume.fault}`;
  const { capacityBytes, availableBytes, usedRatio } = volume;
  const sane = capacityBytes > 0 && availableBytes >= 0 && availableBytes <= capacityBytes && usedRatio >= 0 && usedRatio <= 1;
  return sane ? undefined : `its figures make no sense (${capacityBytes} bytes, ${availableBytes} free)`;
}

function inodesUsed({ inodes, inodesFree }: VolumeUse): number {
  if (inodes === undefined || inodesFree === undefined || inodes <= 0 || inodesFree < 0 || inodesFree > inodes) return 0;
  return ((inodes - inodesFree) / inodes) * 100;
}

/** One look: the new state and what there is to tell. */
export function stepDisk(before: DiskState, input: DiskInput): { state: DiskState; news: DiskNews[] } {
  const { now, volumes } = input;
  const verdicts = volumes.map((volume) => judge(volume, limitsOf(input.disk, volume.mount), input.reactionMs));
  const grown = volumes.filter((one) => one.capacityBytes > (before.capacity[one.mount] ?? Number.POSITIVE_INFINITY));
  const news: DiskNews[] = [...tellLevels(before, verdicts), ...grown.map((one) => tellGrown(before, one))];
  const capacity = { ...before.capacity };
  for (const one of volumes) if (one.capacityBytes > 0) capacity[one.mount] = one.capacityBytes;
  const common = {
    ...before,
    warned: namesOf(verdicts, isHigh, before.warned),
    unknown: namesOf(verdicts, isUnknown, []),
    capacity,
  };
  const server = verdicts.filter((one) => isNeeded(one.mount));
  const asks = server.find((one) => one.level === 'critical') ?? server.find((one) => one.level === 'read-only');
  const critical = asks?.level === 'critical' || (before.critical && server.some(isUnknown));
  if (asks !== undefined)
    return { state: braking(before, common, asks, now, critical), news: [...news, ...tellOn(before, asks)] };
  if (!before.on) return { state: { ...common, critical: false }, news };
  // Nothing asks for it, but only a calm that is known, and lasts, lets go.
  const calm = server.length > 0 && server.every((one) => one.calm);
  if (!calm) return { state: { ...common, critical, calmSince: undefined }, news };
  const calmSince = before.calmSince ?? now;
  const mayGo = now - calmSince >= dwell(before, now) || grown.some((one) => isNeeded(one.mount));
  if (!mayGo) return { state: { ...common, critical: false, calmSince }, news };
  const off: DiskNews = { of: 'off', mount: server[0]?.mount ?? '', text: server.map((one) => one.why).join('; ') };
  return {
    state: { ...common, on: false, since: now, why: undefined, critical: false, calmSince: undefined },
    news: [...news, off],
  };
}

function braking(before: DiskState, common: DiskState, asks: DiskVerdict, now: Mono, critical: boolean): DiskState {
  const held = { ...common, on: true, critical, calmSince: undefined };
  if (before.on) return { ...held, why: asks.why };
  const sets = [...before.sets.filter((at) => now - at < memoryMs), now].slice(-setsMax);
  return { ...held, since: now, why: asks.why, sets };
}

/** How long a calm has to last: longer each time it did not hold. */
export function dwell(state: DiskState, now: Mono): number {
  const lately = state.sets.filter((at) => now - at < memoryMs).length;
  return Math.min(dwellMaxMs, dwellMs * 2 ** Math.max(0, lately - 1));
}

function isUnknown(verdict: DiskVerdict): boolean {
  return verdict.level === 'unknown';
}

/** Above the pre-alarm; unknown use leaves it as it was. */
function isHigh(verdict: DiskVerdict, before: string[]): boolean {
  if (isUnknown(verdict)) return before.includes(verdict.mount);
  return verdict.level !== 'fine';
}

function namesOf(
  verdicts: DiskVerdict[],
  holds: (verdict: DiskVerdict, before: string[]) => boolean,
  before: string[],
): string[] {
  return verdicts.filter((one) => holds(one, before)).map((one) => one.mount);
}

function tellLevels(before: DiskState, verdicts: DiskVerdict[]): DiskNews[] {
  return verdicts.flatMap((verdict): DiskNews[] => {
    const { mount, why: text } = verdict;
    const blind = before.unknown.includes(mount);
    if (isUnknown(verdict)) return blind ? [] : [{ of: 'unknown', mount, text }];
    const known: DiskNews[] = blind ? [{ of: 'known', mount, text }] : [];
    const was = before.warned.includes(mount);
    const high = isHigh(verdict, before.warned);
    return high === was ? known : [...known, { of: high ? 'pressure' : 'eased', mount, text }];
  });
}

function tellGrown(before: DiskState, volume: VolumeUse): DiskNews {
  const text = `volume ${volume.mount} grew from ${formatBytes(before.capacity[volume.mount] ?? 0)} to ${formatBytes(volume.capacityBytes)}`;
  return { of: 'grown', mount: volume.mount, text };
}

function tellOn(before: DiskState, asks: DiskVerdict): DiskNews[] {
  const { mount, why: text } = asks;
  const on: DiskNews[] = before.on ? [] : [{ of: 'on', mount, text }];
  return asks.level === 'critical' && !before.critical ? [...on, { of: 'critical', mount, text }] : on;
}

const gib = 2 ** 30;
/** A volume of the suggested size is used to this share. */
const comfortable = 0.7;

/** A size that would leave room again, in whole GiB, for people and for what resizes claims. */
export function suggestedBytes(volume: VolumeUse): number {
  const used = volume.capacityBytes * volume.usedRatio;
  return Math.ceil(Math.max(used / comfortable, volume.capacityBytes * 1.25) / gib) * gib;
}

/** Why a volume of the server can take no writes at all, whatever its figures; such a member is never promoted. */
export function brokenVolume(volumes: VolumeUse[]): string | undefined {
  const broken = volumes.find((one) => isNeeded(one.mount) && one.fault !== undefined);
  return broken === undefined ? undefined : `volume ${broken.mount} is ${broken.fault}`;
}

/** A server needs a new WAL segment and what recovery writes. */
const startBytes = 24 * 2 ** 20;

/** Why a server that is down would only die again; undefined when there is room, or when that is not known. */
export function noRoom(volumes: VolumeUse[]): string | undefined {
  const full = volumes.find((one) => isNeeded(one.mount) && unknownUse(one) === undefined && one.availableBytes < startBytes);
  if (full === undefined) return undefined;
  return `volume ${full.mount} has ${formatBytes(full.availableBytes)} left, a start needs ${formatBytes(startBytes)}`;
}
