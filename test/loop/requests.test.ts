/**
 * Goal: what people ask for by a request is done, refused or given up in words, and never costs an acknowledged commit
 * that nobody gave away. Method: the real loop under virtual time (world.ts), the request as the command writes it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Request } from '../../agent/core/model.ts';
import { isPrimary } from './server.ts';
import { settledWorld, type World } from './world.ts';

/** The request as it ended. */
async function ended(world: World, ms = 60_000): Promise<Request> {
  const phases = ['done', 'refused', 'failed', 'timed-out', 'rolled-back'];
  await world.until('the end of the request', () => phases.includes(world.kube.request?.phase ?? ''), ms);
  return world.kube.request as Request;
}

function lostRows(world: World, primary: string): number {
  const have = new Set(world.database.server(primary).data?.wal.map((record) => record.id));
  return world.database.acked.filter((ack) => !have.has(ack.id)).length;
}

/** Two members; the standby was away while the primary went on alone and was lost; then the standby comes back. */
async function blockedWorld(): Promise<World> {
  const world = await settledWorld({ members: 2, config: 'sync:\n  degradeAfterSeconds: 5\n' });
  assert.equal(world.primary(), 'og-demo-0');
  world.killNode('og-demo-1');
  await world.until('the degraded entry', () => world.kube.lease?.entries.length === 1 && world.kube.lease.entries[0]?.w === 0);
  await world.run(3000);
  world.killNode('og-demo-0');
  world.startAgent('og-demo-1');
  await world.run(20_000);
  return world;
}

test('a switchover in mode off that is carried out in order is told as done, and loses nothing', async () => {
  const world = await settledWorld({ config: 'sync:\n  mode: off\n' });
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
  assert.deepEqual([(await ended(world)).phase, world.primary()], ['done', 'og-demo-1']);
  assert.equal(lostRows(world, 'og-demo-1'), 0);
});

test('an answer that does not arrive is written again, and told once it has', async () => {
  const world = await settledWorld();
  const notSent = { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'timed out' } as const;
  let refusals = 5;
  world.kube.trouble = ({ verb }) => (verb === 'writeRequest' && refusals-- > 0 ? notSent : undefined);
  world.kube.ask({ kind: 'switchover', target: 'og-demo-9' });
  assert.equal((await ended(world)).phase, 'refused');
  await world.run(1000);
  assert.ok(refusals <= 0);
  assert.equal(world.story.filter((line) => line.includes('request answered')).length, 1);
});

test('a switchover is not begun before its answer is written', async () => {
  const world = await settledWorld();
  const notSent = { of: 'kube', kind: 'timeout', done: 'no', detail: 'not sent' } as const;
  let refusals = 1;
  world.kube.trouble = ({ verb }) => (verb === 'writeRequest' && refusals-- > 0 ? notSent : undefined);
  const before = world.promotions.length;
  world.kube.ask({ kind: 'switchover' });
  assert.equal((await ended(world)).phase, 'done');
  await world.run(10_000);
  assert.equal(world.promotions.length, before + 1);
});

test('a switchover that people take back before its answer is written is not begun', async () => {
  const world = await settledWorld();
  const conflict = { of: 'kube', kind: 'conflict', done: 'no', code: '409', detail: 'the object has been modified' } as const;
  const term = world.kube.lease?.term ?? 0;
  world.kube.trouble = ({ verb }) => {
    const { request } = world.kube;
    if (verb !== 'writeRequest' || request?.phase !== 'open') return undefined;
    world.kube.request = { ...request, phase: 'refused', result: 'taken back' };
    return conflict;
  };
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
  await world.run(10_000);
  assert.deepEqual([world.kube.request?.phase, world.kube.lease?.term, world.primary()], ['refused', term, 'og-demo-0']);
});

test('a switchover in mode off that was broken off before its primary was lost is not told as done by the target', async () => {
  const world = await settledWorld({ config: 'sync:\n  mode: off\n' });
  const notSent = { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'timed out' } as const;
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
  const [old, target] = ['og-demo-0', 'og-demo-1'];
  const names = () => world.kube.lease?.entries.map((entry) => entry.names.join()).join(' | ');
  await world.until('only the target acknowledges', () => names() === target);
  world.killAgent(old);
  world.kube.trouble = ({ member, verb }) => (member === old && verb === 'writeRequest' ? notSent : undefined);
  world.startAgent(old);
  await world.until('the old primary acknowledges alone again', () => names() === '', 60_000);
  world.cut(old, 'peers');
  await world.run(1000);
  world.killNode(old);
  const { phase, result } = await ended(world);
  assert.equal(world.primary(), target);
  assert.ok(lostRows(world, target) > 0, 'nothing was at stake');
  assert.deepEqual([phase, /may lack commits/.test(result ?? '')], ['failed', true]);
});

describe('a failover asked for', () => {
  test('while nobody may take over is refused with what would be lost, and done when that is accepted', async () => {
    const world = await blockedWorld();
    assert.equal(world.primary(), 'og-demo-0', 'its label is all that is left');
    assert.equal(isPrimary(world, 'og-demo-1'), false);
    const blocked = world.kube.events.filter((event) => event.reason === 'FailoverBlocked');
    assert.equal(blocked.length, 1);
    assert.match(blocked[0]?.note ?? '', /og-demo-0 acknowledged commits alone.*failover --to og-demo-1 --allow-data-loss/);

    world.kube.ask({ kind: 'failover', target: 'og-demo-1' });
    const refused = await ended(world);
    assert.equal(refused.phase, 'refused');
    assert.match(
      refused.result ?? '',
      /^commits may be lost: og-demo-1 is at [0-9A-F/]+ of term \d+; since term \d+ og-demo-0 acknowledged/,
    );
    assert.match(refused.hint ?? '', /--allow-data-loss/);

    world.kube.ask({ kind: 'failover', target: 'og-demo-1', options: { allowDataLoss: 'true' } });
    const unproven = await ended(world);
    assert.equal(unproven.phase, 'refused');
    assert.match(unproven.result ?? '', /og-demo-0 may still be a primary/);
    assert.equal(isPrimary(world, 'og-demo-1'), false);

    world.kube.ask({ kind: 'failover', target: 'og-demo-1', options: { allowDataLoss: 'true', dead: 'og-demo-0' } });
    const done = await ended(world);
    assert.equal(done.phase, 'done', done.result);
    assert.match(done.result ?? '', /^og-demo-1 is the primary, term \d+; accepted: .*og-demo-0 acknowledged commits alone/);
    assert.ok(lostRows(world, 'og-demo-1') > 0, 'what was given away is gone');
    world.startAgent('og-demo-0');
    await world.until('the old primary streams', () => world.standbys().includes('og-demo-0'), 60_000);
    assert.equal(world.primary(), 'og-demo-1');
    world.singleWriter();
  });

  test('is not done, whatever is accepted, while the last primary may be alive', async () => {
    const world = await settledWorld({ members: 2, config: 'sync:\n  degradeAfterSeconds: 5\n' });
    world.killNode('og-demo-1');
    await world.until('the degraded entry', () => world.kube.lease?.entries.at(-1)?.w === 0);
    world.startAgent('og-demo-1');
    world.cut('og-demo-1', 'peers');
    world.kube.ask({ kind: 'failover', target: 'og-demo-1', options: { allowDataLoss: 'true' } });
    const refused = await ended(world);
    assert.equal(refused.phase, 'refused', refused.result);
    await world.run(20_000);
    assert.equal(isPrimary(world, 'og-demo-0'), true);
    world.singleWriter();
    world.loseNothing();
  });

  test('over a primary whose own agent says that its server is down needs no other proof', async () => {
    const world = await blockedWorld();
    const pod = world.kube.pods.get('og-demo-0');
    assert.ok(pod !== undefined);
    world.kube.pods.set('og-demo-0', { ...pod, annotations: { 'opengauss.agent/fenced': 'true' } });
    world.startAgent('og-demo-0');
    await world.run(20_000);
    assert.equal(world.database.server('og-demo-0').process, undefined);
    world.kube.ask({ kind: 'failover', target: 'og-demo-1', options: { allowDataLoss: 'true' } });
    const done = await ended(world);
    assert.equal(done.phase, 'done', done.result);
    assert.equal(isPrimary(world, 'og-demo-1'), true);
  });

  test('with a vote set in sight loses nothing and needs nothing accepted', async () => {
    const world = await settledWorld({ config: 'failover: manual\n' });
    const old = world.primary() ?? '';
    const [next = ''] = world.standbys();
    world.killNode(old);
    await world.run(20_000);
    assert.equal(
      [...world.nodes.keys()].some((name) => isPrimary(world, name)),
      false,
    );
    world.kube.ask({ kind: 'failover', target: next });
    const done = await ended(world);
    assert.deepEqual([done.phase, isPrimary(world, next)], ['done', true], done.result);
    await world.run(3000);
    world.loseNothing();
  });

  test('to a member that is behind another one is refused and names that one', async () => {
    const world = await settledWorld({ config: 'failover: manual\n' });
    const old = world.primary() ?? '';
    const [behind = '', ahead = ''] = world.standbys();
    world.database.cutPairs.add(`${old} ${behind}`);
    await world.run(2000);
    world.killNode(old);
    await world.run(15_000);
    for (const options of [{}, { allowDataLoss: 'true', dead: old }]) {
      world.kube.ask({ kind: 'failover', target: behind, options });
      const refused = await ended(world);
      assert.deepEqual([refused.phase, refused.result], ['refused', `${ahead} has more than ${behind}`]);
    }
  });

  test('while there is a primary is refused', async () => {
    const world = await settledWorld();
    world.kube.ask({ kind: 'failover', target: 'og-demo-2', options: { allowDataLoss: 'true', dead: 'og-demo-0' } });
    const refused = await ended(world);
    assert.equal(refused.phase, 'refused');
    assert.match(refused.result ?? '', /^og-demo-0 is the primary/);
  });
});

describe('a restart asked for', () => {
  test('of a standby gives it another process, and the writes go on', async () => {
    const world = await settledWorld();
    const [name = ''] = world.standbys();
    const { process } = world.database.server(name);
    world.mark();
    world.kube.ask({ kind: 'restart', target: name });
    const done = await ended(world);
    assert.deepEqual([done.phase, done.result], ['done', `${name} runs again as a standby`]);
    assert.notEqual(world.database.server(name).process?.pid, process?.pid);
    assert.ok(world.longestGap() < 500, `gap ${world.longestGap()} ms`);
    await world.run(10_000);
    assert.equal(world.kube.events.filter((event) => event.reason === 'SwitchoverCompleted').length, 0);
    world.loseNothing();
  });

  test('of a primary hands its role over, once, and brings it back as a standby', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.kube.ask({ kind: 'restart', target: old });
    const done = await ended(world);
    assert.deepEqual([done.phase, done.result], ['done', `${old} runs again as a standby`]);
    const next = world.primary();
    const { term } = world.kube.lease ?? {};
    assert.notEqual(next, old);
    await world.run(20_000);
    assert.deepEqual([world.primary(), world.kube.lease?.term], [next, term]);
    world.loseNothing();
  });

  test('of a primary that nobody can take over from is refused, unless it is forced', async () => {
    const world = await settledWorld({ members: 2, config: 'sync:\n  degradeAfterSeconds: 5\n' });
    const { process } = world.database.server('og-demo-0');
    world.killNode('og-demo-1');
    await world.run(10_000);
    world.kube.ask({ kind: 'restart', target: 'og-demo-0' });
    assert.equal((await ended(world)).phase, 'refused');
    assert.equal(world.database.server('og-demo-0').process, process);
    world.kube.ask({ kind: 'restart', target: 'og-demo-0', options: { force: 'true' } });
    const done = await ended(world);
    assert.equal(done.phase, 'done', done.result);
    assert.notEqual(world.database.server('og-demo-0').process?.pid, process?.pid);
    world.loseNothing();
  });

  test('of a single member restarts it in place', async () => {
    const world = await settledWorld({ members: 1 });
    world.kube.ask({ kind: 'restart', target: 'og-demo-0' });
    assert.equal((await ended(world)).phase, 'done');
    assert.equal(isPrimary(world, 'og-demo-0'), true);
    world.loseNothing();
  });
});

describe('a reinit asked for', () => {
  test('of a standby copies its data anew, once, while another one acknowledges', async () => {
    const world = await settledWorld();
    const [name = '', other = ''] = world.standbys();
    const before = world.database.server(name).data?.dataId;
    let rested: string[] = [];
    world.clock.every(1, () => {
      const building = world.database.server(name).process === undefined;
      if (building) rested = [...rested, ...(world.kube.lease?.entries ?? []).flatMap((entry) => entry.names)];
    });
    world.mark();
    world.kube.ask({ kind: 'reinit', target: name });
    const done = await ended(world);
    assert.deepEqual([done.phase, done.result], ['done', `${name} was built anew from og-demo-0 and streams`]);
    const after = world.database.server(name).data?.dataId;
    assert.notEqual(after, before);
    assert.deepEqual([...new Set(rested)], [other], 'the record rests on it no more while it is down');
    assert.ok(world.longestGap() < 500, `gap ${world.longestGap()} ms`);
    await world.run(20_000);
    assert.equal(world.database.server(name).data?.dataId, after);
    assert.equal(world.kube.lease?.entries.at(-1)?.names.length, 2);
    world.loseNothing();
  });

  test('of the primary, or of a member that does not answer, is refused', async () => {
    const world = await settledWorld();
    world.kube.ask({ kind: 'reinit', target: 'og-demo-0' });
    assert.match((await ended(world)).result ?? '', /og-demo-0 is the primary/);
    world.killNode('og-demo-2');
    await world.run(5000);
    world.kube.ask({ kind: 'reinit', target: 'og-demo-2' });
    assert.deepEqual([(await ended(world)).phase, world.kube.request?.result], ['refused', 'og-demo-2 does not answer']);
  });

  test('whose primary is lost before it begins touches nothing', async () => {
    const world = await settledWorld({ members: 2 });
    const before = world.database.server('og-demo-1').data?.dataId;
    world.killNode('og-demo-0');
    world.kube.ask({ kind: 'reinit', target: 'og-demo-1', phase: 'running', options: { dataId: before ?? '' } });
    await world.run(60_000);
    assert.equal(world.database.server('og-demo-1').data?.dataId, before);
  });
});

describe('a switchover for later', () => {
  test('is done at its time and not before', async () => {
    const world = await settledWorld();
    const at = new Date(Date.parse(world.clock.wall()) + 30_000).toISOString();
    world.kube.ask({ kind: 'switchover', target: 'og-demo-1', options: { at } });
    await world.run(25_000);
    assert.deepEqual([world.primary(), world.kube.request?.phase], ['og-demo-0', 'open']);
    assert.equal((await ended(world)).phase, 'done');
    assert.ok(Date.parse(world.clock.wall()) >= Date.parse(at));
    world.loseNothing();
  });

  test('at a time that cannot be read is refused, not done at once', async () => {
    const world = await settledWorld();
    world.kube.ask({ kind: 'switchover', target: 'og-demo-1', options: { at: 'tonight' } });
    assert.equal((await ended(world)).phase, 'refused');
    assert.equal(world.primary(), 'og-demo-0');
  });
});
