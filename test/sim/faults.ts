/**
 * The kinds of fault, each with its undoing. A schedule names kinds, members and times; who the primary is, is found out
 * when the moment has come. Everything is undone at the end, so that liveness can be asked for.
 */
import type { Machine } from './model.ts';
import { freeze } from './process.ts';
import { copyOf, kill } from './server.ts';
import { resume } from './stream.ts';
import type { Simulation } from './world.ts';

export interface Fault {
  at: number;
  kind: FaultKind;
  /** A member's number, or -1 for whoever is primary then. */
  member: number;
  /** Another member, for what happens between two. */
  other: number;
  lasts: number;
  amount: number;
}

type Undo = (() => void) | undefined;
type Apply = (sim: Simulation, machine: Machine, fault: Fault) => Undo;

function others(sim: Simulation, machine: Machine): Machine[] {
  return sim.machines.filter((one) => one !== machine);
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

/** Makes something of a machine worse for a while. */
function weaken<K extends keyof Machine['weak']>(machine: Machine, key: K, value: Machine['weak'][K]): Undo {
  const before = machine.weak[key];
  machine.weak[key] = value;
  return () => {
    machine.weak[key] = before;
  };
}

const kinds = {
  'server killed': (sim, machine) => void kill(sim, machine.server),
  'primary dies with a standby behind': (sim, machine, fault) => {
    const behind = others(sim, machine)[Math.floor(fault.amount * 17) % (sim.machines.length - 1)];
    if (behind === undefined) return undefined;
    sim.network.trouble(behind.index, 400, 0);
    for (let turn = 1; turn < 8; turn += 1) sim.engine.after(turn * 4, sim.commitNow);
    sim.engine.after(40, () => (fault.amount < 0.5 ? kill(sim, machine.server) : sim.lives.killContainer(machine)));
    sim.engine.after(80, () => sim.network.trouble(behind.index, 0, 0));
    return undefined;
  },
  'server killed again and again': (sim, machine, fault) => {
    for (let turn = 0; turn < 4; turn += 1) sim.engine.after(turn * (200 + fault.amount * 1500), () => kill(sim, machine.server));
    return undefined;
  },
  'server frozen': (sim, machine) => freeze(sim.engine, [machine.server.proc]),
  'agent killed': (sim, machine) => void sim.lives.crashAgent(machine),
  'agent killed at a call': (_sim, machine, fault) => {
    machine.crashIn = {
      calls: 1 + Math.floor(fault.amount * 40),
      port: undefined,
      phase: (fault.amount * 1000) % 2 < 1 ? 'before' : 'after',
    };
    return undefined;
  },
  'agent killed at a write': (_sim, machine, fault) => {
    const ports = [
      'kube.writeLease',
      'records.save',
      'instance.p',
      'instance.kill',
      'peers.freeze',
      'instance.setSync',
      'instance.start',
    ];
    const port = ports[Math.floor(fault.amount * 997) % ports.length];
    machine.crashIn = {
      calls: 1 + Math.floor(fault.amount * 3),
      port,
      phase: (fault.amount * 1000) % 2 < 1 ? 'before' : 'after',
    };
    return undefined;
  },
  'agent frozen': (sim, machine) => freeze(sim.engine, [machine.agent?.proc]),
  'PID 1 frozen': (sim, machine) => freeze(sim.engine, [machine.pid1]),
  'pod frozen': (sim, machine) => sim.lives.freezePod(machine),
  'container killed': (sim, machine) => void sim.lives.killContainer(machine),
  'node without power': (sim, machine) => {
    sim.lives.powerOff(machine);
    return () => sim.lives.powerOn(machine);
  },
  'volume lost': (sim, machine) => {
    // The promise is about one member; a second volume would be a second one.
    if (sim.volumeLost) return undefined;
    sim.volumeLost = true;
    sim.lives.killContainer(machine);
    machine.server.data = undefined;
    machine.server.work += 1;
    machine.records = { granted: 0, freeze: undefined, build: undefined, fresh: true };
    return undefined;
  },
  'volume exchanged': (sim, machine, fault) => {
    // A copy of a standby's data, made a while ago and brought up as somebody's own: no volume that this member ever had.
    const source = others(sim, machine)[Math.floor(fault.amount * 19) % (sim.machines.length - 1)]?.server.data;
    if (sim.volumeLost || source === undefined || source.unfinished !== undefined || machine.server.role !== 'Primary')
      return undefined;
    sim.volumeLost = true;
    const copy = copyOf(source, sim.oracle.freshData(), 0);
    sim.engine.after(2000, () => {
      sim.lives.killContainer(machine);
      machine.server.data = copy;
      machine.server.work += 1;
      machine.records = { granted: 0, freeze: undefined, build: undefined, fresh: true };
    });
    return undefined;
  },
  'every node without power': (sim, _machine, fault) => {
    for (const machine of sim.machines) sim.lives.powerOff(machine);
    for (const [at, machine] of sim.machines.entries())
      sim.engine.after(fault.lasts * (0.3 + ((fault.amount * (at + 7) * 13) % 1)), () => sim.lives.powerOn(machine));
    return () => {
      for (const machine of sim.machines) sim.lives.powerOn(machine);
    };
  },
  'pod deleted': (sim, machine) => void sim.lives.deletePod(machine),
  'pod deleted by force': (sim, machine) => void sim.lives.forceDelete(machine),
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
    const until = sim.engine.now + fault.lasts;
    let on = false;
    const flap = (): void => {
      on = !on && sim.engine.now < until;
      for (const [from, to] of pairs) sim.network.cut(from, to, on);
      if (!on) resume(sim);
      if (sim.engine.now < until) sim.engine.after(500 + fault.amount * 1500, flap);
    };
    flap();
    return undefined;
  },
  'bad network': (sim, machine, fault) => {
    sim.network.trouble(machine.index, 600 * fault.amount, 0.3 * fault.amount);
    return () => {
      sim.network.trouble(machine.index, 0, 0);
      resume(sim);
    };
  },
  'API server down': (sim) => weather(sim, 'down'),
  'API server refuses': (sim) => weather(sim, 'errors'),
  'API server slow': (sim) => weather(sim, 'slow'),
  'answers of lease writes lost': (sim, _machine, fault) => {
    sim.kube.lostAnswers = 0.2 + 0.5 * fault.amount;
    return () => {
      sim.kube.lostAnswers = 0;
    };
  },
  'rights taken away': (sim, machine) => {
    sim.kube.denied.add(machine.index);
    return () => void sim.kube.denied.delete(machine.index);
  },
  'watch silent': (sim, machine, fault) => void sim.kube.hush(machine.index, sim.engine.now + Math.min(30_000, fault.lasts)),
  'watch repeats': (sim, machine) => {
    for (let turn = 0; turn < 5; turn += 1) sim.engine.after(turn * 300, () => sim.kube.repeat(machine.index));
    return undefined;
  },
  'lease deleted': (sim) => void sim.kube.meddle(undefined),
  'records cannot be written': (_sim, machine) => weaken(machine, 'saveFails', true),
  'disk stuck': (sim, machine, fault) => {
    machine.weak.diskStuckUntil = sim.engine.now + fault.lasts;
    const go = freeze(sim.engine, [machine.server.proc]);
    return () => {
      machine.weak.diskStuckUntil = 0;
      go();
    };
  },
  'server does not start': (_sim, machine) => weaken(machine, 'startFails', true),
  'promotion slow': (sim, _machine, fault) => everywhere(sim, 'promotionMs', 200 + 9000 * fault.amount),
  'promotion requests lost': (sim) => everywhere(sim, 'promotionLost', 0.8),
  'processes die slowly': (_sim, machine, fault) => weaken(machine, 'reapMs', 4000 * fault.amount),
  'stops take long': (_sim, machine, fault) => weaken(machine, 'stopMs', 25_000 * fault.amount),
  'redo behind': (sim, machine, fault) => {
    machine.server.slowRedoUntil = sim.engine.now + fault.lasts;
    return undefined;
  },
  'SQL breaks': (_sim, machine, fault) => weaken(machine, 'sqlFails', 0.1 + 0.5 * fault.amount),
  'wall clock jumps': (_sim, machine, fault) => {
    machine.clock.wallOffset += (fault.amount - 0.5) * 7_200_000;
    return undefined;
  },
  'switchover asked for': (sim, machine, fault) => {
    const target = fault.other === machine.index ? undefined : sim.machines[fault.other]?.name;
    sim.kube.ask({ kind: 'switchover', target, options: {} });
    return undefined;
  },
  'mode edited': (sim, _machine, fault) => {
    const mode = (['quorum', 'strict', 'off'] as const)[Math.floor(fault.amount * 3)] ?? 'quorum';
    sim.edit({ ...sim.config, sync: { ...sim.config.sync, mode } });
    return () => sim.edit(sim.config);
  },
  'acks edited': (sim, _machine, fault) => {
    const acks = 1 + Math.floor(fault.amount * (sim.machines.length - 1));
    sim.edit({ ...sim.config, sync: { ...sim.config.sync, acks } });
    return () => sim.edit(sim.config);
  },
  'lease settings edited': (sim, _machine, fault) => {
    const lease =
      fault.amount < 0.5
        ? { durationSeconds: 15, renewSeconds: 2, fenceSeconds: 11, stopSeconds: 1, requestTimeoutSeconds: 1 }
        : { durationSeconds: 7, renewSeconds: 1.5, fenceSeconds: 5, stopSeconds: 1, requestTimeoutSeconds: 0.7 };
    sim.edit({ ...sim.config, lease });
    return () => sim.edit(sim.config);
  },
  paused: (sim) => {
    sim.edit({ ...sim.config, paused: true });
    return () => sim.edit(sim.config);
  },
} satisfies Record<string, Apply>;

export type FaultKind = keyof typeof kinds;

export const faultKinds = Object.keys(kinds) as FaultKind[];

function weather(sim: Simulation, what: Simulation['kube']['weather']): Undo {
  sim.kube.weather = what;
  return () => {
    sim.kube.weather = 'fine';
  };
}

function everywhere<K extends keyof Machine['weak']>(sim: Simulation, key: K, value: Machine['weak'][K]): Undo {
  const undos = sim.machines.map((machine) => weaken(machine, key, value));
  return () => {
    for (const undo of undos) undo?.();
  };
}

/** Lets the fault happen now; its end is scheduled. Clients commit at the very moment, so that something is under way. */
export function strike(sim: Simulation, fault: Fault): void {
  const machine = fault.member < 0 ? (sim.primaries()[0] ?? sim.machines[0]) : sim.machines[fault.member];
  if (machine === undefined) return;
  sim.counters.count('fault', fault.kind);
  sim.tell?.('fault', `${fault.kind}: ${machine.name}${fault.lasts > 0 ? ` for ${(fault.lasts / 1000).toFixed(1)} s` : ''}`);
  sim.commitNow();
  sim.engine.after(fault.amount * 3, () => {
    const undo = (kinds[fault.kind] as Apply)(sim, machine, fault);
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
  sim.kube.denied.clear();
  sim.edit(sim.config);
  sim.engine.after(12_000, () => sim.kube.restore());
  for (const machine of sim.machines) {
    Object.assign(machine.weak, sim.healthy);
    machine.crashIn = undefined;
    machine.server.slowRedoUntil = 0;
    sim.lives.powerOn(machine);
  }
}
