/** Scenes of processes that die, hang or stop: server, agent, container, pod, node. Rows F1 to F13. */
import assert from 'node:assert/strict';
import { leaseOf, until } from '../e2e/harness.ts';
import { send } from '../lab/processes.ts';
import { followHolders, whenRenewed } from './lease.ts';
import type { Scene } from './scenes.ts';
import type { Stage } from './stage.ts';

/** The server of a member ends by a signal that it did not ask for. */
async function abort(stage: Stage, name: string, signal: NodeJS.Signals) {
  const server = stage.member(name).server();
  assert.ok(server !== undefined && send(server, signal), `${name} has no server`);
}

/** How long its event loop stood still at most since this was asked last, by the agent's own metrics. */
async function longestStall(stage: Stage, name: string): Promise<number> {
  const { ip, httpPort } = stage.lab.record().members.find(({ pod }) => pod === name) ?? {};
  const answer = await fetch(`http://${ip}:${httpPort}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const found = /^nodejs_eventloop_lag_max_seconds(?:\{.*\})? (\S+)$/m.exec(await answer.text());
  assert.ok(found !== null, 'the metrics tell of the event loop');
  return Number(found[1]);
}

export const processScenes: Scene[] = [
  {
    name: 'server-killed',
    rows: ['F1'],
    title: "the primary's server is killed",
    boundMs: 3000,
    async play(stage) {
      await stage.fault('kill', stage.old, 'server');
      await stage.takeover();
    },
  },
  {
    name: 'server-crash-loop',
    rows: ['F2'],
    title: "the old primary's server is killed again at each of its starts for 20 s",
    async play(stage) {
      await stage.fault('kill', stage.old, 'server');
      const winner = await stage.takeover();
      const { term } = await leaseOf(stage.lab);
      const end = performance.now() + 20_000;
      let kills = 1;
      while (performance.now() < end) {
        const server = stage.member(stage.old).server();
        if (server !== undefined && send(server, 'SIGKILL')) kills += 1;
        await stage.pause(500);
      }
      assert.ok(kills >= 3, `only ${kills} starts`);
      const now = await leaseOf(stage.lab);
      assert.ok(
        now.holder === winner && now.term === term,
        `ping-pong: ${winner} in term ${term}, then ${now.holder} in ${now.term}`,
      );
    },
  },
  {
    name: 'server-panics',
    rows: ['F3'],
    title: "the primary's server ends by itself",
    boundMs: 3000,
    async play(stage) {
      const holders = followHolders(stage);
      await abort(stage, stage.old, 'SIGABRT');
      const winner = await stage.takeover();
      assert.ok(await stage.lab.whenStreaming(120_000), 'the old primary streams again');
      holders.stop();
      // An heir that finds another one ahead hands on to it.
      const [first, ...later] = holders.seen;
      assert.deepEqual([first, later.at(-1)], [stage.old, winner], `holders: ${holders.seen.join(', ')}`);
      assert.ok(!later.includes(stage.old), `it leads no more before it has rejoined: ${holders.seen.join(', ')}`);
    },
  },
  {
    name: 'server-stopped',
    rows: ['F4'],
    title: "the primary's server is stopped by a signal and answers nothing",
    boundMs: 13_000,
    async play(stage) {
      await stage.fault('freeze', stage.old, 'server');
      await stage.takeover();
    },
  },
  {
    name: 'agent-stopped',
    rows: ['F5', 'F12'],
    title: "the primary's agent stops for good",
    boundMs: 10_000,
    async play(stage) {
      await stage.fault('freeze', stage.old, 'agent');
      await stage.takeover();
      assert.equal(stage.member(stage.old).server(), undefined, 'PID 1 killed the server');
    },
  },
  {
    name: 'pod-frozen-5s',
    rows: ['F6'],
    title: "the primary's pod is frozen for 5 s",
    boundMs: 7000,
    async play(stage) {
      // A permit is 6 s from the last renewal, and renewals are up to 2 s apart.
      await whenRenewed(stage);
      await stage.fault('freeze', stage.old, 'pod');
      await stage.pause(5000);
      await stage.fault('thaw', stage.old);
      await stage.rows();
      await stage.unmoved();
    },
  },
  {
    name: 'pod-frozen-60s',
    rows: ['F7'],
    title: "the primary's pod is frozen for 60 s and thawed",
    boundMs: 9000,
    async play(stage) {
      const session = await stage.session(stage.old);
      const frozen = performance.now();
      await stage.fault('freeze', stage.old, 'pod');
      await stage.takeover();
      await stage.rows();
      await stage.pause(60_000 - (performance.now() - stage.began));
      await stage.fault('thaw', stage.old);
      await stage.pause(5000);
      const late = session.acknowledged.filter(({ asked }) => asked > frozen);
      assert.equal(late.length, 0, 'the old primary acknowledges nothing that was asked since it was frozen');
    },
  },
  {
    name: 'agent-killed',
    rows: ['F9'],
    title: "the primary's agent is killed",
    boundMs: 100,
    async play(stage) {
      const server = stage.member(stage.old).server();
      await stage.fault('kill', stage.old, 'agent');
      await stage.pause(5000);
      await stage.unmoved();
      assert.deepEqual(stage.member(stage.old).server(), server, 'the server was adopted');
    },
  },
  {
    name: 'container-killed',
    rows: ['F9'],
    title: "PID 1 of the primary's container is killed, and everything with it",
    boundMs: 5000,
    async play(stage) {
      await stage.crash(stage.old);
      await stage.rows();
    },
  },
  {
    name: 'agent-blocked-3s',
    rows: ['F11'],
    title: "the primary's agent does nothing for 3 s",
    boundMs: 500,
    async play(stage) {
      await longestStall(stage, stage.old);
      // The metric compares two beats of a second.
      await stage.pause(2500);
      await stage.fault('freeze', stage.old, 'agent');
      await stage.pause(3000);
      await stage.fault('thaw', stage.old);
      await stage.pause(3000);
      await stage.unmoved();
      const seconds = await longestStall(stage, stage.old);
      assert.ok(seconds >= 3, `its metrics tell a stall of ${seconds} s only`);
    },
  },
  {
    name: 'pod-deleted',
    rows: ['F13'],
    title: "the primary's pod is deleted",
    boundMs: 3000,
    async play(stage) {
      await stage.fault('kill', stage.old, 'pod');
      await until('another primary', () => ![undefined, stage.old].includes(stage.lab.primary()));
    },
  },
  {
    name: 'node-lost',
    rows: ['F17'],
    title: "the primary's node loses power",
    boundMs: 9000,
    async play(stage) {
      await stage.fault('kill', stage.old, 'node');
      await stage.takeover();
    },
  },
  {
    name: 'standby-server-killed',
    rows: ['F49'],
    title: 'the server of a synchronous standby is killed with commits in flight, then its node',
    boundMs: 2000,
    async play(stage) {
      const [first = ''] = stage.standbys;
      await stage.fault('kill', first, 'server');
      await stage.rows(200);
      await stage.fault('kill', first, 'node');
      await stage.pause(5000);
      await stage.rows(200);
      await stage.unmoved();
    },
  },
];
