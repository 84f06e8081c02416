/**
 * Goal: a winner is held against the votes that it had, a label against what could be read, and a Lease made again against who
 * held it, and not against more. Method: a world that is doctored in one place, and what is heard in that moment.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverPrimaryAnnotation } from '../../agent/core/hand.ts';
import { heardOf, identityOf, labelsUnread, leaseOf, takes, votedAndAhead } from './doctored.ts';
import type { Machine } from './model.ts';
import { copyOf, end, startServer } from './server.ts';
import { exchange } from './volumes.ts';
import type { Simulation } from './world.ts';

function marked(sim: Simulation, { name }: Machine, key: string): void {
  const pod = sim.kube.pods.get(name);
  if (pod !== undefined) sim.kube.setPod({ ...pod, annotations: { ...pod.annotations, [key]: 'true' } });
}

const silent: { title: string; voted: number; heard?: true; unheard?: true; doctor?(sim: Simulation, voter: Machine): void }[] = [
  { title: 'that voted in the turn of the promotion', voted: 99, heard: true },
  {
    title: 'that was primary before, and has what that left on its pod',
    voted: 99,
    heard: true,
    doctor: (sim, voter) => marked(sim, voter, 'opengauss.agent/term'),
  },
  {
    title: 'that people keep from leading',
    voted: 99,
    doctor: (sim, voter) => marked(sim, voter, neverPrimaryAnnotation),
  },
  { title: 'whose vote was for an earlier turn, given up since', voted: 98 },
  { title: 'whose vote has not come in', voted: 99, unheard: true },
  { title: 'whose pod is deleted by force', voted: 99, doctor: (sim, voter) => sim.kube.removePod(voter.name) },
  {
    title: 'whose pod is going',
    voted: 99,
    doctor(sim, voter) {
      const pod = sim.kube.pods.get(voter.name);
      if (pod !== undefined) sim.kube.setPod({ ...pod, terminating: true });
    },
  },
];

for (const { title, voted, heard, unheard, doctor } of silent) {
  test(`S8 is ${heard === true ? '' : 'not '}heard of a member ahead of the winner ${title}`, async () => {
    const violation = await heardOf({
      doctor(sim, primary, [winner, voter]) {
        assert.ok(winner !== undefined && voter !== undefined);
        end(sim, primary.server);
        takes(sim, winner);
        votedAndAhead(voter, winner, voted);
        if (unheard !== true) sim.oracle.voted(winner, voter.name, voted);
        doctor?.(sim, voter);
        sim.oracle.promoted(winner.server, 99);
        sim.engine.stopped = true;
      },
    });
    assert.equal(violation?.invariant, heard === true ? 'S8' : undefined);
  });
}

test('S11 is not heard of a new primary whose reading of the pods may have been lost to a slow API server', async () => {
  const violation = await heardOf({
    doctor(sim, primary) {
      sim.kube.weather = 'slow';
      sim.kube.weather = 'fine';
      labelsUnread(sim, primary);
      sim.engine.stopped = true;
    },
  });
  assert.equal(violation, undefined);
});

for (const [title, isExchanged] of [
  ['that was not taken away from it', false],
  ['whose volume was exchanged, and that nobody has started since', true],
] as const) {
  test(`S7 is ${isExchanged ? 'not ' : ''}heard of a primary with a standby ${title}`, async () => {
    const violation = await heardOf({
      doctor(sim, _primary, [winner, standby]) {
        assert.ok(winner !== undefined && standby?.server.data !== undefined);
        end(sim, standby.server);
        if (isExchanged) exchange(standby, copyOf(standby.server.data, 'another', 0));
        sim.oracle.promoted(winner.server, 99);
        sim.engine.stopped = true;
      },
    });
    assert.equal(violation?.invariant, isExchanged ? undefined : 'S7');
  });
}

test('L12 is not heard of a member that has more and could write no lease', async () => {
  const violation = await heardOf({
    mode: 'off',
    doctor(sim, _primary, [winner, better]) {
      assert.ok(winner?.server.data !== undefined && better?.server.data !== undefined);
      for (const { server } of sim.machines) end(sim, server);
      for (const { server } of [winner, better]) {
        startServer(sim, server, 'standby', 'person');
        server.upAt = 0;
      }
      better.server.data.position = { ...better.server.data.position, lsn: better.server.data.position.lsn + 0x1000 };
      sim.kube.denied.add(better.index);
      sim.engine.after(0, () => {
        sim.oracle.promoted(winner.server, 99);
        sim.engine.stopped = true;
      });
    },
  });
  assert.equal(violation, undefined);
});

for (const [title, holder, byOther, heard] of [
  ['the holder whose place somebody unknown was given by hand', 'somebody-else/uid/1', false, undefined],
  ['another member than the one whose place somebody unknown was given by hand', 'somebody-else/uid/1', true, 'S5'],
  ['the holder after it was released', '', false, 'S5'],
] as const) {
  test(`S5 is ${heard === undefined ? 'not ' : ''}heard of a deleted Lease that is made again by ${title}`, async () => {
    const violation = await heardOf({
      doctor(sim, primary, [other]) {
        assert.ok(other !== undefined);
        const record = leaseOf(sim);
        sim.kube.meddle({ ...record, holder });
        sim.kube.meddle(undefined);
        const by = byOther ? other : primary;
        sim.oracle.leaseWritten(by, identityOf(by), undefined, { ...record, holder: identityOf(by) }, sim.engine.now);
        sim.engine.stopped = true;
      },
    });
    assert.equal(violation?.invariant, heard);
  });
}
