/** Scenes of the network and the API server: cuts, silences, errors, lost answers. Rows F21 to F40. */
import assert from 'node:assert/strict';
import { ask, leaseOf, until } from '../e2e/harness.ts';
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

/** What was acknowledged by a standby before a cut may reach the client a moment after it. */
const underWayMs = 500;
/** How late a renewal arrives: later than any take-over. */
const lateMs = 20_000;
/** Permit and stop by the default settings: nothing is acknowledged later than that after the last renewal. */
const fencedMs = 7000;

async function isStandby(stage: Stage, name: string): Promise<boolean> {
  return (await ask(stage.lab, name, 'SELECT pg_is_in_recovery()')) === 'true';
}

/** The primary cannot renew and no agent of a standby is there to promise anything: it ends in time. They come back then. */
async function endsWithoutPromises(stage: Stage, begin: () => Promise<void> | void) {
  const session = await stage.session(stage.old);
  await whenRenewed(stage);
  for (const name of stage.standbys) await stage.fault('freeze', name, 'agent');
  const began = performance.now();
  await begin();
  await until('its server is killed', () => stage.member(stage.old).server() === undefined, 12_000);
  const late = session.acknowledged.filter(({ at }) => at - began > fencedMs);
  assert.equal(late.length, 0, 'nothing is acknowledged once its permit has run out');
  for (const name of stage.standbys) await stage.fault('thaw', name);
}

/** One-way cuts between members, not from the API server, for 30 s: as when the primary is cut off from its peers. */
async function handsOverOneWay(stage: Stage, cuts: [from: string, to: string][]) {
  const session = await stage.session(stage.old);
  const index = (name: string) => stage.lab.members.findIndex((member) => member.name === name);
  for (const [from, to] of cuts) stage.lab.network.mute(index(from), index(to));
  await stage.lab.network.settled();
  const cut = performance.now();
  await stage.takeover();
  await stage.rows(50, 25_000);
  const { holder, term } = await leaseOf(stage.lab);
  await stage.pause(30_000 - (performance.now() - stage.began));
  const late = session.acknowledged.filter(({ at }) => at - cut > underWayMs);
  assert.equal(late.length, 0, 'the old primary acknowledges nothing of which it knows no standby that has it');
  const now = await leaseOf(stage.lab);
  assert.deepEqual([now.holder, now.term], [holder, term], 'one change, however long the cut');
}

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
      await stage.pause(4000);
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
      await endsWithoutPromises(stage, () => stage.fault('cut', stage.old, 'kube'));
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
    name: 'primary-unheard',
    rows: ['F26'],
    title: 'what the primary sends to its peers is lost for 30 s, what they send arrives',
    boundMs: 10_000,
    play: (stage) =>
      handsOverOneWay(
        stage,
        stage.standbys.map((name) => [stage.old, name]),
      ),
  },
  {
    name: 'acknowledgements-lost',
    rows: ['F26'],
    title: 'what the standbys send to the primary is lost for 30 s: they have its WAL, and it never learns',
    boundMs: 10_000,
    play: (stage) =>
      handsOverOneWay(
        stage,
        stage.standbys.map((name) => [name, stage.old]),
      ),
  },
  {
    name: 'api-writes-lost',
    rows: ['F27'],
    title: "the primary's writes to the API server are lost for 30 s, its reads are not, and its peers promise",
    boundMs: 500,
    async play(stage) {
      const fault = stage.kube({ do: 'hang' }, { client: stage.old, verb: writes });
      await stage.pause(30_000);
      fault.remove();
      await stage.pause(3000);
      await stage.unmoved();
    },
  },
  {
    name: 'api-writes-lost-no-promise',
    rows: ['F27'],
    title: "the primary's writes are lost and no standby can promise anything: its own name in the Lease renews nothing",
    async play(stage) {
      const began = Date.now();
      await endsWithoutPromises(stage, () => void stage.kube({ do: 'hang' }, { client: stage.old, verb: writes }));
      assert.equal((await leaseOf(stage.lab)).holder, stage.old, 'the Lease names it to the end');
      const read = stage.lab
        .latestRequests()
        .filter(
          ({ client, verb, resource, at }) => client === stage.old && verb === 'get' && resource === 'leases' && at > began,
        );
      assert.ok(read.length > 0 && read.every(({ code }) => code === 200), 'and it could read that');
      await stage.takeover();
      await stage.rows();
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
      await stage.pause(5000);
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
    boundMs: 3000,
    async play(stage) {
      await cutAllFromKube(stage);
      await stage.pause(3000);
      await stage.fault('kill', stage.old, 'node');
      const dead = performance.now();
      await stage.pause(12_000);
      assert.equal(stage.acknowledged(dead).length, 0, 'nobody was promoted');
      for (const name of stage.standbys) assert.ok(await isStandby(stage, name), `${name} is a standby still`);
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
      const [began, members] = [Date.now(), everybody(stage)];
      for (let i = 0; i < 30; i += 1) {
        const [effect, client = ''] = [sickness[i % sickness.length], members[i % members.length]];
        if (effect !== undefined) stage.lab.faults.add({ match: { client }, effect, times: 1 });
        await stage.pause(1000);
      }
      const met = stage.lab.latestRequests().filter(({ at }) => at > began);
      for (const wanted of [429, 500, 503, 401, 403])
        assert.ok(
          met.some(({ code }) => code === wanted),
          `no member was answered with ${wanted}`,
        );
      assert.ok(
        met.some(({ ms }) => ms > 800),
        'no member was answered late',
      );
      stage.note(
        `of ${met.length} requests ${met.filter(({ code, ms }) => code >= 400 || code === 0 || ms > 700).length} were ill`,
      );
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
    title: "the primary's pod is frozen while its renewal is under way, which arrives after the take-over",
    boundMs: 10_000,
    async play(stage) {
      const session = await stage.session(stage.old);
      const server = stage.member(stage.old).server();
      const match = { client: stage.old, verb: ['update'], resource: 'leases' };
      const fault = stage.lab.faults.add({ match, effect: { do: 'delay', ms: lateMs }, times: 1 });
      await until('a renewal is under way', () => fault.hits() > 0, 10_000);
      const frozen = performance.now();
      await stage.fault('freeze', stage.old, 'pod');
      const winner = await stage.takeover();
      const arrived = () => stage.lab.latestRequests().find(({ client, ms }) => client === stage.old && ms >= lateMs - 1);
      assert.equal(arrived(), undefined, 'the take-over came first');
      await until('the renewal has arrived', () => arrived() !== undefined, lateMs + 10_000);
      assert.equal(arrived()?.code, 409);
      await stage.fault('thaw', stage.old);
      await until('the old server is killed', () => stage.member(stage.old).server()?.pid !== server?.pid, 10_000);
      await stage.pause(3000);
      const late = session.acknowledged.filter(({ asked }) => asked > frozen);
      assert.equal(late.length, 0, 'the old primary acknowledges nothing that was asked since it was frozen');
      assert.equal((await leaseOf(stage.lab)).holder, winner);
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
