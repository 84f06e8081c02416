/** Worlds that are doctored in one place at one moment, for those who ask which oracle speaks then. */
import { defaultConfig } from '../../agent/core/config.ts';
import type { Machine } from './model.ts';
import type { Violation } from './oracle.ts';
import { type Plan, runPlan } from './seed.ts';
import type { Simulation } from './world.ts';

/** When it is doctored: the cluster has come up by then. */
export const at = 30_000;

export interface Doctored {
  title: string;
  invariant: string;
  doctor(sim: Simulation, primary: Machine, standbys: Machine[]): void;
  plan?: Partial<Plan>;
  mode?: 'quorum' | 'off';
}

/** What was heard first. */
export function heardOf({ doctor, plan, mode = 'quorum' }: Doctored): Promise<Violation | undefined> {
  const config = { ...defaultConfig, sync: { ...defaultConfig.sync, mode } };
  return new Promise((resolve, reject) => {
    let came = false;
    const run = (sim: Simulation): void => {
      const [primary] = sim.primaries();
      if (primary === undefined || !sim.settled()) return;
      came = true;
      doctor(
        sim,
        primary,
        sim.machines.filter((one) => one !== primary),
      );
    };
    // The engine wants to be called outside of any promise.
    setImmediate(() => {
      const whole = { seed: 3, world: { seed: 3, members: 3, config }, faults: [], ...plan };
      const { violation } = runPlan(whole, { watch: [{ at, run }] });
      if (came) resolve(violation);
      else reject(new Error('the cluster has not come up'));
    });
  });
}
