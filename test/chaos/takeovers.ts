/** Scenes of a take-over that is disturbed itself, and of switchovers. Rows F41 to F53. */
import assert from 'node:assert/strict';
import { agent, ask, leaseOf, until } from '../e2e/harness.ts';
import type { KubeObject } from '../lab/api.ts';
import { commandLine, send } from '../lab/processes.ts';
import { execIn } from './inside.ts';
import { holderOf, whenLease } from './lease.ts';
import type { Scene } from './scenes.ts';
import type { Stage } from './stage.ts';

/** A connection that ended or could not be made, and what the brake says to a statement that comes before its session is cut. */
const handedOver = /ECONNREFUSED|ECONNRESET|EPIPE|terminated|connection error|57P0[123]|25006/;
const startByHand = 'gs_ctl start -D "$OG_DATA_DIR/pgdata" -M primary >/dev/null 2>&1 </dev/null; echo $?';

/** A new holder, and optionally its record of the promotion. */
function winnerOf(stage: Stage, promoting: boolean): Promise<KubeObject> {
  return whenLease(stage, promoting ? 'a promotion is recorded' : 'a new holder', (lease) => {
    const taken = !['', stage.old].includes(holderOf(lease)) && Number(lease['spec']?.leaseTransitions) > stage.term;
    const record = lease.metadata.annotations?.['opengauss.agent/promoting'] ?? '';
    return taken && (!promoting || record.includes(`"${holderOf(lease)}"`));
  });
}

/** Ends a winner's container at this moment; its agent stands still while its server says that it was not promoted yet. */
async function crashUnpromoted(stage: Stage, winner: string) {
  await stage.fault('freeze', winner, 'agent');
  assert.equal(await ask(stage.lab, winner, 'SELECT pg_is_in_recovery()'), 'true', `${winner} is not promoted yet`);
  await stage.crash(winner);
}

async function serverGone(stage: Stage, name: string) {
  const before = stage.member(name).server();
  await until(`the server of ${name} ends`, () => stage.member(name).server()?.pid !== before?.pid, 20_000);
}

export const takeoverScenes: Scene[] = [
  {
    name: 'candidates-race',
    rows: ['F41'],
    title: "the best candidate's agent stands still for 4 s just as the lease runs out",
    boundMs: 13_000,
    async play(stage) {
      const [first = ''] = stage.standbys;
      await stage.fault('kill', stage.old, 'node');
      await stage.pause(7000);
      await stage.fault('freeze', first, 'agent');
      await stage.pause(4000);
      await stage.fault('thaw', first);
      await stage.takeover();
      await stage.rows();
      assert.ok((await leaseOf(stage.lab)).term <= stage.term + 3);
    },
  },
  {
    name: 'winner-dies-after-swap',
    rows: ['F42'],
    title: "the winner's container dies right after it took the lease",
    boundMs: 18_000,
    async play(stage) {
      const won = winnerOf(stage, false);
      await stage.fault('kill', stage.old, 'server');
      await crashUnpromoted(stage, holderOf(await won));
      await stage.rows();
    },
  },
  {
    name: 'winner-dies-after-freeze',
    rows: ['F43'],
    title: "the winner's container dies after it froze the standbys and recorded its promotion",
    boundMs: 18_000,
    async play(stage) {
      const won = winnerOf(stage, false);
      await stage.fault('kill', stage.old, 'server');
      // It cannot go on before it knows that its record was written.
      const client = holderOf(await won);
      const faults = [
        stage.kube({ do: 'hold-answer' }, { client, verb: ['update'], resource: 'leases' }),
        stage.kube({ do: 'mute-watch' }, { client }),
      ];
      await crashUnpromoted(stage, holderOf(await winnerOf(stage, true)));
      for (const fault of faults) fault.remove();
      await stage.rows();
    },
  },
  {
    name: 'primary-by-hand',
    rows: ['F48'],
    title: 'the old primary is started as a primary by hand after the take-over',
    boundMs: 10_000,
    async play(stage) {
      await stage.fault('freeze', stage.old, 'agent');
      const winner = await stage.takeover();
      await stage.rows();
      const began = performance.now();
      const started = await execIn(stage.lab, stage.old, startByHand);
      assert.ok(stage.member(stage.old).server() !== undefined, `it was started by hand: ${started.stdout}${started.stderr}`);
      const hand = stage.member(stage.old).server();
      await stage.fault('thaw', stage.old);
      await until('it is killed', () => stage.member(stage.old).server()?.pid !== hand?.pid, 20_000);
      const own = new Set(stage.acknowledged(began).map(({ server }) => server));
      assert.equal(own.size, 1, 'only the new primary acknowledged');
      assert.equal((await leaseOf(stage.lab)).holder, winner);
    },
  },
  {
    name: 'switchover-under-load',
    rows: ['F52'],
    title: 'a planned switchover under load',
    boundMs: 2000,
    async play(stage) {
      const [first = ''] = stage.standbys;
      const asked = await agent(stage.lab, stage.old, 'switchover', '--to', first);
      assert.equal(asked.code, 0, `${asked.stdout}${asked.stderr}`);
      assert.equal(stage.lab.primary(), first);
      await stage.rows();
      const said = stage.writers.flatMap(({ errors }) => [...errors.keys()]);
      stage.note(`clients met: ${[...new Set(said)].join('; ') || 'nothing'}`);
      assert.deepEqual(
        said.filter((text) => !handedOver.test(text)),
        [],
        'clients met ends of connections and the brake, nothing else',
      );
    },
  },
  {
    name: 'switchover-target-dies',
    rows: ['F53'],
    title: 'the target of a switchover dies as soon as the old primary has stopped',
    boundMs: 5000,
    async play(stage) {
      const [first = ''] = stage.standbys;
      const stopped = serverGone(stage, stage.old);
      const asked = agent(stage.lab, stage.old, 'switchover', '--to', first);
      await stopped;
      await stage.crash(first);
      await stage.rows();
      const { code, stdout, stderr } = await asked;
      const { holder } = await leaseOf(stage.lab);
      stage.note(`${holder} leads; the command said: ${stdout}${stderr}`.trim());
      assert.ok(holder === stage.old || holder === first, 'the third member was pointed away and does not lead');
      if (holder === first) assert.match(`${code} ${stdout}`, /^0 done: /);
      else assert.match(`${code} ${stderr}`, /^1 error: .+\nhint: .+/);
    },
  },
  {
    name: 'switchover-old-primary-dies',
    rows: [],
    title: "the old primary's container dies as soon as its server has stopped for a switchover",
    boundMs: 10_000,
    async play(stage) {
      const [first = ''] = stage.standbys;
      const stopped = serverGone(stage, stage.old);
      const asked = agent(stage.lab, stage.old, 'switchover', '--to', first);
      await stopped;
      await stage.crash(stage.old);
      await stage.rows();
      await asked;
    },
  },
  {
    name: 'promotion-killed',
    rows: ['F44'],
    title: "the winner's server dies when it has just been promoted",
    boundMs: 10_000,
    async play(stage) {
      const won = winnerOf(stage, true);
      await stage.fault('kill', stage.old, 'server');
      const winner = stage.member(holderOf(await won));
      await until('it is labelled or writes', () => stage.lab.primary() === winner.name, 20_000);
      const server = winner.server();
      assert.ok(server !== undefined && commandLine(server.pid) !== '');
      send(server, 'SIGKILL');
      await stage.rows();
    },
  },
];
