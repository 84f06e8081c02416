/**
 * Goal: a winner is held against the votes that it had, and a label against what could be read, and not against more. Method: a
 * world that is doctored in one place, and what is heard in that moment.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverPrimaryAnnotation } from '../../agent/core/hand.ts';
import { heardOf, labelsUnread, takes, votedAndAhead } from './doctored.ts';
import type { Machine } from './model.ts';
import { end } from './server.ts';
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
