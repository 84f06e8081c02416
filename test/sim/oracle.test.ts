/**
 * Goal: each oracle speaks when what it guards against is true. Method: a world that is doctored in one place at one moment, and the
 * name of the invariant that has to be heard; those of a calm are in liveness.test.ts. What mutations make the oracles say is not
 * repeated here.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig } from '../../agent/core/config.ts';
import type { LeaseRecord } from '../../agent/core/model.ts';
import { createCounters } from './counters.ts';
import { type Doctored, heardOf, identityOf, labelsUnread, leaseOf, takes, votedAndAhead } from './doctored.ts';
import type { Fault } from './faults.ts';
import type { Machine } from './model.ts';
import { type Plan, runPlan } from './seed.ts';
import { end, kill, startServer } from './server.ts';
import type { Simulation } from './world.ts';

function written(sim: Simulation, by: Machine, after: Partial<LeaseRecord>): void {
  sim.oracle.leaseWritten(by, identityOf(by), leaseOf(sim), { ...leaseOf(sim), ...after }, sim.engine.now);
}

const cases: Doctored[] = [
  {
    title: 'a primary that has been succeeded acknowledges what its successor does not have',
    invariant: 'S1',
    doctor(sim, primary, [other]) {
      if (other?.server.data === undefined) return;
      end(sim, primary.server);
      sim.oracle.promoted(other.server, 99);
      sim.oracle.acknowledged(primary.server, { lsn: Number.MAX_SAFE_INTEGER, at: 0 });
    },
  },
  {
    title: 'who was succeeded in mode off goes on, with nothing that held it up, once the mode is quorum',
    invariant: 'S1',
    mode: 'off',
    doctor(sim, primary, [other]) {
      if (other?.server.data === undefined) return;
      sim.oracle.promoted(other.server, 99);
      Object.assign(leaseOf(sim), { syncMode: 'quorum' });
      sim.oracle.acknowledged(primary.server, { lsn: Number.MAX_SAFE_INTEGER, at: 0 });
    },
  },
  {
    title: 'a primary acknowledges without a fence',
    invariant: 'S2',
    doctor(_sim, primary) {
      primary.fence = undefined;
    },
  },
  {
    title: 'a term falls',
    invariant: 'S3',
    doctor: (sim, primary) => written(sim, primary, { term: leaseOf(sim).term - 1 }),
  },
  {
    title: 'the lease is given up over a primary that lives',
    invariant: 'S3',
    doctor: (sim, primary) => written(sim, primary, { holder: '' }),
  },
  {
    title: 'the lease is written over a version that nobody decided on',
    invariant: 'S4',
    doctor: (sim, primary) => sim.oracle.leaseSent(primary, 'another version'),
  },
  {
    title: 'a live holder is overtaken',
    invariant: 'S5',
    doctor(sim, primary, [other]) {
      primary.fence = undefined;
      if (other !== undefined) written(sim, other, { holder: identityOf(other), term: leaseOf(sim).term + 1 });
    },
  },
  {
    title: 'somebody else makes a deleted Lease anew',
    invariant: 'S5',
    doctor(sim, _primary, [other]) {
      const record = leaseOf(sim);
      sim.kube.meddle(undefined);
      if (other !== undefined) sim.oracle.leaseWritten(other, identityOf(other), undefined, record, sim.engine.now);
    },
  },
  {
    title: 'a winner lacks an acknowledged row',
    invariant: 'S6',
    doctor(sim, _primary, [other]) {
      if (other?.server.data === undefined) return;
      other.server.data.position = { ...other.server.data.position, lsn: 0 };
      sim.oracle.promoted(other.server, 99);
    },
  },
  {
    title: 'a winner is promoted while the old primary can go on',
    invariant: 'S7',
    doctor: (sim, _primary, [other]) => other !== undefined && sim.oracle.promoted(other.server, 99),
  },
  {
    title: 'whoever voted for the winner is ahead of it',
    invariant: 'S8',
    doctor(sim, primary, [winner, voter]) {
      if (winner === undefined || voter?.server.data === undefined) return;
      end(sim, primary.server);
      votedAndAhead(voter, winner, 99);
      sim.oracle.voted(winner, voter.name, 99);
      sim.oracle.promoted(winner.server, 99);
    },
  },
  {
    title: 'a primary leads on although a later term is recorded for somebody else',
    invariant: 'S9',
    doctor(sim, primary, [other]) {
      const promoting = { member: other?.name ?? '', term: 99, dataId: 'data' };
      written(sim, primary, { promoting });
    },
  },
  {
    title: 'a primary acknowledges after the deadline of its fence',
    invariant: 'S10',
    doctor(_sim, primary) {
      if (primary.fence !== undefined) primary.fence = { ...primary.fence, deadline: 0 };
    },
  },
  {
    title: 'two pods are labelled primary',
    invariant: 'S11',
    doctor(sim, _primary, [other]) {
      const pod = sim.kube.pods.get(other?.name ?? '');
      if (pod !== undefined) sim.kube.setPod({ ...pod, labels: { ...pod.labels, 'opengauss.role': 'primary' } });
    },
  },
  {
    title: 'a new primary is labelled before the pods were read again',
    invariant: 'S11',
    doctor: (sim, primary) => labelsUnread(sim, primary),
  },
  {
    title: 'a primary acknowledges alone, and the record does not know',
    invariant: 'S13',
    doctor(sim, primary) {
      Object.assign(primary.server, { need: 0, names: [] });
      sim.oracle.namesSet(primary.server);
    },
  },
  {
    title: 'the last copy is built over',
    invariant: 'S14',
    doctor(sim, primary, standbys) {
      for (const { server } of standbys) server.data = undefined;
      sim.oracle.wiped(primary.server);
    },
  },
  {
    title: 'a second server is started on a volume',
    invariant: 'S15',
    doctor: (sim, primary) => sim.oracle.started(primary.server),
  },
  {
    title: 'somebody renews the lease of another incarnation',
    invariant: 'S16',
    doctor: (sim, primary) => sim.oracle.leaseWritten(primary, 'another/uid/1', leaseOf(sim), leaseOf(sim), sim.engine.now),
  },
  {
    title: 'an agent promotes while it is paused',
    invariant: 'S17',
    doctor(sim, primary) {
      if (primary.shown !== undefined) primary.shown.paused = true;
      sim.oracle.promotionAsked(primary);
    },
  },
  {
    title: 'a switchover is told as done and has lost what mode off acknowledged',
    invariant: 'S18',
    mode: 'off',
    doctor(sim, primary, [other]) {
      sim.kube.ask({ kind: 'switchover', target: other?.name, options: {} });
      const asked = sim.kube.request;
      if (asked === undefined || other?.server.data === undefined) return;
      sim.oracle.answered({ ...asked, phase: 'running' });
      end(sim, primary.server);
      other.server.data.position = { ...other.server.data.position, lsn: 0 };
      sim.oracle.promoted(other.server, 99);
      sim.oracle.answered({ ...asked, phase: 'done' });
    },
  },
  {
    title: 'a lease is taken while its holder has a permit',
    invariant: 'S20',
    doctor(sim, _primary, [other]) {
      if (other !== undefined) written(sim, other, { holder: identityOf(other), term: leaseOf(sim).term + 1 });
    },
  },
  {
    title: 'a lease that was released is taken while somebody still has a permit',
    invariant: 'S20',
    doctor(sim, _primary, [other]) {
      if (other !== undefined) takes(sim, other);
    },
  },
  {
    title: 'a lease that was released is taken with nobody in reach',
    invariant: 'S7',
    doctor(sim, primary, standbys) {
      end(sim, primary.server);
      for (const one of sim.machines)
        for (const other of sim.machines) if (one !== other) sim.network.cut(one.index, other.index, true);
      sim.engine.after(4000, () => {
        const taker = standbys.find(({ name }) => !leaseOf(sim).holder.startsWith(name));
        if (taker === undefined) return;
        sim.oracle.leaseSent(taker, taker.shown?.version);
        takes(sim, taker);
      });
    },
  },
  {
    title: 'who has promised votes',
    invariant: 'S20',
    doctor(sim, _primary, [other]) {
      if (other === undefined) return;
      const before = other.records;
      other.records = { ...before, promise: { holder: leaseOf(sim).holder, term: 1, durationMs: 60_000 } };
      sim.oracle.recorded(other, before, other.records);
      sim.oracle.granted(other, { term: 99, candidate: 'x', askedBy: 'x' });
    },
  },
  {
    title: 'a member votes twice in a term',
    invariant: 'S22',
    doctor(sim, _primary, [other]) {
      if (other === undefined) return;
      const freeze = { term: 99, candidate: 'a', host: '', port: 1, askedBy: 'a' };
      other.records = { ...other.records, granted: 99, freeze };
      for (const name of ['a', 'b']) sim.oracle.granted(other, { term: 99, candidate: name, askedBy: name });
    },
  },
  {
    title: 'a healthy primary is ended',
    invariant: 'L3',
    plan: { gentle: true },
    doctor: (sim, primary) => kill(sim, primary.server),
  },
  {
    title: 'a member never streams again',
    invariant: 'L5',
    doctor(sim, primary, [other]) {
      const keepAway = (): void => {
        if (other === undefined) return;
        sim.network.cut(other.index, primary.index, true);
        const pod = sim.kube.pods.get(other.name);
        // Nobody is told, so that nobody writes it again.
        if (pod?.labels['opengauss.readable'] === 'true') sim.kube.pods.set(pod.name, { ...pod, labels: {} });
        sim.engine.after(100, keepAway);
      };
      keepAway();
    },
  },
  {
    title: 'a calm cluster asks its API server for too much',
    invariant: 'L11',
    doctor(sim) {
      sim.kube.asked.writes += 1000;
    },
  },
  {
    title: 'after a cold start somebody is promoted beside a member that has more',
    invariant: 'L12',
    mode: 'off',
    doctor(sim, _primary, [winner, better]) {
      if (winner?.server.data === undefined || better?.server.data === undefined) return;
      for (const { server } of sim.machines) end(sim, server);
      for (const { server } of [winner, better]) startServer(sim, server, 'standby', 'person');
      better.server.data.position = { ...better.server.data.position, lsn: better.server.data.position.lsn + 0x1000 };
      for (const { server } of [winner, better]) server.upAt = 0;
      sim.engine.after(0, () => sim.oracle.promoted(winner.server, 99));
    },
  },
];

for (const one of cases) {
  test(`${one.invariant} is heard when ${one.title}`, async () => {
    const heard = await heardOf(one);
    assert.equal(heard?.invariant, one.invariant, heard?.text);
  });
}

test('what a primary that was suspended and succeeded in mode off acknowledges on its thaw is a loss of mode off, also once the mode is quorum', async () => {
  const config = { ...defaultConfig, sync: { ...defaultConfig.sync, mode: 'off' as const } };
  const thawAt = 48_000;
  const fault = { member: -1, other: 0, amount: 0 };
  const faults: Fault[] = [
    { ...fault, at: 12_000, kind: 'machine suspended', lasts: thawAt - 12_000 },
    { ...fault, at: 28_000, kind: 'mode edited', lasts: 60_000 },
  ];
  const successorDies = (sim: Simulation): void => {
    const [successor] = sim.primaries().sort((a, b) => b.server.term - a.server.term);
    if (successor !== undefined) sim.lives.killContainer(successor, 20_000);
  };
  const counters = createCounters();
  for (let seed = 1; seed <= 3; seed += 1) {
    const plan: Plan = { seed, world: { seed, members: 4, config }, faults };
    const outcome = await new Promise<ReturnType<typeof runPlan>>((resolve) =>
      setImmediate(() =>
        resolve(
          runPlan(plan, {
            counters,
            watch: [
              { at: 34_000, run: successorDies },
              { at: thawAt + 0.01, run: (sim) => sim.commitNow() },
            ],
          }),
        ),
      ),
    );
    assert.equal(outcome.violation, undefined, `seed ${seed}: ${outcome.violation?.invariant} ${outcome.violation?.text}`);
    assert.ok(outcome.promotions >= 3, `seed ${seed}: ${outcome.promotions} promotions`);
  }
  assert.ok(counters.get('loss', 'thawed primary in mode off') > 0, 'nothing was acknowledged on a thaw');
});
