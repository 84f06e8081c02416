/**
 * Goal: a member whose pod lost its labels is found again, and the cluster does not suffer meanwhile. Method: the real loop
 * under virtual time (world.ts); a person takes the labels away.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

/** `kubectl label pod NAME KEY- …` */
async function strip(world: World, name: string, keys: string[]): Promise<void> {
  const pod = world.kube.pods.get(name);
  const labels = Object.fromEntries(keys.map((key) => [key, null]));
  const patched = world.kube.port('a person').patchPod({ name, uid: pod?.uid ?? '' }, { labels }, 1000);
  await world.run(10);
  assert.ok((await patched).ok);
}

const all = [
  'app.kubernetes.io/name',
  'app.kubernetes.io/instance',
  'app.kubernetes.io/component',
  'opengauss.cluster',
  'opengauss.role',
  'opengauss.readable',
];

for (const who of ['primary', 'standby'] as const) {
  test(`a ${who} whose pod is stripped of every label puts back what it is found by, and keeps its role`, async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    const { term } = world.kube.lease ?? {};
    const name = who === 'primary' ? old : (world.standbys()[0] ?? '');
    const before = { ...world.kube.pods.get(name)?.labels };
    world.mark();
    await strip(world, name, all);
    await world.until('its labels are back', () =>
      Object.entries(before).every(([key, value]) => world.kube.pods.get(name)?.labels[key] === value),
    );
    await world.run(20_000);
    assert.deepEqual([world.primary(), world.kube.lease?.term], [old, term]);
    assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
    world.singleWriter();
    world.loseNothing();
  });
}

test('what a person has put in place of a label stays', async () => {
  const world = await settledWorld();
  const name = world.standbys()[0] ?? '';
  const pod = world.kube.pods.get(name);
  const labels = { 'app.kubernetes.io/component': 'mine' };
  const patched = world.kube.port('a person').patchPod({ name, uid: pod?.uid ?? '' }, { labels }, 1000);
  await world.run(20_000);
  assert.ok((await patched).ok);
  assert.equal(world.kube.pods.get(name)?.labels['app.kubernetes.io/component'], 'mine');
});

test('an agent whose pod was made anew under its name labels nothing', async () => {
  const world = await settledWorld();
  const name = world.standbys()[0] ?? '';
  const pod = world.kube.pods.get(name);
  assert.ok(pod !== undefined);
  // The one that the list shows now is another one, which has no label at all yet.
  world.kube.pods.set(name, { ...pod, uid: 'another', labels: {}, resourceVersion: '9999' });
  for (const node of world.nodes.values()) node.loop?.reread();
  await world.run(20_000);
  assert.deepEqual(world.kube.pods.get(name)?.labels, {});
});
