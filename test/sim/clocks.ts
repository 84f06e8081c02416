/**
 * Clocks that go wrong while a cluster runs (S21): they are set, they change their rate within the bound, or run far beyond it. Beyond
 * it, what rests on time alone is void: mode off may have two writers then, and the oracles account for it.
 */
import type { Apply, Undo } from './fault.ts';
import type { Machine } from './model.ts';
import { rateBound } from './process.ts';
import type { Simulation } from './world.ts';

/** The clock goes on from where it is, at another rate. */
function setRate(sim: Simulation, machine: Machine, rate: number): void {
  const { clock } = machine;
  clock.offset += sim.engine.now * (clock.rate - rate);
  if (Math.abs(clock.rate - 1) > rateBound) clock.wildUntil = sim.engine.now;
  clock.rate = rate;
  sim.lives.fenceAgain(machine);
}

function runAt(sim: Simulation, machine: Machine, rate: number): Undo {
  const before = machine.clock.rate;
  setRate(sim, machine, rate);
  return () => setRate(sim, machine, before);
}

export const clocks = {
  'wall clock jumps': (_sim, machine, fault) => {
    machine.clock.wallOffset += (fault.amount - 0.5) * 7_200_000;
    return undefined;
  },
  'clock changes its rate': (sim, machine, fault) => runAt(sim, machine, 1 + (fault.amount - 0.5) * 1.8 * rateBound),
  'clock runs far beyond the bound': (sim, machine, fault) =>
    runAt(sim, machine, fault.amount < 0.5 ? 0.7 + 0.4 * fault.amount : 1 + 0.4 * fault.amount),
} satisfies Record<string, Apply>;
