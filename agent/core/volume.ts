/**
 * How fast a volume fills and when to look at it again. Pure arithmetic over a bounded window of samples; what follows
 * from it is disk.ts's business. A rate that cannot be told yet is undefined, never 0.
 */
import type { Mono } from './model.ts';

export interface Sample {
  at: Mono;
  availableBytes: number;
}

/** Samples older than this tell nothing about now. */
const windowMs = 5_000;
/** At the fastest sampling the window holds no more than these. */
const samplesMax = 128;
/** Two samples closer than this say more about the clock than about the volume. */
const apartMs = 90;
/** A burst shows in the last moments before it shows in the whole window. */
const recentMs = 400;

/** The window with one more sample; it is bounded by age and by number. */
export function withSample(window: readonly Sample[], sample: Sample): Sample[] {
  const kept = window.filter((one) => sample.at - one.at <= windowMs && one.at < sample.at);
  return [...kept, sample].slice(-samplesMax);
}

/** Bytes a second that become unavailable, the faster of the whole window and of its last moments; below 0: it empties. */
export function fillRate(window: readonly Sample[]): number | undefined {
  const last = window.at(-1);
  if (last === undefined) return undefined;
  const old = window.find((one) => last.at - one.at >= apartMs);
  const recent = window.find((one) => last.at - one.at >= apartMs && last.at - one.at <= recentMs);
  const rates = [old, recent].flatMap((one) => (one === undefined ? [] : [rateBetween(one, last)]));
  return rates.length === 0 ? undefined : Math.max(...rates);
}

function rateBetween(a: Sample, b: Sample): number {
  return ((a.availableBytes - b.availableBytes) / (b.at - a.at)) * 1000;
}

/** Seconds until nothing is left at that rate; undefined while it does not fill. */
export function fullInSeconds(availableBytes: number, rate: number | undefined): number | undefined {
  return rate === undefined || rate <= 0 ? undefined : availableBytes / rate;
}

const looks = { slowestMs: 1_000, fastestMs: 50, soonSeconds: 30, soonMs: 100, bytesPerSecond: 2 * 1024 ** 3 };

/**
 * How long to wait before the next look: at least ten a second while less than 30 s are left, and never so long that a
 * burst which begins right after this look could use up what is left before the next one.
 */
export function lookAfterMs(availableBytes: number, rate: number | undefined): number {
  const left = fullInSeconds(availableBytes, rate);
  const burst = (Math.max(0, availableBytes) / looks.bytesPerSecond) * 1000;
  const soon = left !== undefined && left < looks.soonSeconds ? looks.soonMs : looks.slowestMs;
  return Math.max(looks.fastestMs, Math.min(looks.slowestMs, burst, soon));
}
