/** Scenes of the network and the API server: cuts, silences, errors, lost answers. Rows F21 to F40. */
import assert from 'node:assert/strict';
import { leaseOf, until } from '../e2e/harness.ts';
import type { FaultEffect } from '../kube/faults.ts';
import { whenRenewed } from './lease.ts';
import type { Scene } from './scenes.ts';
import type { Stage } from './stage.ts';

const writes = ['create', 'update', 'patch', 'delete'];

function everybody(stage: Stage): string[] {
  return stage.lab.members.map(({ name }) => name);
}

async function cutAllFromKube(stage: Stage) {
  for (const name of everybody(stage)) await stage.fault('cut', name, 'kube');
}

async function healAll(stage: Stage) {
  for (const name of everybody(stage)) await stage.fault('heal', name);
}

/** Mixed answers of a sick API server, one at a time. */
const sickness: FaultEffect[] = [
  { do: 'throttle', retryAfterSeconds: 1 },
  { do: 'error', code: 500 },
  { do: 'error', code: 503 },
  { do: 'error', code: 401 },
  { do: 'error', code: 403 },
  { do: 'delay', ms: 800 },
  { do: 'delay', ms: 4000 },
];

export const networkScenes: Scene[] = [
  {
    name: 'primary-isolated',
    rows: ['F21'],
    title: 'the primary is cut from API server and peers for 60 s, with a client inside',
    boundMs: 9000,
    async play(stage) {
      const session = await stage.session(stage.old);
      const cut = performance.now();
      await stage.fault('cut', stage.old, 'all');
      await stage.takeover();
      await stage.rows();
      await stage.pause(60_000 - (performance.now() - cut));
      const late = session.acknowledged.filter(({ at }) => at - cut > 7000);
      assert.equal(late.length, 0, 'nothing is acknowledged by the isolated primary after 7 s');
    },
  },
  {
    name: 'api-cut-4s',
    rows: ['F22'],
    title: 'the primary is cut from the API server for less than its permit',
    boundMs: 500,
    async play(stage) {
      await whenRenewed(stage);
      await stage.fault('cut', stage.old, 'kube');
      await stage.pause(3500);
      await stage.fault('heal', stage.old);
      await stage.pause(5000);
      await stage.unmoved();
    },
  },
  {
    name: 'api-cut-30s',
    rows: ['F22'],
    title: 'the primary is cut from the API server for 30 s, its peers are not',
    boundMs: 500,
    async play(stage) {
      await stage.fault('cut', stage.old, 'kube');
      await stage.pause(30_000);
      await stage.fault('heal', stage.old);
      await stage.pause(3000);
      await stage.unmoved();
    },
  },
  {
    name: 'api-cut-no-promise',
    rows: ['F22'],
    title: 'the primary is cut from the API server while no standby can promise anything: it ends in time',
    async play(stage) {
      const session = await stage.session(stage.old);
      await whenRenewed(stage);
      for (const name of stage.standbys) await stage.fault('freeze', name, 'agent');
      const cut = performance.now();
      await stage.fault('cut', stage.old, 'kube');
      await until('its server is killed', () => stage.member(stage.old).server() === undefined, 12_000);
      const late = session.acknowledged.filter(({ at }) => at - cut > 7000);
      assert.equal(late.length, 0, 'nothing is acknowledged 7 s after the cut');
      for (const name of stage.standbys) await stage.fault('thaw', name);
      await stage.takeover();
      await stage.rows();
    },
  },
  {
    name: 'peers-cut',
    rows: ['F24'],
    title: 'the primary is cut from its peers for 30 s, not from the API server',
    boundMs: 10_000,
    async play(stage) {
      await stage.fault('cut', stage.old, 'peers');
      await stage.takeover();
      await stage.rows(50, 25_000);
      const { holder, term } = await leaseOf(stage.lab);
      await stage.pause(30_000 - (performance.now() - stage.began));
      const now = await leaseOf(stage.lab);
      assert.deepEqual([now.holder, now.term], [holder, term], 'one change, however long the cut');
    },
  },
  {
    name: 'standby-isolated',
    rows: ['F25'],
    title: 'a standby is cut from everything for 30 s',
    boundMs: 2000,
    async play(stage) {
      const [first = ''] = stage.standbys;
      await stage.fault('cut', first, 'all');
      await stage.pause(30_000);
      await stage.unmoved();
    },
  },
  {
    name: 'acknowledgements-lost',
    rows: ['F26'],
    title: 'WAL reaches no standby for 10 s: commits wait, nothing is lost',
    boundMs: 14_000,
    async play(stage) {
      const indexes = stage.standbys.map((name) => stage.lab.members.findIndex((member) => member.name === name));
      for (const index of indexes) stage.lab.network.hold(index);
      await stage.lab.network.settled();
      const held = performance.now() + 200;
      await stage.pause(10_000);
      const during = stage.acknowledged(held).filter(({ server }) => server === stage.acknowledged()[0]?.server);
      for (const index of indexes) stage.lab.network.release(index, 'deliver');
      assert.equal(during.length, 0, 'the primary acknowledges nothing that no standby has');
    },
  },
  {
    name: 'api-writes-lost',
    rows: ['F27'],
    title: "the primary's writes to the API server are lost for 30 s, its watch is not",
    boundMs: 10_000,
    async play(stage) {
      const fault = stage.kube({ do: 'hang' }, { client: stage.old, verb: writes });
      await stage.pause(30_000);
      fault.remove();
    },
  },
  {
    name: 'api-down-5s',
    rows: ['F29'],
    title: 'the API server is away for 5 s',
    boundMs: 500,
    async play(stage) {
      await whenRenewed(stage);
      await cutAllFromKube(stage);
      await stage.pause(4000);
      await healAll(stage);
      await stage.pause(5000);
      await stage.unmoved();
    },
  },
  {
    name: 'api-down-60s',
    rows: ['F29'],
    title: 'the API server is away for 60 s',
    boundMs: 500,
    async play(stage) {
      await cutAllFromKube(stage);
      await stage.pause(60_000);
      await healAll(stage);
      await stage.pause(3000);
      await stage.unmoved();
    },
  },
  {
    name: 'api-down-primary-dies',
    rows: ['F30'],
    title: 'the primary dies while the API server is away: nobody is promoted until it is back',
    boundMs: 4000,
    async play(stage) {
      await cutAllFromKube(stage);
      await stage.pause(3000);
      await stage.fault('kill', stage.old, 'node');
      const dead = performance.now();
      await stage.pause(12_000);
      assert.equal(stage.acknowledged(dead).length, 0, 'nobody was promoted');
      stage.began = performance.now();
      for (const name of stage.standbys) await stage.fault('heal', name);
      await stage.rows();
    },
  },
  {
    name: 'api-down-standby-dead',
    rows: ['F31'],
    title: 'the API server is away for 30 s and one standby is dead: the primary goes on',
    boundMs: 2000,
    async play(stage) {
      const [first = ''] = stage.standbys;
      await stage.fault('kill', first, 'node');
      await stage.rows(200);
      await cutAllFromKube(stage);
      await stage.pause(30_000);
      await healAll(stage);
      await stage.pause(3000);
      await stage.unmoved();
    },
  },
  {
    name: 'api-sick',
    rows: ['F32'],
    title: 'for 30 s the API server answers some requests with 429, 500, 503, 401, 403, or late',
    boundMs: 500,
    async play(stage) {
      for (let i = 0; i < 30; i += 1) {
        const effect = sickness[i % sickness.length];
        if (effect !== undefined) stage.lab.faults.add({ match: {}, effect, times: 1 });
        await stage.pause(1000);
      }
      await stage.unmoved();
    },
  },
  {
    name: 'answer-lost',
    rows: ['F33'],
    title: 'the answers to three renewals are lost after they were applied',
    boundMs: 500,
    async play(stage) {
      for (const effect of [{ do: 'lose-answer' }, { do: 'hold-answer' }, { do: 'lose-answer' }] as const) {
        const rule = { match: { client: stage.old, verb: ['update'], resource: 'leases' }, effect, times: 1 };
        const fault = stage.lab.faults.add(rule);
        await until('a renewal was hit', () => fault.hits() > 0, 10_000);
        await stage.pause(3000);
      }
      await stage.unmoved();
    },
  },
  {
    name: 'renewal-late',
    rows: ['F34'],
    title: "the primary's renewals arrive 12 s late, after the take-over",
    boundMs: 10_000,
    async play(stage) {
      const rule = { client: stage.old, verb: ['update'], resource: 'leases' };
      const fault = stage.kube({ do: 'delay', ms: 12_000 }, rule);
      await stage.pause(25_000);
      fault.remove();
    },
  },
  {
    name: 'lease-deleted',
    rows: ['F35'],
    title: 'the Lease is deleted: its holder makes it again with the same term',
    boundMs: 500,
    async play(stage) {
      const { namespace, cluster } = stage.lab.options;
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/og-${cluster}-leader`;
      await stage.lab.api.call('DELETE', path);
      await until('the Lease is there again', async () => (await leaseOf(stage.lab)).holder !== '', 15_000);
      await stage.pause(10_000);
      await stage.unmoved();
    },
  },
  {
    name: 'watch-silent',
    rows: ['F39'],
    title: "the standbys' watches say nothing any more, then the primary's node loses power",
    boundMs: 9000,
    async play(stage) {
      for (const client of stage.standbys) stage.kube({ do: 'mute-watch' }, { client });
      await stage.pause(1000);
      stage.began = performance.now();
      await stage.fault('kill', stage.old, 'node');
      await stage.takeover();
    },
  },
  {
    name: 'watch-gone',
    rows: ['F40'],
    title: "the standbys' watches break and are refused with 410, then the primary's node loses power",
    boundMs: 9000,
    async play(stage) {
      for (const client of stage.standbys) {
        stage.kube({ do: 'error', code: 410, reason: 'Expired' }, { client, verb: ['watch'] });
        await stage.fault('cut', client, 'kube');
      }
      await stage.pause(1000);
      for (const client of stage.standbys) await stage.fault('heal', client);
      await stage.pause(500);
      stage.began = performance.now();
      await stage.fault('kill', stage.old, 'node');
      await stage.takeover();
    },
  },
];
