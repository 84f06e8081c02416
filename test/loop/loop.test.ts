/**
 * Goal: the loop as a whole, from an empty cluster through each kind of loss, loses no acknowledged row and never has
 * two members acknowledge. Method: the real loop under virtual time (world.ts), one fault per test.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const off = 'sync:\n  mode: off\n';

async function newPrimary(world: World, old: string): Promise<string> {
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old);
  return world.primary() ?? '';
}

for (const members of [1, 2, 3, 5]) {
  test(`an empty cluster gets one primary and streaming standbys (${members} members)`, async () => {
    const world = await settledWorld({ members });
    assert.equal(world.kube.facts.systemId, '42');
    assert.equal(world.primary(), 'og-demo-0');
    world.singleWriter();
    world.loseNothing();
  });
}

for (const members of [2, 3]) {
  for (const config of [undefined, off]) {
    const mode = config === undefined ? 'quorum' : 'off';
    test(`a primary whose server is killed is succeeded, and comes back as a standby (${members} members, ${mode})`, async () => {
      const world = await settledWorld({ members, ...(config === undefined ? {} : { config }) });
      const old = world.primary() ?? '';
      world.database.kill(old);
      const successor = await newPrimary(world, old);
      await world.until('all streaming', () => world.standbys().length === members - 1 && world.primary() === successor);
      world.singleWriter();
      if (config === undefined) world.loseNothing();
    });
  }
}

test('a single member whose server is killed restarts in place with a higher term', async () => {
  const world = await settledWorld({ members: 1 });
  const term = world.kube.lease?.term ?? 0;
  world.database.kill('og-demo-0');
  await world.run(200);
  await world.until('the primary is back', () => world.database.write('og-demo-0') && (world.kube.lease?.term ?? 0) > term);
  world.loseNothing();
});

test('a node that loses its power is succeeded after the lease has run out, and nothing acknowledged is lost', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.killNode(old);
  await newPrimary(world, old);
  await world.run(1000);
  world.loseNothing();
  world.startAgent(old);
  await world.until('the old primary streams', () => world.standbys().includes(old));
  world.singleWriter();
});

for (const config of [undefined, off]) {
  test(`a primary that is cut from everything stops acknowledging within 7 s and is succeeded (${config === undefined ? 'quorum' : 'off'})`, async () => {
    const world = await settledWorld(config === undefined ? {} : { config });
    const old = world.primary() ?? '';
    const cutAt = world.clock.now();
    world.cut(old, 'all');
    await world.run(60_000);
    const late = world.database.acked.filter((ack) => ack.by === old && ack.at > cutAt + 7000);
    assert.deepEqual(late, []);
    world.singleWriter();
    assert.notEqual(world.primary(), old);
    world.heal();
    await world.until('the old primary streams', () => world.standbys().includes(old));
    if (config === undefined) world.loseNothing();
  });
}

test('an agent that is killed and started again adopts its primary: no gap, the same term, the same process', async () => {
  const world = await settledWorld();
  const name = world.primary() ?? '';
  const { term } = world.kube.lease ?? {};
  const process = world.database.server(name).process;
  world.mark();
  world.killAgent(name);
  await world.run(500);
  world.startAgent(name);
  await world.run(20_000);
  assert.equal(world.database.server(name).process, process);
  assert.equal(world.kube.lease?.term, term);
  assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
});

test('an agent that is started again beside its primary leaves the label as it is: the write Service is never empty', async () => {
  const world = await settledWorld();
  const name = world.primary() ?? '';
  const seen = ['primary'];
  const { pods } = world.kube;
  const put = pods.set.bind(pods);
  pods.set = (key, pod) => {
    if (key === name) seen.push(String(pod.labels['opengauss.role']));
    return put(key, pod);
  };
  world.killAgent(name);
  await world.run(500);
  world.startAgent(name);
  await world.run(5000);
  assert.deepEqual(new Set(seen), new Set(['primary']));
});

test('a holder that is nudged all the time renews as often as one that is left alone', async () => {
  const world = await settledWorld();
  const loop = world.nodes.get(world.primary() ?? '')?.loop;
  world.clock.every(1900, () => loop?.nudge());
  const versions = new Map<string, number>();
  let longest = 0;
  for (let turn = 0; turn < 2000; turn += 1) {
    await world.run(10);
    const version = world.kube.lease?.resourceVersion ?? '';
    if (versions.has(version)) continue;
    const last = [...versions.values()].at(-1);
    versions.set(version, world.clock.now());
    if (last !== undefined) longest = Math.max(longest, world.clock.now() - last);
  }
  assert.ok(longest <= 2100, `${longest} ms between renewals`);
});

test('an agent that is killed for good leaves its server to PID 1, which kills it before anybody else leads', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.killAgent(old);
  await newPrimary(world, old);
  world.singleWriter();
  world.loseNothing();
});

test('without the fence of PID 1 a dead agent and a living server make two writers in mode off', async () => {
  const world = await settledWorld({ config: off });
  const old = world.primary() ?? '';
  for (const node of world.nodes.values()) node.fenceBroken = true;
  world.killAgent(old);
  await world.until('another primary in the lease', () => world.kube.lease?.holder.startsWith(old) === false, 30_000);
  await world.run(3000);
  assert.throws(() => world.singleWriter());
});

for (const members of [2, 3]) {
  for (const config of [undefined, off]) {
    test(`a switchover moves the primary and both old members stream again (${members} members, ${config === undefined ? 'quorum' : 'off'})`, async () => {
      const world = await settledWorld({ members, ...(config === undefined ? {} : { config }) });
      const old = world.primary() ?? '';
      world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
      await newPrimary(world, old);
      assert.equal(world.primary(), 'og-demo-1');
      await world.until('the request is done', () => world.kube.request?.phase === 'done');
      await world.until('all streaming', () => world.standbys().length === members - 1);
      await world.until('the full synchronous set', () => world.kube.lease?.entries.length === 1);
      world.loseNothing();
      world.singleWriter();
      assert.equal(world.database.server(old).readOnly, false);
    });
  }
}

test('a primary whose agent dies in a switchover goes on, and nobody stays pointed away', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
  await world.until('the others are pointed at the target', () => world.database.server('og-demo-2').data?.lock !== undefined);
  world.killAgent(old);
  await world.run(700);
  world.startAgent(old);
  await world.until('everybody streams', () => world.standbys().length === 2, 30_000);
  assert.equal(world.primary(), old);
  await world.until(
    'the whole set',
    () => world.kube.lease?.entries.length === 1 && world.kube.lease.entries[0]?.names.length === 2,
  );
  world.loseNothing();
});

test('a switchover whose target dies while the set is narrowed does not hang the writes', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
  await world.until('the narrow entry', () => (world.kube.lease?.entries.length ?? 0) > 1);
  world.killNode('og-demo-1');
  world.mark();
  await world.run(40_000);
  assert.equal(world.primary(), old);
  assert.ok(world.longestGap() < 20_000, `gap ${world.longestGap()} ms`);
  world.startAgent('og-demo-1');
  await world.until('everybody streams', () => world.standbys().length === 2);
  world.loseNothing();
});

test('a winner that is lost after it recorded its promotion is replaced by the others together', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.database.kill(old);
  await world.until('the recorded promotion', () => world.kube.lease?.promoting?.member !== old);
  const winner = world.kube.lease?.promoting?.member ?? '';
  world.killNode(winner);
  const leads = (name: string) =>
    world.database.server(name).role === 'Primary' && world.database.server(name).process !== undefined;
  await world.until(
    'another primary',
    () => world.primary() !== undefined && world.primary() !== winner && leads(world.primary() ?? ''),
    40_000,
  );
  await world.run(3000);
  world.loseNothing();
  world.startAgent(winner);
  await world.until('everybody streams', () => world.standbys().length === 2);
  world.loseNothing();
  world.singleWriter();
});

test('a request that nobody could act on before its deadline is not acted on later', async () => {
  const world = await settledWorld();
  const old = world.primary();
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1', deadline: '2026-01-01T00:00:00.000Z' });
  await world.until('the answer', () => world.kube.request?.phase === 'timed-out');
  assert.equal(world.primary(), old);
});

test('a switchover to a member that does not exist is refused with a reason', async () => {
  const world = await settledWorld();
  world.kube.ask({ kind: 'switchover', target: 'og-demo-9' });
  await world.until('the refusal', () => world.kube.request?.phase === 'refused');
  assert.match(world.kube.request?.result ?? '', /og-demo-9/);
});

test('a primary that is asked to stop hands over first', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.mark();
  world.nodes.get(old)?.loop?.stop();
  await newPrimary(world, old);
  await world.run(1000);
  world.loseNothing();
  assert.ok(world.longestGap() < 1500, `gap ${world.longestGap()} ms`);
});

test('a paused cluster does nothing about a dead primary until it is resumed', async () => {
  const world = await settledWorld();
  const old = world.primary() ?? '';
  world.kube.setConfig('paused: true\n');
  await world.run(5000);
  world.database.kill(old);
  await world.run(30_000);
  assert.equal(world.database.server(old).process, undefined);
  world.kube.setConfig('paused: false\n');
  await world.until(
    'a primary that writes',
    () =>
      world.primary() !== undefined &&
      world.database.server(world.primary() ?? '').role === 'Primary' &&
      world.database.server(world.primary() ?? '').process !== undefined,
  );
  world.loseNothing();
});

test('an invalid edit of the configuration changes nothing and is reported', async () => {
  const world = await settledWorld();
  const entries = JSON.stringify(world.kube.lease?.entries);
  world.kube.setConfig('lease:\n  fenceSeconds: 30\n');
  await world.run(10_000);
  assert.ok(world.kube.events.some((event) => event.reason === 'ConfigRejected'));
  assert.equal(JSON.stringify(world.kube.lease?.entries), entries);
});
