/**
 * Goal: a node is read only where people allow it, only while the holder on it is silent, and only the node on which it
 * ran counts. Method: the real loop under virtual time, with a lease so long that nobody would wait it out.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const config = 'lease: { durationSeconds: 200, fenceSeconds: 150 }';

async function nodesWorld(readsNodes = true): Promise<{ world: World; old: string; asked: string[] }> {
  const asked: string[] = [];
  const world = await settledWorld({ config, readsNodes });
  world.kube.trouble = ({ member, verb }) => {
    if (verb === 'readNode') asked.push(member);
    return undefined;
  };
  for (const name of world.nodes.keys()) world.kube.nodes.set(`node-of-${name}`, { outOfService: false, ready: true });
  world.mark();
  return { world, old: world.primary() ?? '', asked };
}

const succeeded = (world: World, old: string) => () => world.primary() !== undefined && world.primary() !== old;

test('a primary whose machine was declared off is succeeded long before its lease runs out, though its pod is gone', async () => {
  const { world, old, asked } = await nodesWorld();
  await world.run(10_000);
  assert.deepEqual(asked, [], 'nobody asks while it renews');
  world.killNode(old);
  await world.run(8000);
  assert.ok(asked.length > 0 && asked.length <= 10, `${asked.length} readings in 8 s`);
  const pod = world.kube.pods.get(old);
  assert.ok(pod !== undefined);
  world.kube.pods.delete(old);
  await world.run(35_000);
  world.kube.pods.set(old, { ...pod, uid: 'uid-9', node: 'node-of-nobody', ip: undefined });
  await world.run(35_000);
  world.kube.nodes.set(`node-of-${old}`, { outOfService: true, ready: false });
  await world.until('another primary', succeeded(world, old), 6000);
  world.singleWriter();
  world.loseNothing();
});

test("another node's taint proves nothing, and neither does a node that is gone", async () => {
  const { world, old } = await nodesWorld();
  for (const name of world.nodes.keys())
    if (name !== old) world.kube.nodes.set(`node-of-${name}`, { outOfService: true, ready: false });
  world.kube.nodes.delete(`node-of-${old}`);
  world.killNode(old);
  await world.run(30_000);
  assert.equal(world.kube.lease?.holder.split('/')[0], old);
});

test('without the setting no node is read', async () => {
  const { world, old, asked } = await nodesWorld(false);
  world.kube.nodes.set(`node-of-${old}`, { outOfService: true, ready: false });
  world.killNode(old);
  await world.run(20_000);
  assert.deepEqual([asked.length, world.kube.lease?.holder.split('/')[0]], [0, old]);
});

test('a right that was not given is asked for once a minute, told once, and proves nothing', async () => {
  const { world, old, asked } = await nodesWorld();
  const denied = { of: 'kube', kind: 'denied', done: 'no', detail: 'forbidden' } as const;
  world.kube.trouble = ({ member, verb }) => {
    if (verb === 'readNode') asked.push(member);
    return verb === 'readNode' ? denied : undefined;
  };
  world.killNode(old);
  await world.run(100_000);
  assert.equal(asked.length, 4, 'each of the others twice');
  assert.equal(world.kube.lease?.holder.split('/')[0], old);
  assert.equal(world.story.filter((line) => line.includes('cannot be read')).length, 2);
});
