/** Volumes that are lost, exchanged, full, stuck, or take no writes any more. */
import type { VolumeUse } from '../../agent/core/model.ts';
import { type Apply, others, type Undo, weaken } from './fault.ts';
import type { Machine } from './model.ts';
import { freeze } from './process.ts';
import { copyOf, kill } from './server.ts';
import { firstLsn, rootBranch } from './wal.ts';
import type { Simulation } from './world.ts';

const gigabyte = 2 ** 30;
const capacityBytes = 100 * gigabyte;

/** What a look at the volume shows now. */
export function useOf(machine: Machine): VolumeUse[] {
  const { volumeUsed, volumeFails } = machine.weak;
  const availableBytes = Math.round(capacityBytes * (1 - volumeUsed));
  const use = { mount: 'data', capacityBytes, availableBytes, usedRatio: volumeUsed };
  return [volumeFails ? { ...use, fault: 'read-only' } : use];
}

/** A brake is let go after ten calm seconds, and later each time. */
const looksMs = 100_000;
const everyMs = 1500;

/** The volume is looked at for a while, as it always is in the world. */
export function lookAgain(sim: Simulation, machine: Machine): void {
  const { engine } = sim;
  const idle = machine.lookUntil <= engine.now;
  machine.lookUntil = engine.now + looksMs;
  if (!idle) return;
  const look = (): void => {
    for (const one of machine.volumeLooks) one();
    if (engine.now < machine.lookUntil) engine.after(everyMs, look);
  };
  look();
}

/** Whoever wants writes again says so to the primary, and again to the next one if it has not heard of it. */
function lift(sim: Simulation): void {
  for (const { brake, server } of sim.primaries()) if (brake?.owner === 'human') server.conf.readOnly = false;
  sim.engine.after(2000, () => lift(sim));
}

function told(sim: Simulation, machine: Machine, undo: Undo): Undo {
  lookAgain(sim, machine);
  return () => {
    undo?.();
    lookAgain(sim, machine);
  };
}

export const volumes = {
  'volume lost': (sim, machine) => {
    // The promise is about one member; a second volume would be a second one.
    if (sim.volumeLost) return undefined;
    sim.volumeLost = true;
    sim.lives.killContainer(machine);
    exchange(machine, undefined);
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
      // A standby by then, it has acknowledged what the copy does not have: nobody can know that its vote is worth less.
      if (machine.server.role !== 'Primary') return;
      sim.lives.killContainer(machine);
      exchange(machine, copy);
    });
    return undefined;
  },
  'records cannot be written': (_sim, machine) => weaken(machine, 'saveFails', true),
  'disk stuck': (sim, machine, fault) => {
    machine.weak.diskStuckUntil = sim.engine.now + fault.lasts;
    const go = freeze(sim.engine, [machine.server.proc]);
    return () => {
      machine.weak.diskStuckUntil = 0;
      go();
    };
  },
  'volume nearly full': (sim, machine, fault) =>
    told(sim, machine, weaken(machine, 'volumeUsed', fault.amount < 0.5 ? 0.96 : 0.999)),
  'server dies of a full volume': (sim, machine) => {
    const undo = told(sim, machine, weaken(machine, 'volumeUsed', 1));
    sim.engine.after(300, () => kill(sim, machine.server));
    return undo;
  },
  'volume takes no writes': (sim, machine) => {
    const saves = weaken(machine, 'saveFails', true);
    const undo = told(sim, machine, weaken(machine, 'volumeFails', true));
    return () => {
      saves?.();
      undo?.();
    };
  },
  'volume lost while the API server refuses': (sim, machine) => {
    if (sim.volumeLost) return undefined;
    sim.volumeLost = true;
    sim.kube.weather = 'errors';
    sim.lives.killContainer(machine);
    exchange(machine, undefined);
    return () => {
      sim.kube.weather = 'fine';
    };
  },
  'volume of another cluster': (sim, machine) => {
    if (sim.volumeLost || machine.server.data === undefined) return undefined;
    sim.volumeLost = true;
    sim.lives.killContainer(machine);
    const foreign = { ...machine.server.data, systemId: 'foreign', dataId: 'foreign', promotedTerm: 0, lock: undefined };
    exchange(machine, { ...foreign, unfinished: undefined, position: { branch: rootBranch(), lsn: firstLsn } });
    return () => {
      if (machine.server.data?.systemId !== 'foreign') return;
      sim.lives.killContainer(machine);
      exchange(machine, undefined);
    };
  },
  'set read-only by hand': (sim, machine) => {
    const { server } = machine;
    if (server.role !== 'Primary') return undefined;
    server.conf.readOnly = true;
    return () => lift(sim);
  },
} satisfies Record<string, Apply>;

/** Another volume in the place of the machine's; with the old one goes all that lay on it. */
export function exchange(machine: Machine, data: Machine['server']['data']): void {
  const { server } = machine;
  server.data = data;
  server.conf = { names: '', mostAvailable: false, readOnly: false, peers: [] };
  server.work += 1;
  machine.records = { granted: 0, freeze: undefined, build: undefined, fresh: true };
  machine.brake = undefined;
}
