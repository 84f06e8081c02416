/**
 * A storm of writes: some sessions insert through SQL as fast as the server takes it. Records what was acknowledged, when
 * the first session was told that the database is read-only, and how the volume filled meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientAddress, connect } from '../../support/client.ts';
import type { FileSystem } from './filesystem.ts';

export interface Storm {
  /** Statements that were acknowledged: when, and their numbers. */
  acknowledged: { at: number; n: number }[];
  /** When the last statement that was acknowledged was answered. */
  lastAt(): number;
  /** When a session was first refused because the database is read-only; undefined: never. */
  refusedAt(): number | undefined;
  samples: { at: number; availableBytes: number; usedPercent: number }[];
  stop(): Promise<void>;
}

const sampleMs = 20;
const readOnly = '25006';
export const rowsEach = 2000;

/** Makes the table; each acknowledged statement has its number in every row. */
export async function prepareStorm(address: ClientAddress): Promise<void> {
  const client = await connect(address, 20_000);
  await client.query('CREATE TABLE IF NOT EXISTS storm (n bigint, note text)');
  await client.end();
}

export function startStorm(address: ClientAddress, volume: FileSystem, sessions: number, from = 0): Storm {
  const acknowledged: Storm['acknowledged'] = [];
  const samples: Storm['samples'] = [];
  let stopping = false;
  let refusedAt: number | undefined;
  let next = from;

  async function session(): Promise<void> {
    while (!stopping) {
      const client = await connect(address, 60_000).catch(() => undefined);
      try {
        while (client !== undefined && !stopping) {
          next += 1;
          const n = next;
          const text = `INSERT INTO storm SELECT ${n}, repeat(md5(random()::text), 45) FROM generate_series(1, ${rowsEach})`;
          await client.query(text);
          acknowledged.push({ at: performance.now(), n });
        }
      } catch (error) {
        if ((error as { code?: string }).code === readOnly) refusedAt ??= performance.now();
      }
      await client?.end().catch(() => undefined);
      await sleep(20);
    }
  }

  async function watch(): Promise<void> {
    while (!stopping) {
      const { availableBytes, usedPercent } = volume.use();
      samples.push({ at: performance.now(), availableBytes, usedPercent });
      await sleep(sampleMs);
    }
  }

  const all = [watch(), ...Array.from({ length: sessions }, session)];
  return {
    acknowledged,
    samples,
    lastAt: () => acknowledged.at(-1)?.at ?? 0,
    refusedAt: () => refusedAt,
    async stop() {
      stopping = true;
      await Promise.all(all);
    },
  };
}

/** The fastest that the volume filled over any half second, in bytes a second. */
export function topRate(samples: Storm['samples']): number {
  let top = 0;
  let from = 0;
  for (const [at, sample] of samples.entries()) {
    while (sample.at - (samples[from]?.at ?? sample.at) > 500) from += 1;
    const first = samples[from];
    if (first === undefined || at === from || sample.at - first.at < 250) continue;
    top = Math.max(top, ((first.availableBytes - sample.availableBytes) / (sample.at - first.at)) * 1000);
  }
  return top;
}

/** Numbers of acknowledged statements whose rows are not all there. */
export async function lostStatements(address: ClientAddress, numbers: number[]): Promise<number[]> {
  const client = await connect(address, 120_000);
  try {
    const { rows } = await client.query<{ n: string; c: string }>('SELECT n, count(*) AS c FROM storm GROUP BY n');
    const whole = new Set(rows.filter((row) => Number(row.c) === rowsEach).map((row) => Number(row.n)));
    return numbers.filter((n) => !whole.has(n));
  } finally {
    await client.end();
  }
}
