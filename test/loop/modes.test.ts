/**
 * Goal: the synchronous set under load, from mode to mode and from degraded back, never acknowledges what the record
 * does not cover, and goes on writing. Method: one cluster under virtual time, looked at after every millisecond where
 * order matters.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SyncEntry } from '../../agent/core/model.ts';
import { settledWorld, type World } from './world.ts';

const mode = (name: string) => `sync:\n  mode: ${name}\n  degradeAfterSeconds: 5\n`;

function entries(world: World): SyncEntry[] {
  return world.kube.lease?.entries ?? [];
}

/** What the server has in force is covered by some entry of the record: names that nobody recorded would count for nobody. */
function covered(world: World, name: string): void {
  const { syncNames } = world.database.server(name);
  const texts = entries(world).map((entry) =>
    entry.w === 0 ? '' : `ANY ${entry.w} (${entry.names.map((one) => `"${one}"`).join(', ')})`,
  );
  assert.ok(texts.includes(syncNames) || syncNames.includes('nobody'), `${syncNames} is not in ${texts.join(' | ')}`);
}

async function watched(world: World, name: string, what: string, holds: () => boolean, ms = 30_000): Promise<void> {
  for (let passed = 0; !holds(); passed += 1) {
    assert.ok(passed < ms, `not within ${ms} ms: ${what}\n${world.story.slice(-30).join('\n')}`);
    await world.run(1);
    covered(world, name);
  }
}

test('the mode is changed while the cluster writes, each way, and takes effect with the record', async () => {
  const world = await settledWorld({ config: mode('off') });
  const primary = world.primary() ?? '';
  world.mark();
  for (const next of ['quorum', 'strict', 'off', 'strict', 'quorum', 'off', 'quorum'] as const) {
    world.kube.setConfig(mode(next));
    const names = next === 'off' ? 0 : 2;
    await watched(world, primary, next, () => {
      const [only, other] = entries(world);
      return world.kube.lease?.syncMode === next && other === undefined && only?.names.length === names;
    });
    await world.run(50);
  }
  assert.equal(world.primary(), primary);
  assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
  world.killNode(primary);
  await world.until('a successor', () => world.primary() !== undefined && world.primary() !== primary);
  await world.run(1000);
  world.loseNothing();
});

test('two members: degraded is recorded before it is in force, and left only when the other one has everything', async () => {
  const world = await settledWorld({ members: 2, config: mode('quorum') });
  const primary = world.primary() ?? '';
  const [other = ''] = world.standbys();
  world.killNode(other);
  const lostAt = world.clock.now();
  await watched(world, primary, 'commits go on', () => world.database.acked.some((ack) => ack.at > lostAt + 100));
  // Counted from the look that showed it streaming last, up to a renewal before it was lost.
  assert.ok(world.clock.now() - lostAt >= 3000, 'commits waited');
  assert.equal(entries(world).at(-1)?.w, 0);
  assert.equal(world.database.server(primary).mostAvailable, true);
  world.startAgent(other);
  const wal = (name: string) => world.database.server(name).data?.wal.map((record) => record.id) ?? [];
  await watched(world, primary, 'the whole set', () => entries(world).length === 1 && entries(world)[0]?.w === 1);
  const have = new Set(wal(other));
  assert.deepEqual(
    world.database.acked.filter((ack) => !have.has(ack.id)),
    [],
  );
  assert.equal(world.database.server(primary).mostAvailable, false);
  world.killNode(primary);
  await world.until('the other one leads', () => world.primary() === other);
  await world.run(1000);
  world.loseNothing();
});

test('strict: commits wait for the other member for as long as it is away', async () => {
  const world = await settledWorld({ members: 2, config: mode('strict') });
  const primary = world.primary() ?? '';
  const [other = ''] = world.standbys();
  world.killNode(other);
  await world.run(100);
  const lostAt = world.clock.now();
  await world.run(8000);
  assert.ok(!world.database.acked.some((ack) => ack.at > lostAt));
  world.startAgent(other);
  await world.until('commits go on', () => world.database.acked.some((ack) => ack.at > lostAt));
  assert.equal(world.primary(), primary);
  world.loseNothing();
});

test('two members: the other one leads a degraded cluster never by itself', async () => {
  const world = await settledWorld({ members: 2, config: mode('quorum') });
  const primary = world.primary() ?? '';
  const [other = ''] = world.standbys();
  world.killNode(other);
  await world.until('degraded', () => entries(world).at(-1)?.w === 0 && entries(world).length === 1);
  await world.run(500);
  world.killNode(primary);
  world.startAgent(other);
  await world.run(30_000);
  assert.notEqual(world.primary(), other);
  assert.ok(world.kube.lease?.holder.startsWith(other) === false);
  world.startAgent(primary);
  await world.until('both are back', () => world.primary() === primary && world.standbys().length === 1);
  world.loseNothing();
});
