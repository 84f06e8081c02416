/** Faults of the API server, of what lies in it, and of the way there. */
import type { LeaseRecord } from '../../agent/core/model.ts';
import type { Apply, Undo } from './fault.ts';
import type { Simulation } from './world.ts';

export const ofTheApi = {
  'API server down': (sim) => weather(sim, 'down'),
  'API server refuses': (sim) => weather(sim, 'errors'),
  'API server slow': (sim) => weather(sim, 'slow'),
  'answers of lease writes lost': (sim, _machine, fault) => {
    sim.kube.lostAnswers = 0.2 + 0.5 * fault.amount;
    return () => {
      sim.kube.lostAnswers = 0;
    };
  },
  'lease writes held up': (sim, machine, fault) => {
    sim.kube.heldUp.set(machine.index, 20_000 * fault.amount);
    return () => void sim.kube.heldUp.delete(machine.index);
  },
  'rights taken away': (sim, machine) => {
    sim.kube.denied.add(machine.index);
    return () => {
      sim.kube.denied.delete(machine.index);
      sim.kube.changedAt = sim.engine.now;
    };
  },
  'watch silent': (sim, machine, fault) => void sim.kube.hush(machine.index, sim.engine.now + Math.min(30_000, fault.lasts)),
  'watch repeats': (sim, machine) => {
    for (let turn = 0; turn < 5; turn += 1) sim.engine.after(turn * 300, () => sim.kube.repeat(machine.index));
    return undefined;
  },
  'watch in disorder': (sim, machine, fault) => {
    sim.kube.disorder(machine.index, sim.engine.now + fault.lasts, 4000 * fault.amount);
    return undefined;
  },
  'watch too old': (sim, machine) => {
    for (let turn = 0; turn < 3; turn += 1) sim.engine.after(turn * 700, () => sim.kube.gone(machine.index));
    return undefined;
  },
  'lease deleted': (sim) => void sim.kube.meddle(undefined),
  'lease deleted as it is taken': (sim) => {
    sim.leaseTaken = () => {
      sim.leaseTaken = undefined;
      sim.kube.meddle(undefined);
    };
    return () => {
      sim.leaseTaken = undefined;
    };
  },
  'lease deleted and put back': (sim) => {
    sim.kube.meddle(undefined);
    return () => sim.kube.restore();
  },
  'lease damaged': (sim) =>
    meddled(sim, { entries: [], promoting: undefined, garbage: `the annotation is no JSON (${sim.engine.now})` }),
  'lease given away': (sim) => meddled(sim, { holder: 'somebody-else/uid/1' }),
} satisfies Record<string, Apply>;

function meddled(sim: Simulation, part: Partial<LeaseRecord>): Undo {
  const { lease } = sim.kube;
  if (lease === undefined || lease.garbage !== undefined) return undefined;
  sim.kube.meddle({ ...lease, ...part });
  if (part.garbage === undefined) return undefined;
  // Where nobody leads who knows what it said, a person writes it again.
  return () => {
    const now = sim.kube.lease;
    // What was damaged once more meanwhile said something later.
    if (now?.garbage === part.garbage && now !== undefined) sim.kube.meddle({ ...lease, holder: now.holder, term: now.term });
  };
}

function weather(sim: Simulation, what: Simulation['kube']['weather']): Undo {
  sim.kube.weather = what;
  return () => {
    sim.kube.weather = 'fine';
  };
}
