/**
 * Goal: while the write Service goes from one member to the next, nothing else changes that Services are made of: kube-proxy
 * writes them all together and not more than once a second. Method: every change of a label that a Service selects, in its
 * order, from the model API server.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

interface Change {
  pod: string;
  at: number;
  what: string;
  /** Whose server is primary at that moment. */
  writer: string | undefined;
}

/** What Services see from now on, one line per change of a pod's labels. */
function watchLabels(world: World): Change[] {
  const changes: Change[] = [];
  const { pods } = world.kube;
  const put = pods.set.bind(pods);
  pods.set = (name, pod) => {
    const before = pods.get(name)?.labels ?? {};
    const what = ['role', 'readable'].flatMap((key) => {
      const [was, is] = [before[`opengauss.${key}`], pod.labels[`opengauss.${key}`]];
      return was === is ? [] : [`${key}: ${was ?? '-'} → ${is ?? '-'}`];
    });
    if (what.length > 0) changes.push({ pod: name, at: world.clock.now(), what: what.join(', '), writer: writer(world) });
    return put(name, pod);
  };
  return changes;
}

const writer = (world: World) =>
  [...world.database.servers.values()].find(({ role, process }) => role === 'Primary' && process !== undefined)?.name;

const readable = (world: World) =>
  [...world.kube.pods.values()].filter((pod) => pod.labels['opengauss.readable'] === 'true').map((pod) => pod.name);

async function calm(members = 3): Promise<World> {
  const world = await settledWorld({ members });
  await world.until('readers have standbys only', () => readable(world).join() === world.standbys().join());
  await world.run(5000);
  return world;
}

/** Changes up to the moment the write Service leads to a new primary, and its own in the two seconds after it. */
function around(changes: Change[]): { before: Change[]; labelled: Change; after: Change[] } {
  const at = changes.findIndex(({ what }) => what.includes('→ primary'));
  const labelled = changes[at];
  assert.ok(labelled !== undefined, 'nobody is labelled as primary');
  const soon = changes.slice(at + 1).filter((one) => one.pod === labelled.pod && one.at < labelled.at + 2000);
  return { before: changes.slice(0, at), labelled, after: soon };
}

test('a member that takes over leaves the readers first, and nothing else changes with the write Service', async () => {
  const world = await calm();
  const old = world.primary() ?? '';
  const changes = watchLabels(world);
  world.database.kill(old);
  await world.until('another primary', () => world.kube.primaries().join() !== old && world.kube.primaries().length === 1);
  await world.run(8000);
  const { before, labelled, after } = around(changes);
  const [first, second, ...rest] = before;
  assert.equal(first?.pod, labelled.pod);
  assert.equal(first.what, 'readable: true → -');
  // By the successor, before it is primary: until then the old address refuses at once.
  assert.equal(second?.pod, old);
  assert.equal(second.writer, undefined);
  assert.deepEqual(rest, []);
  assert.equal(labelled.what, 'role: standby → primary');
  assert.deepEqual(after, []);
});

test('a switchover changes the write Service in one piece, once the old primary has ended', async () => {
  const world = await calm();
  const old = world.primary() ?? '';
  const changes = watchLabels(world);
  world.kube.ask({ kind: 'switchover' });
  world.mark();
  await world.until('the request is answered', () => world.kube.request?.phase === 'done', 60_000);
  const { before, labelled, after } = around(changes);
  const [away, unlabelled, ...rest] = before;
  assert.equal(away?.pod, labelled.pod);
  assert.equal(away.what, 'readable: true → -');
  // The server has ended by then: its address refuses at once.
  assert.equal(unlabelled?.pod, old);
  assert.equal(unlabelled.what, 'role: primary → -');
  assert.equal(unlabelled.writer, undefined);
  assert.deepEqual(rest, []);
  assert.equal(labelled.what, 'role: standby → primary');
  assert.deepEqual(after, []);
});

test('the only member that readers have stays theirs, also as primary', async () => {
  const world = await calm(2);
  const old = world.primary() ?? '';
  const changes = watchLabels(world);
  world.database.kill(old);
  await world.until('another primary', () => world.kube.primaries().join() !== old && world.kube.primaries().length === 1);
  const { labelled } = around(changes);
  assert.equal(labelled.what, 'role: standby → primary');
  assert.ok(readable(world).includes(labelled.pod));
  await world.until('the old one reads in its place', () => readable(world).join() === old, 60_000);
  const left = changes.find(({ pod, what }) => pod === labelled.pod && what === 'readable: true → -');
  assert.ok(left !== undefined && left.at >= labelled.at + 2000);
});

test('a primary whose server has ended and that nobody succeeds keeps its clients for two seconds', async () => {
  const world = await calm();
  const old = world.primary() ?? '';
  for (const name of world.standbys()) world.killNode(name);
  await world.run(1000);
  const changes = watchLabels(world);
  const killedAt = world.clock.now();
  world.database.server(old).startMs = 60_000;
  world.database.kill(old);
  await world.run(1500);
  assert.equal(changes.length, 0);
  await world.run(4000);
  const [lost] = changes;
  assert.equal(lost?.what, 'role: primary → -');
  assert.ok(lost.at >= killedAt + 2000);
});

test('a primary that does not answer keeps its clients for two seconds', async () => {
  const world = await calm();
  const old = world.primary() ?? '';
  const changes = watchLabels(world);
  const frozenAt = world.clock.now();
  world.database.server(old).frozen = true;
  await world.run(100);
  world.nodes.get(old)?.loop?.nudge();
  await world.run(1000);
  assert.equal(changes.length, 0);
  await world.run(6000);
  const [lost] = changes;
  assert.equal(lost?.what, 'role: primary → -');
  assert.ok(lost.at >= frozenAt + 2000);
});

test('a former primary that is started as a standby leaves its clients before it answers', async () => {
  const world = await calm();
  const old = world.primary() ?? '';
  for (const name of world.standbys()) world.killNode(name);
  await world.run(1000);
  world.database.kill(old);
  await world.until('it is primary again', () => writer(world) === old && world.kube.primaries().join() === old, 60_000);
  await world.run(5000);
  // Twice in five minutes: the lease is given up, to nobody.
  const changes = watchLabels(world);
  const before = world.database.server(old).process;
  world.database.kill(old);
  const isUp = () => world.database.server(old).process !== undefined && world.database.server(old).process !== before;
  await world.until('it is started', isUp);
  await world.run(world.database.server(old).startMs / 2);
  assert.deepEqual(
    changes.map(({ what }) => what),
    ['role: primary → -, readable: true → -'],
  );
});
