/**
 * A scene is a row of the table of faults, played on purpose: who is struck by what and when, counted from the moment
 * at which the cluster is settled, and what has to come of it. The oracles judge it as they judge every seed; what is
 * expected here is what only this row promises: who leads then, after how many changes, and how long writes were away.
 */
import { type DynamicConfig, defaultConfig } from '../../../agent/core/config.ts';
import type { Fault, FaultKind } from '../faults.ts';
import type { Plan } from '../seed.ts';
import type { WorldOptions } from '../world.ts';

/** The primary, and the others by number: who they are is found out when the moment has come. */
export const P = -1;
export const S1 = -2;
export const S2 = -3;

/** When everything of a scene begins, so that clusters have come up. */
export const beginMs = 20_000;

export const minute = 60_000;

/** The longest that fits into a seed, and how long a scene is looked at after its last fault. */
const shortMs = 71_000;
const afterMs = 25_000;

export interface Step {
  /** After the beginning of the scene, in ms. */
  at?: number;
  kind: FaultKind;
  member?: number;
  other?: number;
  lasts?: number;
  amount?: number;
}

export interface Expectation {
  /** Who leads when the scene is over, compared with before; or that very member. */
  leader: 'same' | 'other' | 'any' | typeof S1 | typeof S2;
  /** How many promotions it may take. */
  promotions: readonly [least: number, most: number];
  /** The longest time without an acknowledged commit. */
  outageMs?: number;
  /** Writes are stopped on purpose, for so long at least. */
  stoppedMs?: number;
  /** When nobody leads, and a member tells people what they would have to allow. */
  blockedAt?: number;
}

/** One change of the primary. */
export const other = (outageMs: number): Expectation => ({ leader: 'other', promotions: [1, 1], outageMs });

/** No change at all. */
export const same = (outageMs: number): Expectation => ({ leader: 'same', promotions: [0, 0], outageMs });

export interface Scene {
  /** The row of the table. */
  row: string;
  /** Topology and twist. */
  title: string;
  members?: number;
  mode?: DynamicConfig['sync']['mode'];
  config?: Partial<DynamicConfig>;
  weak?: WorldOptions['weak'];
  rates?: number[];
  steps: Step[];
  /** Until when it is looked at, after its beginning. */
  untilMs?: number;
  expect: Expectation;
}

/** The schedule of a scene that begins then. */
export function faultsOf(scene: Scene, begin: number): Fault[] {
  return scene.steps.map(({ at = 0, kind, member = P, other = S1, lasts = 0, amount = 0.5 }) => {
    return { at: begin + at, kind, member, other, lasts, amount, scene: scene.row };
  });
}

export function configOf(scene: Scene): DynamicConfig {
  const sync = { ...defaultConfig.sync, mode: scene.mode ?? 'quorum' };
  return { ...defaultConfig, sync, ...scene.config };
}

/** Until when a scene is looked at, after its beginning. */
export function endOf({ steps, untilMs }: Scene): number {
  const last = Math.max(0, ...steps.map(({ at = 0, lasts = 0 }) => at + lasts));
  const end = untilMs ?? last + afterMs;
  return last > shortMs ? end : Math.min(shortMs, end);
}

/** It lasts longer than a seed. */
export function isLong(scene: Scene): boolean {
  return endOf(scene) > shortMs;
}

/** A scene as a whole run; the seed is only the dice of the world. */
export function planOfScene(scene: Scene, seed: number): Plan {
  return {
    seed,
    world: {
      seed,
      members: scene.members ?? 3,
      config: configOf(scene),
      networkMs: 1,
      commitMs: 40,
      ...(scene.rates === undefined ? {} : { rates: scene.rates }),
      ...(scene.weak === undefined ? {} : { weak: scene.weak }),
    },
    faults: faultsOf(scene, beginMs),
    ...(isLong(scene) ? { healAtMs: beginMs + endOf(scene) + 1000 } : {}),
  };
}
