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

/** By machine and by what is worse: how it was, and every fault that stands, the latest last. */
const layers = new WeakMap<Machine, Map<string, { value: unknown }[]>>();

/** Makes something of a machine worse for a while; of faults that overlap each ends for itself, in whatever order. */
export function weaken<K extends keyof Machine['weak']>(machine: Machine, key: K, value: Machine['weak'][K]): Undo {
  const all = layers.get(machine) ?? new Map<string, { value: unknown }[]>();
  layers.set(machine, all);
  const stack = all.get(key) ?? [{ value: machine.weak[key] }];
  all.set(key, stack);
  const layer = { value };
  stack.push(layer);
  machine.weak[key] = value;
  return () => {
    stack.splice(stack.indexOf(layer), 1);
    machine.weak[key] = stack.at(-1)?.value as Machine['weak'][K];
  };
}
