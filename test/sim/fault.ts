/** What a fault is, for those that list kinds of them. */
import type { Machine } from './model.ts';
import type { Simulation } from './world.ts';

/** When a fault strikes, whom, and how hard; its kind says what it is. */
export interface Strike {
  at: number;
  /** A member's number, or -1 for whoever is primary then. */
  member: number;
  /** Another member, for what happens between two. */
  other: number;
  lasts: number;
  amount: number;
}

export type Undo = (() => void) | undefined;
export type Apply = (sim: Simulation, machine: Machine, fault: Strike) => Undo;

export function others(sim: Simulation, machine: Machine): Machine[] {
  return sim.machines.filter((one) => one !== machine);
}

/** Makes something of a machine worse for a while. */
export function weaken<K extends keyof Machine['weak']>(machine: Machine, key: K, value: Machine['weak'][K]): Undo {
  const before = machine.weak[key];
  machine.weak[key] = value;
  return () => {
    machine.weak[key] = before;
  };
}
