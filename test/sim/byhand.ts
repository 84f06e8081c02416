/**
 * What people do, as faults: they ask for a change of the primary at the worst moment, fence and pause members, edit
 * the configuration, and accept data loss when they are told of it. They keep to the manual: only a member that has no
 * power is called dead.
 */
import { fencedAnnotation, neverPrimaryAnnotation, pausedAnnotation } from '../../agent/core/hand.ts';
import type { Request } from '../../agent/core/model.ts';
import { type Apply, others, type Strike, type Undo } from './fault.ts';
import { nonsense } from './machine.ts';
import type { Machine } from './model.ts';
import { wallTime } from './process.ts';
import type { Simulation } from './world.ts';

const deadlineMs = 30_000;

/** One request, unless another one is still under way: agent's commands refuse a second one. */
function ask(sim: Simulation, machine: Machine, request: Pick<Request, 'kind' | 'target' | 'options'>): void {
  const { phase } = sim.kube.request ?? {};
  if (phase === 'open' || phase === 'running') return;
  const wall = Date.parse(wallTime(sim.engine, machine.clock));
  sim.kube.ask(request, new Date(wall + deadlineMs).toISOString());
}

/** A member is to be built anew. */
export function reinit(sim: Simulation, machine: Machine, target: Machine): void {
  ask(sim, machine, { kind: 'reinit', target: target.name, options: {} });
}

function targetOf(sim: Simulation, machine: Machine, fault: Strike): Machine | undefined {
  return fault.other === machine.index ? others(sim, machine)[0] : sim.machines[fault.other];
}

function annotate(sim: Simulation, machine: Machine, key: string, value: string | undefined): void {
  const pod = sim.kube.pods.get(machine.name);
  if (pod === undefined) return;
  const { [key]: _before, ...annotations } = pod.annotations;
  sim.kube.setPod({ ...pod, annotations: value === undefined ? annotations : { ...annotations, [key]: value } });
}

function marked(sim: Simulation, machine: Machine, key: string): Undo {
  annotate(sim, machine, key, 'true');
  return () => annotate(sim, machine, key, undefined);
}

/** What people put on a pod so that its member does not lead. */
export const marks = [fencedAnnotation, pausedAnnotation, neverPrimaryAnnotation];

export const byHand = {
  'switchover asked for': (sim, machine, fault) => {
    const target = fault.other === machine.index ? undefined : sim.machines[fault.other]?.name;
    ask(sim, machine, { kind: 'switchover', target, options: {} });
    return undefined;
  },
  'failover asked for': (sim, machine, fault) => {
    const target = targetOf(sim, machine, fault)?.name;
    ask(sim, machine, { kind: 'failover', target, options: {} });
    return undefined;
  },
  'failover asked for, loss allowed': (sim, machine, fault) => {
    const dead = sim.machines.filter((one) => !one.powered).map((one) => one.name);
    const options = { allowDataLoss: 'true', ...(dead.length > 0 ? { dead: dead.join() } : {}) };
    ask(sim, machine, { kind: 'failover', target: targetOf(sim, machine, fault)?.name, options });
    return undefined;
  },
  'primary dies and loss is allowed': (sim, machine, fault) => {
    // The others are away for a while, so that votes are missing; one of them is asked to take over what it has.
    const target = targetOf(sim, machine, fault);
    for (const one of sim.machines) if (one !== target) sim.lives.powerOff(one);
    sim.engine.after(9000 + fault.amount * 4000, () => {
      const dead = sim.machines.filter((one) => !one.powered).map((one) => one.name);
      const options = { allowDataLoss: 'true', ...(dead.length > 0 ? { dead: dead.join() } : {}) };
      ask(sim, machine, { kind: 'failover', target: target?.name, options });
    });
    return () => {
      for (const one of sim.machines) sim.lives.powerOn(one);
    };
  },
  'restart asked for': (sim, machine) => void ask(sim, machine, { kind: 'restart', target: machine.name, options: {} }),
  'reinit asked for': (sim, machine, fault) => {
    const target = targetOf(sim, machine, fault)?.name;
    if (target !== undefined) ask(sim, machine, { kind: 'reinit', target, options: {} });
    return undefined;
  },
  'member fenced': (sim, machine) => marked(sim, machine, fencedAnnotation),
  'member paused': (sim, machine) => marked(sim, machine, pausedAnnotation),
  'member never primary': (sim, machine) => marked(sim, machine, neverPrimaryAnnotation),
  paused: (sim) => edited(sim, { paused: true }),
  'failover by hand only': (sim) => edited(sim, { failover: 'manual' }),
  'mode edited': (sim, _machine, fault) => {
    const mode = (['quorum', 'strict', 'off'] as const)[Math.floor(fault.amount * 3)] ?? 'quorum';
    return edited(sim, { sync: { ...sim.config.sync, mode } });
  },
  'configuration made nonsense': (sim) => {
    sim.kube.setConfig(nonsense);
    return () => sim.edit(sim.config);
  },
  'acks edited': (sim, _machine, fault) => {
    const acks = Math.max(1, 1 + Math.floor(fault.amount * (sim.machines.length - 1)));
    return edited(sim, { sync: { ...sim.config.sync, acks } });
  },
  'lease settings edited': (sim, _machine, fault) => {
    const lease =
      fault.amount < 0.5
        ? { durationSeconds: 15, renewSeconds: 2, fenceSeconds: 11, stopSeconds: 1, requestTimeoutSeconds: 1 }
        : { durationSeconds: 7, renewSeconds: 1.5, fenceSeconds: 5, stopSeconds: 1, requestTimeoutSeconds: 0.7 };
    return edited(sim, { lease });
  },
} satisfies Record<string, Apply>;

/** Another configuration for a while. */
function edited(sim: Simulation, part: Partial<Simulation['config']>): Undo {
  sim.edit({ ...sim.config, ...part });
  return () => sim.edit(sim.config);
}

/** Until the marks are taken away. */
export function fence(sim: Simulation, machine: Machine): void {
  annotate(sim, machine, fencedAnnotation, 'true');
}

/** Marks that people have left on pods go with the end of the faults. */
export function unmarkAll(sim: Simulation): void {
  for (const machine of sim.machines) for (const key of marks) annotate(sim, machine, key, undefined);
}
