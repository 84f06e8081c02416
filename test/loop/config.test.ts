/**
 * Goal: whose acknowledgements count is never weakened by a configuration that nobody can read. Method: the real loop under
 * virtual time (world.ts); the ConfigMap is spoilt or deleted while agents run and while they start.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const strict = 'sync:\n  mode: strict\n  acks: 2\n';

function restartAgents(world: World): void {
  for (const name of world.nodes.keys()) {
    world.killAgent(name);
    world.startAgent(name);
  }
}

for (const [what, text] of [
  ['with a mistake', `${strict}nonsense: 1\n`],
  ['gone', undefined],
] as const) {
  test(`agents that are started with a configuration ${what} keep the mode of the record`, async () => {
    const world = await settledWorld({ config: strict });
    world.kube.config = text;
    // Volumes that have never seen it.
    for (const node of world.nodes.values()) delete node.records.config;
    restartAgents(world);
    await world.run(10_000);
    assert.equal(world.kube.lease?.syncMode, 'strict');
    assert.deepEqual(
      world.kube.lease?.entries.map((entry) => entry.w),
      [2],
    );
  });
}

test('agents that are started with a configuration that cannot be read go on with the last valid one', async () => {
  const world = await settledWorld({ config: `${strict}failover: manual\n` });
  world.kube.config = 'failover: [\n';
  restartAgents(world);
  await world.run(5000);
  const primary = world.primary() ?? '';
  world.killNode(primary);
  await world.run(30_000);
  assert.equal(world.primary(), primary, 'its label is all that is left: nobody takes over by itself');
  world.kube.setConfig(strict);
  await world.until('a successor', () => world.primary() !== primary);
});

test('a configuration that would make the records too large to be read again is in force and not kept', async () => {
  const world = await settledWorld({ config: strict });
  world.kube.setConfig(`${strict}# ${'"'.repeat(10_000)}\nhangSeconds: 20\n`);
  await world.run(2000);
  for (const node of world.nodes.values()) assert.equal(node.records.config, undefined);
  assert.equal(world.kube.events.filter((event) => event.reason === 'ConfigRejected').length, 0);
});

test('agents of a cluster whose configuration is deleted keep the last one, and say so', async () => {
  const world = await settledWorld({ config: strict });
  world.kube.config = undefined;
  for (const name of world.nodes.keys()) world.nodes.get(name)?.loop?.reread();
  await world.run(10_000);
  assert.equal(world.kube.lease?.syncMode, 'strict');
  assert.match(world.kube.events.find((event) => event.reason === 'ConfigRejected')?.note ?? '', /gone/);
});

test('agents of a cluster that never had a configuration go by the defaults, and nothing is wrong with that', async () => {
  const world = await settledWorld();
  restartAgents(world);
  await world.run(10_000);
  assert.equal(world.kube.lease?.syncMode, 'quorum');
  assert.equal(world.kube.events.filter((event) => event.reason === 'ConfigRejected').length, 0);
});

test('agents that are started with a configuration that cannot be read take the next good one', async () => {
  const world = await settledWorld({ config: strict });
  world.kube.config = 'nonsense: 1\n';
  restartAgents(world);
  await world.run(5000);
  world.kube.setConfig('sync:\n  mode: quorum\n');
  await world.until('the mode that is asked for', () => world.kube.lease?.syncMode === 'quorum');
});
