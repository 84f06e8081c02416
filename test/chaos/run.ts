/**
 * Plays one scene and judges it: the longest write outage against the bound, every acknowledged row read back from
 * every member once all stream again, and that no server acknowledged after another one had begun to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { memberAddress } from '../bench/failover.ts';
import type { Lab } from '../lab/lab.ts';
import { type Acknowledged, longestGap, missingRows } from '../support/client.ts';
import type { Mode, Scene } from './scenes.ts';
import { type Load, merged, type Stage, startStage, table } from './stage.ts';

export interface Result {
  scene: Scene;
  mode: Mode;
  writers: number;
  outageMs: number | undefined;
  acknowledged: number;
  /** Rows per second before the fault. */
  rate: number;
  lost: number;
  /** Whether two servers acknowledged in turn. */
  split: boolean;
  /** What did not hold; undefined: everything. */
  failure: string | undefined;
  notes: string[];
  seconds: number;
  /** Whether the cluster is fit for another scene. */
  healthy: boolean;
}

const settleMs = 1000;
const recoverMs = 180_000;
const sceneMs = 300_000;
/** Two answers may change places between their sockets and this process's clock. */
const orderMs = 50;

export type Verdict = 'ok' | 'over' | 'failed' | 'pending';

/** Loss and two writers are failures even where the promise is pending. */
export function verdictOf(result: Result): Verdict {
  if (result.lost > 0 || result.split || !result.healthy) return 'failed';
  const over = result.scene.boundMs !== undefined && (result.outageMs ?? Infinity) > result.scene.boundMs;
  if (result.failure === undefined && !over) return 'ok';
  if (result.scene.pending !== undefined) return 'pending';
  return result.failure === undefined ? 'over' : 'failed';
}

/** Plays it on a healthy lab; never rejects. */
export async function playScene(lab: Lab, scene: Scene, mode: Mode, load: Load): Promise<Result> {
  const began = performance.now();
  const result: Result = {
    scene,
    mode,
    writers: load.writers,
    outageMs: undefined,
    acknowledged: 0,
    rate: 0,
    lost: 0,
    split: false,
    failure: undefined,
    notes: [],
    seconds: 0,
    healthy: false,
  };
  try {
    const stage = await startStage(lab, load);
    result.notes = stage.notes;
    await perform(stage, scene, result);
    await judge(lab, stage, result);
  } catch (error) {
    result.failure ??= sentence(error);
  }
  result.seconds = (performance.now() - began) / 1000;
  return result;
}

function sentence(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 3).join(' ');
}

async function perform(stage: Stage, scene: Scene, result: Result) {
  const { lab } = stage;
  result.rate = Math.round(stage.rate);
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`the scene is not over after ${sceneMs / 1000} s`)), sceneMs).unref();
  });
  try {
    await Promise.race([scene.play(stage), late]);
    await stage.rows();
    await sleep(settleMs);
    result.outageMs = outage(stage.acknowledged(), stage.began);
  } catch (error) {
    result.failure = sentence(error);
  } finally {
    lab.faults.clear();
    for (const index of lab.members.keys()) lab.network.release(index, 'drop');
    for (const { name } of lab.members) await lab.inject({ command: 'thaw', member: name });
    await lab.inject({ command: 'heal' });
  }
}

/** Longest time without a row; what lies before the moment that is counted from does not count. */
function outage(acknowledged: Acknowledged[], since: number): number {
  const { ms, begin } = longestGap(acknowledged, since);
  return ms - Math.max(0, since - begin);
}

async function judge(lab: Lab, stage: Stage, result: Result) {
  const recovered = await lab.whenStreaming(recoverMs);
  await Promise.all(stage.writers.map((writer) => writer.stop()));
  const rows = merged(stage.writers);
  result.acknowledged = rows.length;
  const numbers = rows.map(({ n }) => n);
  const asked = lab.members.map(async ({ name }) => {
    const missing = await Promise.all(groups(stage).map((own) => missingRows(memberAddress(lab, name), table, own, 30_000)));
    return missing.flat();
  });
  const missing = new Set((await Promise.all(asked)).flat());
  result.lost = missing.size;
  if (missing.size > 0) result.notes.push(`lost ${[...missing].slice(0, 5).join(', ')} of ${numbers.length}`);
  const turn = alternating(rows);
  result.split = turn !== undefined;
  if (turn !== undefined) result.notes.push(turn);
  result.healthy = recovered;
  if (!recovered) result.failure ??= `the members do not all stream again within ${recoverMs / 1000} s`;
}

/** Each writer's numbers, which lie together. */
function groups(stage: Stage): number[][] {
  return stage.writers.map((writer) => writer.acknowledged.map(({ n }) => n)).filter((own) => own.length > 0);
}

/**
 * Where a server acknowledged although a later one had; undefined: nowhere. What had been asked of it before the later one
 * began may be answered late: a server that is frozen with a commit which its standby has says so when it is thawed, and
 * if that row were not everybody's it would count as lost.
 */
export function alternating(rows: Acknowledged[]): string | undefined {
  const begun = new Map<string, number>();
  let current = '';
  for (const { server = '', asked, at, n } of rows) {
    if (server === current) continue;
    const since = begun.get(current);
    if (begun.has(server)) {
      if (since !== undefined && asked > since && at - since > orderMs)
        return `row ${n} was acknowledged by an earlier server ${Math.round(at - since)} ms after the next one had begun`;
      continue;
    }
    begun.set(server, at);
    current = server;
  }
  return undefined;
}
