/**
 * How many rows a second a healthy cluster acknowledges to so many clients at once, each as fast as it is answered:
 * the load that scenes are played under should be the fewest clients that reach the highest rate. Measures, asserts
 * nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { startLoad } from './stage.ts';

const counts = [1, 2, 4, 8, 16, 32];
const warmMs = 1000;
const measuredMs = 5000;
/** A rate within that of the highest one is the highest. */
const plateau = 0.9;

export interface Rate {
  writers: number;
  rowsPerSecond: number;
}

/** One after the other, each for some seconds, `runs` times over; the best of each counts. */
export async function measureRates(lab: Lab, runs: number): Promise<Rate[]> {
  const best = counts.map((writers) => ({ writers, rowsPerSecond: 0 }));
  for (let run = 0; run < runs; run += 1)
    for (const rate of best) rate.rowsPerSecond = Math.max(rate.rowsPerSecond, await measure(lab, rate.writers));
  return best;
}

async function measure(lab: Lab, count: number): Promise<number> {
  const writers = startLoad(lab, count);
  await sleep(warmMs);
  const since = performance.now();
  await sleep(measuredMs);
  const rows = writers.flatMap(({ acknowledged }) => acknowledged).filter(({ at }) => at > since).length;
  const ms = performance.now() - since;
  await Promise.all(writers.map((writer) => writer.stop()));
  return Math.round((1000 * rows) / ms);
}

/** The fewest writers that reach the highest rate. */
export function fewestAtPlateau(rates: Rate[]): number {
  const highest = Math.max(...rates.map(({ rowsPerSecond }) => rowsPerSecond));
  return rates.find(({ rowsPerSecond }) => rowsPerSecond >= plateau * highest)?.writers ?? 1;
}

/** A line for each count, and which one to take. */
export function renderRates(rates: Rate[]): string {
  const lines = rates.map(({ writers, rowsPerSecond }) => `${String(writers).padStart(7)}  ${String(rowsPerSecond).padStart(6)}`);
  return `${['WRITERS  ROWS/S', ...lines].join('\n')}\n\n${fewestAtPlateau(rates)} are the fewest that reach the highest rate`;
}
