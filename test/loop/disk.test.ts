/**
 * Goal: a filling volume stops writes and lets them go on, whoever leads; what a human set is never undone and survives
 * a change of primary; what the agent or a hand-over set never stays for nothing. Method: the real loop under virtual time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VolumeUse } from '../../agent/core/model.ts';
import { settledWorld, type World } from './world.ts';

const gib = 2 ** 30;

function aVolume(usedPercent: number, part: Partial<VolumeUse> = {}): VolumeUse[] {
  const usedRatio = usedPercent / 100;
  return [{ mount: 'data', capacityBytes: 100 * gib, availableBytes: (1 - usedRatio) * 100 * gib, usedRatio, ...part }];
}

function fill(world: World, name: string, usedPercent: number, part: Partial<VolumeUse> = {}): void {
  const node = world.nodes.get(name);
  assert.ok(node !== undefined);
  node.volumes = aVolume(usedPercent, part);
}

async function filledWorld(members = 3, config?: string): Promise<{ world: World; primary: string }> {
  const world = await settledWorld({ members, ...(config === undefined ? {} : { config }) });
  for (const name of world.nodes.keys()) fill(world, name, 50);
  await world.run(3000);
  return { world, primary: world.primary() ?? '' };
}

const isReadOnly = (world: World, name: string) => world.database.server(name).readOnly;
const markOf = (world: World, name: string) => world.nodes.get(name)?.brake?.owner;
const happened = (world: World, reason: string) => world.kube.events.filter((event) => event.reason === reason);

test('a primary whose volume fills takes no writes within a moment, says so, and goes on when there is room', async () => {
  const { world, primary } = await filledWorld();
  fill(world, primary, 96);
  await world.until('read-only', () => isReadOnly(world, primary), 1000);
  assert.equal(markOf(world, primary), 'agent');
  assert.equal(world.primary(), primary);
  await world.run(60_000);
  assert.equal(happened(world, 'ReadOnlySet').length, 1);
  assert.match(happened(world, 'DiskPressure')[0]?.note ?? '', /volume data is 96% full.*would leave room/);
  fill(world, primary, 92);
  await world.run(60_000);
  assert.equal(isReadOnly(world, primary), true);
  fill(world, primary, 48, { capacityBytes: 200 * gib });
  await world.until('writable', () => !isReadOnly(world, primary), 1000);
  assert.equal(happened(world, 'ReadOnlyCleared').length, 1);
  const marked = world.clock.now();
  await world.until('rows are acknowledged', () => world.database.acked.some((ack) => ack.at > marked));
  world.singleWriter();
  world.loseNothing();
});

test('each mount has one line in the log at each start of the agent, and what grew is told', async () => {
  const { world, primary } = await filledWorld(1);
  const lines = () => world.story.filter((line) => line.includes(`${primary} info volume {"mount":"data"`)).length;
  await world.run(10_000);
  assert.equal(lines(), 1);
  world.killAgent(primary);
  world.startAgent(primary);
  await world.run(10_000);
  assert.equal(lines(), 2);
  fill(world, primary, 25, { capacityBytes: 200 * gib });
  await world.until('it is told', () => happened(world, 'DiskPressure').length > 0, 5000);
  assert.match(happened(world, 'DiskPressure')[0]?.note ?? '', /^volume data grew from 100 GiB to 200 GiB$/);
});

test('the mark is on the volume before the switch is on', async () => {
  const { world, primary } = await filledWorld(1);
  fill(world, primary, 96);
  for (let turn = 0; turn < 2000 && !isReadOnly(world, primary); turn += 1) await world.run(1);
  assert.equal(isReadOnly(world, primary), true);
  assert.equal(markOf(world, primary), 'agent');
});

test('at a critical level the write label goes, and comes back below it', async () => {
  const { world, primary } = await filledWorld();
  fill(world, primary, 99);
  await world.until('no label', () => world.kube.pods.get(primary)?.labels['opengauss.role'] === undefined, 5000);
  assert.equal(isReadOnly(world, primary), true);
  await world.run(20_000);
  assert.equal(world.kube.primaries().length, 0);
  assert.equal(world.database.server(primary).role, 'Primary');
  fill(world, primary, 96);
  await world.until('the label', () => world.primary() === primary, 5000);
});

test('the size that people are told stands on the pod while the volume is above its pre-alarm', async () => {
  const { world, primary } = await filledWorld();
  const size = () => world.kube.pods.get(primary)?.annotations['opengauss.agent/suggested-size'];
  fill(world, primary, 88);
  await world.until('the annotation', () => size() !== undefined, 10_000);
  assert.equal(size(), 'data=126Gi');
  fill(world, primary, 50);
  await world.until('it is gone', () => size() === undefined, 10_000);
});

test('a switch that cannot be set is tried again in time, not without a pause, and told once', async () => {
  const { world, primary } = await filledWorld(1);
  const server = world.database.server(primary);
  server.refusedSwitches = 0;
  fill(world, primary, 99);
  await world.run(10_000);
  assert.ok(server.refusedSwitches >= 10 && server.refusedSwitches <= 60, `${server.refusedSwitches} tries in ten seconds`);
  assert.equal(world.story.filter((line) => line.includes('the read-only switch was not changed')).length, 1);
  server.refusedSwitches = undefined;
  await world.until('read-only', () => isReadOnly(world, primary), 1000);
});

test('a human’s read-only is never undone: not by room, not by a restart of the agent, not by a switchover and back', async () => {
  const { world, primary } = await filledWorld();
  world.database.server(primary).readOnly = true;
  await world.run(30_000);
  fill(world, primary, 96);
  await world.run(5000);
  fill(world, primary, 50);
  await world.run(60_000);
  assert.equal(isReadOnly(world, primary), true);
  world.killAgent(primary);
  world.startAgent(primary);
  await world.run(30_000);
  assert.equal(isReadOnly(world, primary), true);
  world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
  await world.until('the other leads', () => world.primary() === 'og-demo-1');
  await world.until('read-only there', () => isReadOnly(world, 'og-demo-1'), 10_000);
  await world.run(30_000);
  assert.equal(isReadOnly(world, 'og-demo-1'), true);
  assert.equal(happened(world, 'ReadOnlyCleared').length, 0);
  // The human takes it back where it is in force; the file of the former primary still says on.
  world.database.server('og-demo-1').readOnly = false;
  await world.run(30_000);
  assert.equal(isReadOnly(world, 'og-demo-1'), false);
  world.kube.ask({ kind: 'switchover', target: primary });
  await world.until('the first leads again', () => world.primary() === primary);
  await world.until('and takes writes', () => !isReadOnly(world, primary), 10_000);
});

test('a human’s read-only survives the loss of the primary', async () => {
  const { world, primary } = await filledWorld();
  world.database.server(primary).readOnly = true;
  await world.run(5000);
  world.database.kill(primary);
  await world.until('another primary', () => world.primary() !== undefined && world.primary() !== primary);
  const successor = world.primary() ?? '';
  await world.until('read-only there', () => isReadOnly(world, successor), 10_000);
  await world.run(30_000);
  assert.equal(isReadOnly(world, successor), true);
});

test('an agent that is started again takes back what the one before set', async () => {
  const { world, primary } = await filledWorld();
  fill(world, primary, 96);
  await world.until('read-only', () => isReadOnly(world, primary), 1000);
  world.killAgent(primary);
  fill(world, primary, 50);
  world.startAgent(primary);
  await world.until('writable', () => !isReadOnly(world, primary), 30_000);
});

test('a successor with room takes writes although the old primary was read-only, and one without does not', async () => {
  for (const used of [50, 96]) {
    const { world, primary } = await filledWorld();
    for (const name of world.nodes.keys()) if (name !== primary) fill(world, name, used);
    fill(world, primary, 96);
    await world.until('read-only', () => isReadOnly(world, primary), 1000);
    world.database.kill(primary);
    await world.until('another primary', () => world.primary() !== undefined && world.primary() !== primary);
    const successor = world.primary() ?? '';
    await world.run(5000);
    assert.equal(isReadOnly(world, successor), used === 96, `${used}% on the successor`);
    if (used === 50) await world.until('rows', () => world.database.acked.some((ack) => ack.by === successor));
    world.singleWriter();
    world.loseNothing();
  }
});

test('use that is not known changes nothing, on or off', async () => {
  const { world, primary } = await filledWorld();
  fill(world, primary, 99, { stalled: true });
  await world.run(30_000);
  assert.equal(isReadOnly(world, primary), false);
  fill(world, primary, 96);
  await world.until('read-only', () => isReadOnly(world, primary), 1000);
  fill(world, primary, 0, { fault: 'absent' });
  await world.run(60_000);
  assert.equal(isReadOnly(world, primary), true);
  assert.ok(happened(world, 'DiskPressure').some((event) => /stays as it is/.test(event.note)));
});

test('a server that died of a full volume is not started again and again, and comes back when there is room', async () => {
  const { world, primary } = await filledWorld(1);
  // What was held back is used up.
  Object.assign(world.nodes.get(primary) ?? {}, { reserves: {} });
  fill(world, primary, 100, { availableBytes: 4096 });
  world.database.kill(primary);
  const pid = () => world.database.server(primary).process?.pid;
  await world.run(1000);
  assert.equal(pid(), undefined);
  for (let second = 0; second < 60; second += 1) {
    await world.run(1000);
    assert.equal(pid(), undefined);
  }
  fill(world, primary, 60);
  await world.until('it is back', () => world.database.server(primary).role === 'Primary' && world.primary() === primary);
});

for (const mount of ['data', 'wal']) {
  test(`a server that died of a full ${mount} volume starts on what was held back there`, async () => {
    const { world, primary } = await filledWorld(1);
    const node = world.nodes.get(primary);
    assert.ok(node !== undefined);
    const wal = { mount: 'wal', capacityBytes: 10 * gib, availableBytes: 9 * gib, usedRatio: 0.1 };
    node.volumes = [...aVolume(50), wal];
    await world.until('both are held back', () => Object.values(node.reserves).every((bytes) => bytes === 64 * 2 ** 20), 10_000);
    node.volumes = node.volumes.map((one) => (one.mount === mount ? { ...one, availableBytes: 4096, usedRatio: 1 } : one));
    world.database.kill(primary);
    await world.until('it is back', () => world.database.server(primary).process !== undefined, 10_000);
    assert.equal(node.reserves[mount], 0);
    assert.equal(Object.values(node.reserves).filter((bytes) => bytes > 0).length, 1, 'the other one is kept');
    const told = happened(world, 'DiskPressure').filter((event) => /held back are given free/.test(event.note));
    assert.deepEqual([told.length, told[0]?.note.includes(`volume ${mount} `)], [1, true]);
  });
}

test('a hand-over that is given up leaves the agent’s brake, and takes its own away', async () => {
  for (const used of [50, 96]) {
    const { world, primary } = await filledWorld();
    fill(world, primary, used);
    await world.run(2000);
    world.kube.ask({ kind: 'switchover', target: 'og-demo-1' });
    await world.until('it is under way', () => world.kube.request?.phase === 'running');
    world.killNode('og-demo-1');
    await world.run(60_000);
    assert.equal(world.primary(), primary);
    assert.equal(isReadOnly(world, primary), used === 96);
  }
});

for (const [what, part] of [
  ['hangs', { stalled: true, stalledMs: 15_000 }],
  ['was remounted read-only', { fault: 'read-only' }],
] as const) {
  test(`a primary whose volume ${what} lets its lease go, asks nobody to wait, and is succeeded`, async () => {
    const { world, primary } = await filledWorld();
    if ('stalled' in part) Object.assign(world.database.server(primary), { frozen: true, undying: true });
    fill(world, primary, 50, part);
    await world.until('another primary', () => world.primary() !== undefined && world.primary() !== primary, 40_000);
    world.singleWriter();
    world.loseNothing();
  });
}
