/**
 * A person who is called when the cluster cannot go on by itself: does what the blocked member tells, allows the loss, and
 * fences those of whom nothing proves that they have ended. After that the cluster has to come back by itself (L10).
 */
import { fence, unmarkAll } from './byhand.ts';
import type { Machine } from './model.ts';
import type { Simulation } from './world.ts';

const answeredMs = 30_000;

/** Goes on until the cluster is whole again; `withinMs` is how long that may take. */
export function askPerson(sim: Simulation, withinMs: number, stateOf: (sim: Simulation) => string): void {
  const { counters, engine, kube, machines, oracle } = sim;
  const told = machines.find(
    ({ agent, shown, server }) => agent !== undefined && shown?.blocked !== undefined && server.data !== undefined,
  );
  counters.count('run', told === undefined ? 'left to a person' : 'a person decides');
  if (told === undefined) return;
  const until = (ms: number, done: () => boolean): void => {
    const end = engine.now + ms;
    while (!engine.stopped && engine.now < end && !done()) engine.run(engine.now + 500);
  };
  askFor(sim, told);
  until(answeredMs, () => sim.settled());
  if (kube.request?.phase === 'refused') {
    for (const machine of machines) if (machine !== told) fence(sim, machine);
    until(10_000, () => false);
    askFor(sim, told);
    until(answeredMs, () => told.server.role === 'Primary');
    unmarkAll(sim);
  }
  until(withinMs, () => sim.settled());
  if (engine.stopped || sim.settled()) return;
  const { phase, result } = kube.request ?? {};
  oracle.fail('L10', `${told.name} was told to take over (${phase}: ${result}), and nothing came of it: ${stateOf(sim)}`);
}

function askFor(sim: Simulation, told: Machine): void {
  const dead = sim.machines.filter((machine) => machine !== told).map(({ name }) => name);
  sim.kube.ask({ kind: 'failover', target: told.name, options: { allowDataLoss: 'true', dead: dead.join() } });
}
