/**
 * The kinds of fault, each with its undoing. A schedule names kinds, members and times; who the primary is, is found out
 * when the moment has come. Everything is undone at the end, so that liveness can be asked for.
 */
import { ofTheApi } from './apifaults.ts';
import { byHand, unmarkAll } from './byhand.ts';
import { clocks } from './clocks.ts';
import { deaths } from './deaths.ts';
import { type Apply, others, type Strike, type Undo, weaken } from './fault.ts';
import type { Machine } from './model.ts';
import { freeze } from './process.ts';
import { resume } from './stream.ts';
import { volumes } from './volumes.ts';
import type { Simulation } from './world.ts';

export interface Fault extends Strike {
  kind: FaultKind;
  /** The row of the table that it plays a part in. */
  scene?: string;
}

function cut(sim: Simulation, pairs: [number, number][]): Undo {
  for (const [from, to] of pairs) sim.network.cut(from, to, true);
  return () => {
    for (const [from, to] of pairs) sim.network.cut(from, to, false);
    resume(sim);
  };
}

const both = (a: number, b: number): [number, number][] => [
  [a, b],
  [b, a],
];

const kinds = {
  ...deaths,
  ...ofTheApi,
  ...byHand,
  ...clocks,
  ...volumes,
  'server frozen': (sim, machine) => freeze(sim.engine, [machine.server.proc]),
  'agent frozen': (sim, machine) => freeze(sim.engine, [machine.agent?.proc]),
  'PID 1 frozen': (sim, machine) => freeze(sim.engine, [machine.pid1]),
  'pod frozen': (sim, machine) => sim.lives.freezePod(machine),
  'machine suspended': (sim, machine) => {
    const since = sim.engine.now;
    const go = sim.lives.freezePod(machine);
    return () => {
      // Boot time has gone on, and the other clock of the machine has not.
      machine.clock.suspended += (sim.engine.now - since) * machine.clock.rate;
      go();
    };
  },
  'cut from everything': (sim, machine) =>
    cut(
      sim,
      [sim.network.kube, ...others(sim, machine).map((one) => one.index)].flatMap((to) => both(machine.index, to)),
    ),
  'cut from the API server': (sim, machine) => cut(sim, both(machine.index, sim.network.kube)),
  'cut from the members': (sim, machine) =>
    cut(
      sim,
      others(sim, machine).flatMap((one) => both(machine.index, one.index)),
    ),
  'cut from one member': (sim, machine, fault) =>
    fault.other === machine.index ? undefined : cut(sim, both(machine.index, fault.other)),
  'deaf to the members': (sim, machine) =>
    cut(
      sim,
      others(sim, machine).map((one): [number, number] => [one.index, machine.index]),
    ),
  'mute to the members': (sim, machine) =>
    cut(
      sim,
      others(sim, machine).map((one): [number, number] => [machine.index, one.index]),
    ),
  'mute to the API server': (sim, machine) => cut(sim, [[machine.index, sim.network.kube]]),
  'deaf to the API server': (sim, machine) => cut(sim, [[sim.network.kube, machine.index]]),
  'flapping network': (sim, machine, fault) => {
    const pairs = [sim.network.kube, ...others(sim, machine).map((one) => one.index)].flatMap((to) => both(machine.index, to));
    let on = false;
    let over = false;
    const turn = (): void => {
      on = !on && !over;
      for (const [from, to] of pairs) sim.network.cut(from, to, on);
      if (!on) resume(sim);
    };
    const flap = (): void => {
      if (over) return;
      turn();
      sim.engine.after(500 + fault.amount * 1500, flap);
    };
    flap();
    return () => {
      over = true;
      if (on) turn();
    };
  },
  'bad network': (sim, machine, fault) => {
    sim.network.trouble(machine.index, 600 * fault.amount, 0.3 * fault.amount);
    return () => {
      sim.network.trouble(machine.index, 0, 0);
      resume(sim);
    };
  },
  'clients away': (sim, _machine, fault) => {
    sim.quietUntil = sim.engine.now + fault.lasts;
    return () => {
      sim.quietUntil = 0;
    };
  },
  'server does not start': (_sim, machine) => weaken(machine, 'startFails', true),
  'promotion slow': (sim, _machine, fault) => everywhere(sim, 'promotionMs', 200 + 9000 * fault.amount),
  'promotion requests lost': (sim) => everywhere(sim, 'promotionLost', 0.8),
  'processes die slowly': (_sim, machine, fault) => weaken(machine, 'reapMs', 4000 * fault.amount),
  'server does not die': (_sim, machine, fault) => weaken(machine, 'reapMs', fault.lasts),
  'stops take long': (_sim, machine, fault) => weaken(machine, 'stopMs', 25_000 * fault.amount),
  'redo behind': (sim, machine, fault) => {
    machine.server.slowRedoUntil = sim.engine.now + fault.lasts;
    return undefined;
  },
  'SQL breaks': (_sim, machine, fault) => weaken(machine, 'sqlFails', 0.1 + 0.5 * fault.amount),
} satisfies Record<string, Apply>;

export type FaultKind = keyof typeof kinds;

export const faultKinds = Object.keys(kinds) as FaultKind[];

function everywhere<K extends keyof Machine['weak']>(sim: Simulation, key: K, value: Machine['weak'][K]): Undo {
  const undos = sim.machines.map((machine) => weaken(machine, key, value));
  return () => {
    for (const undo of undos) undo?.();
  };
}

/** A member by number; -1 is whoever is primary then. In a scene -1, -2, … are the same members to its end. */
function whom(sim: Simulation, fault: Fault, member: number): Machine | undefined {
  if (member >= 0) return sim.machines[member];
  const primary = sim.primaries()[0] ?? sim.machines[0];
  if (fault.scene === undefined || primary === undefined) return primary;
  sim.cast ??= [primary, ...others(sim, primary)];
  return sim.cast[-1 - member];
}

/** Lets the fault happen now; its end is scheduled. Clients commit at the very moment, so that something is under way. */
export function strike(sim: Simulation, fault: Fault): void {
  const machine = whom(sim, fault, fault.member);
  if (machine === undefined) return;
  const other = whom(sim, fault, fault.other)?.index ?? machine.index;
  sim.counters.count('fault', fault.kind);
  if (fault.scene !== undefined) sim.counters.count('scene', fault.scene);
  sim.tell?.('fault', `${fault.kind}: ${machine.name}${fault.lasts > 0 ? ` for ${(fault.lasts / 1000).toFixed(1)} s` : ''}`);
  sim.commitNow();
  sim.engine.after(fault.amount * 3, () => {
    const undo = (kinds[fault.kind] as Apply)(sim, machine, { ...fault, other });
    if (undo === undefined) return;
    const over = (): void => {
      if (!sim.standing.delete(over)) return;
      sim.tell?.('fault', `over: ${fault.kind}: ${machine.name}`);
      undo();
    };
    sim.standing.add(over);
    sim.engine.after(fault.lasts, over);
  });
}

/** Everything that still stands is undone, whatever the schedule says. */
export function healAll(sim: Simulation): void {
  sim.tell?.('fault', 'everything is healed');
  for (const over of [...sim.standing]) over();
  sim.network.heal();
  resume(sim);
  sim.kube.weather = 'fine';
  sim.kube.lostAnswers = 0;
  sim.kube.heldUp.clear();
  sim.kube.denied.clear();
  sim.edit(sim.config);
  unmarkAll(sim);
  sim.engine.after(12_000, () => sim.kube.restore());
  for (const machine of sim.machines) {
    Object.assign(machine.weak, sim.healthy);
    machine.crashIn = undefined;
    machine.server.slowRedoUntil = 0;
    sim.lives.powerOn(machine);
  }
}
