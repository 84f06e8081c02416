/** Deaths that are more than one kill: at a certain step, for long, again and again, or with somebody behind. */
import { reinit } from './byhand.ts';
import { type Apply, others, type Undo } from './fault.ts';
import type { Machine, Takes } from './model.ts';
import { end, kill, startServer } from './server.ts';

/** Steps of a take-over before or after which somebody may die. */
export const deadlySteps = [
  'kube.writeLease',
  'records.save',
  'instance.p',
  'instance.kill',
  'peers.freeze',
  'instance.setSync',
  'instance.start',
  'kube.patchPod',
  'instance.writeTerm',
] as const;

function atWrite(machine: Machine, amount: number, takes: Takes): Undo {
  const phase = (amount * 1000) % 2 < 1 ? 'before' : 'after';
  machine.crashIn = { calls: 1, port: deadlySteps[Math.floor(amount * 997) % deadlySteps.length], phase, takes };
  return () => {
    machine.crashIn = undefined;
  };
}

export const deaths = {
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
  'primary dies as a build begins': (sim, machine, fault) => {
    const target = others(sim, machine)[Math.floor(fault.amount * 17) % (sim.machines.length - 1)];
    if (target === undefined) return undefined;
    reinit(sim, machine, target);
    sim.buildBegun = () => {
      sim.buildBegun = undefined;
      const primary = sim.primaries()[0];
      if (primary !== undefined) sim.engine.after(fault.amount * 20, () => kill(sim, primary.server));
    };
    return () => {
      sim.buildBegun = undefined;
    };
  },
  'server killed again and again': (sim, machine, fault) => {
    for (let turn = 0; turn < 4; turn += 1) sim.engine.after(turn * (200 + fault.amount * 1500), () => kill(sim, machine.server));
    return undefined;
  },
  'server killed and does not start': (sim, machine) => {
    const before = machine.weak.startFails;
    machine.weak.startFails = true;
    kill(sim, machine.server);
    return () => {
      machine.weak.startFails = before;
    };
  },
  'server started by hand as primary': (sim, machine) => {
    const { server } = machine;
    // With no standby to wait for it would acknowledge at once: nothing but people can prevent that.
    if (server.data === undefined || server.need === 0 || server.role === 'Primary') return undefined;
    // And before it has been succeeded nothing has been taken away from it yet.
    if (!sim.primaries().some((one) => one.server.term > (server.data?.promotedTerm ?? 0))) return undefined;
    if (server.process !== undefined) end(sim, server);
    if (server.data.unfinished !== undefined || machine.weak.startFails) return undefined;
    startServer(sim, server, 'pending', 'person');
    server.role = 'Primary';
    server.term = server.data.promotedTerm;
    return undefined;
  },
  'agent killed': (sim, machine) => void sim.lives.crashAgent(machine),
  'agent killed at a call': (_sim, machine, fault) => {
    const phase = (fault.amount * 1000) % 2 < 1 ? 'before' : 'after';
    machine.crashIn = { calls: 1 + Math.floor(fault.amount * 40), port: undefined, phase, takes: 'agent' };
    return undefined;
  },
  'agent killed at a write': (_sim, machine, fault) => {
    const phase = (fault.amount * 1000) % 2 < 1 ? 'before' : 'after';
    const port = deadlySteps[Math.floor(fault.amount * 997) % deadlySteps.length];
    machine.crashIn = { calls: 1 + Math.floor(fault.amount * 3), port, phase, takes: 'agent' };
    return undefined;
  },
  'agent stands still before its swap': (_sim, machine, fault) => {
    machine.crashIn = { calls: 1, port: 'kube.writeLease', phase: 'before', takes: 'stall', stallMs: fault.amount * 10_000 };
    return () => {
      machine.crashIn = undefined;
    };
  },
  'container killed at a write': (_sim, machine, fault) => atWrite(machine, fault.amount, 'container'),
  'server killed at a write': (_sim, machine, fault) => atWrite(machine, fault.amount, 'server'),
  'node lost at a write': (_sim, machine, fault) => atWrite(machine, fault.amount, 'node'),
  'container killed': (sim, machine) => void sim.lives.killContainer(machine),
  'container killed for long': (sim, machine, fault) => void sim.lives.killContainer(machine, fault.lasts),
  'node without power': (sim, machine) => {
    sim.lives.powerOff(machine);
    return () => sim.lives.powerOn(machine);
  },
  'node declared off': (sim, machine, fault) => {
    const { declaredOff } = sim.kube;
    sim.lives.powerOff(machine);
    sim.engine.after(fault.amount * 4000, () => void (machine.powered || declaredOff.add(machine.index)));
    return () => {
      sim.lives.powerOn(machine);
      // People take the taint off some time after the machine is back.
      sim.engine.after(fault.amount * 60_000, () => void declaredOff.delete(machine.index));
    };
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
  'member scaled in': (sim, machine) => {
    sim.lives.scaleIn(machine);
    return () => sim.lives.scaleOut(machine);
  },
} satisfies Record<string, Apply>;
