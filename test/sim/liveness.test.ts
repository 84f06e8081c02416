/**
 * Goal: each oracle of a calm speaks when what has to come true does not, and no invariant is without a world that makes it speak.
 * Method: worlds that are doctored, for good or in the very moment of each look, where agents would mend what they see.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Reason } from '../../agent/core/reasons.ts';
import { type Doctored, heardOf } from './doctored.ts';
import type { Machine } from './model.ts';
import { kill } from './server.ts';
import type { Simulation } from './world.ts';

const lookEveryMs = 500;

/** Shows the oracle something that nobody else sees: done right before each look, undone right after it. */
function atLooks(sim: Simulation, change: (turn: number) => () => void): void {
  const { engine } = sim;
  let turn = 0;
  const look = (): void => {
    const undo = change(turn);
    turn += 1;
    engine.after(2, undo);
    engine.after(lookEveryMs, look);
  };
  engine.at((Math.floor(engine.now / lookEveryMs) + 1) * lookEveryMs - 1, look);
}

/** All that its surfaces ever say from now on is that. */
function tellsOnly(machine: Machine, reason: Reason): void {
  let { shown } = machine;
  Object.defineProperty(machine, 'shown', {
    get: () => (shown === undefined ? undefined : { ...shown, reason }),
    set(now: typeof shown) {
      shown = now;
    },
  });
}

/** Its node is without power, whoever puts it on. */
function staysOff(sim: Simulation, machine: Machine): void {
  const look = (): void => {
    if (machine.powered) sim.lives.powerOff(machine);
    sim.engine.after(100, look);
  };
  look();
}

/** Requests of these are refused from now on. */
function denied(sim: Simulation, machines: Machine[]): void {
  for (const { index } of machines) sim.kube.denied.add(index);
}

const cases: Doctored[] = [
  {
    title: 'a member never comes back',
    invariant: 'L1',
    doctor: (sim, _primary, [other]) => other !== undefined && staysOff(sim, other),
  },
  {
    title: 'no server starts, and nobody says so',
    invariant: 'L2',
    doctor(sim) {
      for (const machine of sim.machines) {
        tellsOnly(machine, 'no-primary');
        machine.weak.startFails = true;
        kill(sim, machine.server);
      }
    },
  },
  {
    title: 'leadership goes to and fro in a calm',
    invariant: 'L4',
    doctor(sim, _primary, [other]) {
      atLooks(sim, (turn) => {
        const { lease } = sim.kube;
        if (lease !== undefined && turn % 2 === 0) sim.kube.lease = { ...lease, holder: `${other?.name}/uid/1` };
        return () => {
          sim.kube.lease = lease;
        };
      });
    },
  },
  {
    title: 'the Lease is away, and nobody says so',
    invariant: 'L6',
    doctor(sim) {
      for (const machine of sim.machines) tellsOnly(machine, 'follows');
      atLooks(sim, () => {
        const { lease } = sim.kube;
        sim.kube.lease = undefined;
        return () => {
          sim.kube.lease = lease;
        };
      });
    },
  },
  {
    title: 'a primary that leads is not labelled',
    invariant: 'L7',
    doctor(sim, primary) {
      atLooks(sim, () => {
        const pod = sim.kube.pods.get(primary.name);
        if (pod === undefined) return () => undefined;
        sim.kube.pods.set(pod.name, { ...pod, labels: {} });
        return () => void sim.kube.pods.set(pod.name, pod);
      });
    },
  },
  {
    title: 'a switchover is neither done nor rolled back',
    invariant: 'L8',
    doctor(sim, _primary, [other]) {
      const asked = { id: 'r', kind: 'switchover', target: other?.name, options: {}, phase: 'running' } as const;
      atLooks(sim, () => {
        const { request } = sim.kube;
        sim.kube.request = { ...asked, deadline: undefined, result: undefined, hint: undefined, resourceVersion: '1' };
        return () => {
          sim.kube.request = request;
        };
      });
    },
  },
  {
    title: 'a primary acknowledges nothing although its standbys have all of it',
    invariant: 'L9',
    doctor: (sim, { server }) => void server.waiting.unshift({ lsn: Number.MAX_SAFE_INTEGER, at: sim.engine.now }),
  },
  {
    title: 'a person has allowed the loss, and the cluster does not come back',
    invariant: 'L10',
    doctor(sim, primary, [_last, other]) {
      sim.volumeLost = true;
      for (const machine of [primary, other]) {
        if (machine === undefined) continue;
        staysOff(sim, machine);
        machine.server.data = undefined;
      }
    },
  },
  {
    title: 'the label stays on a server that has died',
    invariant: 'S12',
    doctor(sim, primary) {
      denied(sim, sim.machines);
      primary.weak.startFails = true;
      kill(sim, primary.server);
    },
  },
  {
    title: 'a standby without a stream stays labelled as readable',
    invariant: 'S19',
    doctor(sim, primary, [other]) {
      if (other === undefined) return;
      denied(sim, [other]);
      for (const [from, to] of [
        [primary.index, other.index],
        [other.index, primary.index],
      ] as const)
        sim.network.cut(from, to, true);
    },
  },
  {
    title: 'the clock that a member counts by jumps, as only wall clocks may (S21)',
    invariant: 'S20',
    doctor(_sim, _primary, [other]) {
      if (other !== undefined) other.clock.offset += 9000;
    },
  },
];

for (const one of cases) {
  test(`${one.invariant} is heard when ${one.title}`, async () => {
    const heard = await heardOf(one);
    assert.equal(heard?.invariant, one.invariant, heard?.text);
  });
}

test('every invariant is heard in some doctored world', () => {
  const text = ['oracle', 'liveness'].map((name) => readFileSync(`test/sim/${name}.test.ts`, 'utf8')).join('\n');
  const heard = [...text.matchAll(/^ {4}(?:title: '.*\((S\d+)\)'|invariant: '([SL]\d+)'),$/gm)].map(([, of, by]) => of ?? by);
  const wanted = [...Array.from({ length: 22 }, (_, of) => `S${of + 1}`), ...Array.from({ length: 12 }, (_, of) => `L${of + 1}`)];
  assert.deepEqual(
    wanted.filter((name) => !heard.includes(name)),
    [],
  );
});
