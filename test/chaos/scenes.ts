/**
 * The scenes: each names its rows of the fault table, what is done to a cluster of three under load, what must hold,
 * and the longest write outage that the table allows. `pending` names what has to exist before its promise can be kept;
 * it is played all the same and counted apart.
 */
import type { Stage } from './stage.ts';
import { combinations } from './combinations.ts';
import { networkScenes } from './network.ts';
import { processScenes } from './processes.ts';
import { takeoverScenes } from './takeovers.ts';

/** The cluster's sync.mode. */
export type Mode = 'quorum' | 'strict';

export interface Scene {
  name: string;
  /** Rows of the fault table, e.g. F1. */
  rows: string[];
  title: string;
  /** Longest time without an acknowledged row; undefined where the table names none. */
  boundMs?: number;
  /** What the promise still waits for. */
  pending?: string;
  /** Members that the scene takes at least; three where it says nothing. */
  members?: number;
  play(stage: Stage): Promise<void>;
}

/** Every scene, in the order of the table. */
export const scenes: Scene[] = [...processScenes, ...networkScenes, ...takeoverScenes, ...combinations];

/** Rows that issue and table ask for, and that need another clock than this machine's. */
export const elsewhere: Record<string, string> = {
  F8: 'clock jumps are the simulator’s',
};

/** The rows that are to be shown with real processes. */
export const wantedRows = [
  ...['F1', 'F2', 'F3', 'F4', 'F5', 'F6', 'F7', 'F8', 'F9', 'F11', 'F12', 'F13', 'F21', 'F22', 'F24', 'F25', 'F26', 'F27'],
  ...['F29', 'F30', 'F31', 'F32', 'F33', 'F34', 'F35', 'F39', 'F40', 'F41', 'F42', 'F43', 'F48', 'F49', 'F52', 'F53'],
];
