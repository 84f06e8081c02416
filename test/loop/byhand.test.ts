/**
 * Goal: what people ask of members by hand (pause, fence) is done, keeps to what it promises, and never costs safety.
 * Method: the real loop under virtual time (world.ts), the wish written where a command writes it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fencedAnnotation, pausedAnnotation } from '../../agent/core/hand.ts';
import { isPrimary } from './server.ts';
import { settledWorld, type World } from './world.ts';

/** What kubectl or a command would write. */
async function annotate(world: World, name: string, annotations: Record<string, string | null>): Promise<void> {
  const pod = world.kube.pods.get(name);
  const patched = world.kube.port('a person').patchPod({ name, uid: pod?.uid ?? '' }, { annotations }, 1000);
  await world.run(10);
  assert.ok((await patched).ok);
}

function later(world: World, ms: number): string {
  return new Date(Date.parse(world.clock.wall()) + ms).toISOString();
}

function events(world: World, reason: string): string[] {
  return world.kube.events.filter((event) => event.reason === reason).map((event) => event.member);
}

describe('a paused cluster', () => {
  test('has a primary that goes on renewing and writing, and says when the pause begins and ends', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    const { term } = world.kube.lease ?? {};
    world.kube.setConfig('paused: true\n');
    await world.run(1000);
    world.mark();
    const version = world.kube.lease?.resourceVersion;
    await world.run(60_000);
    assert.notEqual(world.kube.lease?.resourceVersion, version);
    assert.deepEqual([world.primary(), world.kube.lease?.term], [old, term]);
    assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
    world.kube.setConfig('');
    await world.run(1000);
    assert.equal(events(world, 'Paused').length, 3);
    assert.equal(events(world, 'Resumed').length, 3);
  });

  test('starts, stops and promotes nothing', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.kube.setConfig('paused: true\n');
    await world.run(1000);
    const standby = world.standbys()[0] ?? '';
    world.database.kill(standby);
    await world.run(10_000);
    world.database.kill(old);
    await world.run(60_000);
    assert.deepEqual([world.database.server(standby).process, world.database.server(old).process], [undefined, undefined]);
    assert.deepEqual(
      [...world.nodes.keys()].filter((name) => isPrimary(world, name)),
      [],
    );
  });

  test('keeps its primary when the agent is restarted', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    const { process } = world.database.server(old);
    world.kube.setConfig('paused: true\n');
    await world.run(1000);
    world.mark();
    world.killAgent(old);
    await world.run(500);
    world.startAgent(old);
    await world.run(20_000);
    assert.equal(world.database.server(old).process, process);
    assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
  });

  test('fences a primary that has lost its lease all the same', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.kube.setConfig('paused: true\n');
    await world.run(1000);
    const cutAt = world.clock.now();
    world.cut(old, 'all');
    await world.run(60_000);
    assert.deepEqual(
      world.database.acked.filter((ack) => ack.by === old && ack.at > cutAt + 7000),
      [],
    );
    assert.equal(world.database.server(old).process, undefined);
    world.singleWriter();
  });

  test('ends its pause by itself at the time that was written down', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.kube.setConfig(`paused: true\npausedUntil: ${later(world, 30_000)}\n`);
    await world.run(5000);
    world.database.kill(old);
    await world.run(20_000);
    assert.equal(world.database.server(old).process, undefined);
    await world.until('a primary', () => [...world.nodes.keys()].some((name) => isPrimary(world, name)), 10_000);
    await world.run(3000);
    world.loseNothing();
  });

  test('finishes a promotion that was under way, so that writes do not wait for the end of the pause', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.database.kill(old);
    await world.until(
      'the promotion',
      () => isPrimary(world, world.kube.lease?.promoting?.member ?? '') && world.kube.lease?.promoting?.member !== old,
    );
    world.kube.setConfig('paused: true\n');
    await world.run(5000);
    const winner = world.kube.lease?.promoting?.member ?? '';
    assert.ok(isPrimary(world, winner));
    world.mark();
    await world.run(5000);
    assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
    world.singleWriter();
  });

  test('undoes a switchover that was under way, and its primary goes on', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
    await world.until('the others are pointed at the target', () => world.database.server('og-demo-2').data?.lock !== undefined);
    world.kube.setConfig('paused: true\n');
    await world.until('the end of the request', () => world.kube.request?.phase === 'rolled-back');
    world.mark();
    await world.run(10_000);
    assert.equal(world.primary(), old);
    assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
  });
});

describe('a paused member', () => {
  test('does not take over; the other one does, with its vote', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    const [paused = '', other = ''] = world.standbys();
    await annotate(world, paused, { [pausedAnnotation]: 'true' });
    await world.run(3000);
    world.killNode(old);
    await world.until('the other one', () => isPrimary(world, other), 30_000);
    await world.run(3000);
    world.loseNothing();
  });

  test('is left stopped until its pause has ended', async () => {
    const world = await settledWorld();
    const [paused = ''] = world.standbys();
    await annotate(world, paused, { [pausedAnnotation]: later(world, 30_000) });
    await world.run(3000);
    world.database.kill(paused);
    await world.run(20_000);
    assert.equal(world.database.server(paused).process, undefined);
    await world.until('it streams again', () => world.standbys().includes(paused), 20_000);
  });

  test('stays paused while its agent cannot reach the API server', async () => {
    const world = await settledWorld();
    const [paused = ''] = world.standbys();
    await annotate(world, paused, { [pausedAnnotation]: 'true' });
    await world.run(3000);
    world.cut(paused, 'kube');
    world.database.kill(paused);
    await world.run(100_000);
    assert.equal(world.database.server(paused).process, undefined);
  });
});

describe('a fenced member', () => {
  test('that leads hands over without a loss, stops, and stays down until it is let go', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.mark();
    await annotate(world, old, { [fencedAnnotation]: 'true' });
    await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old);
    assert.ok(world.longestGap() < 1500, `gap ${world.longestGap()} ms`);
    await world.run(60_000);
    assert.equal(world.database.server(old).process, undefined);
    const entry = world.kube.lease?.entries.at(-1);
    assert.equal(entry?.names.includes(old), false);
    await annotate(world, old, { [fencedAnnotation]: null });
    await world.until('it streams', () => world.standbys().includes(old));
    world.loseNothing();
    world.singleWriter();
  });

  test('that follows leaves the synchronous set, stops, and is not started by a failover', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    const [fenced = '', other = ''] = world.standbys();
    world.mark();
    await annotate(world, fenced, { [fencedAnnotation]: 'true' });
    await world.until('the server is down', () => world.database.server(fenced).process === undefined);
    await world.until(
      'the set without it',
      () => world.kube.lease?.entries.length === 1 && world.kube.lease.entries[0]?.names.join() === other,
    );
    assert.ok(world.longestGap() < 1500, `gap ${world.longestGap()} ms`);
    world.database.kill(old);
    await world.until('the other one', () => isPrimary(world, other));
    await world.run(10_000);
    assert.equal(world.database.server(fenced).process, undefined);
    world.loseNothing();
  });

  test('in strict keeps commits waiting rather than unacknowledged when it was the last one', async () => {
    const world = await settledWorld({ members: 2, config: 'sync:\n  mode: strict\n' });
    await annotate(world, 'og-demo-1', { [fencedAnnotation]: 'true' });
    await world.until('the server is down', () => world.database.server('og-demo-1').process === undefined);
    await world.run(1000);
    world.mark();
    await world.run(20_000);
    assert.ok(world.longestGap() >= 20_000);
    assert.equal(world.kube.lease?.entries.at(-1)?.w, 1);
    await annotate(world, 'og-demo-1', { [fencedAnnotation]: null });
    await world.until('it streams', () => world.standbys().length === 1);
    world.loseNothing();
  });

  test('is left as it is while the cluster is paused', async () => {
    const world = await settledWorld();
    world.kube.setConfig('paused: true\n');
    await world.run(3000);
    const old = world.primary() ?? '';
    await annotate(world, old, { [fencedAnnotation]: 'true' });
    await world.run(10_000);
    assert.equal(isPrimary(world, old), true);
  });
});
