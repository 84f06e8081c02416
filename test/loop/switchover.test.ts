/**
 * Goal: a switchover that is interrupted after any of its steps, by the loss of any party, ends in one primary that has
 * everything, everybody streaming, nobody pointed away, no brake left and an answer to the request. Method: a table of
 * steps and losses under virtual time; each cell is a cluster of its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

const old = 'og-demo-0';
const target = 'og-demo-1';
/** Where the command was given; with two members that is the old primary. */
const asking = 'og-demo-2';

interface Step {
  name: string;
  reached(world: World): boolean;
}

const entriesOf = (world: World) => world.kube.lease?.entries ?? [];
const holderOf = (world: World) => world.kube.lease?.holder ?? '';

const steps: Step[] = [
  { name: 'the request runs', reached: (world) => world.kube.request?.phase === 'running' },
  { name: 'the narrow entry is recorded', reached: (world) => entriesOf(world).length > 1 },
  {
    name: 'only the target acknowledges',
    reached: (world) => entriesOf(world).length === 1 && entriesOf(world)[0]?.names.join() === target,
  },
  { name: 'the others are pointed at the target', reached: (world) => world.database.server(asking).data?.lock !== undefined },
  { name: 'the brake is on', reached: (world) => world.database.server(old).readOnly },
  { name: 'the old server is killed', reached: (world) => world.database.server(old).process === undefined },
  { name: 'the lease is released', reached: (world) => holderOf(world) === '' },
  { name: 'the target holds the lease', reached: (world) => holderOf(world).startsWith(target) },
  { name: 'the promotion is recorded', reached: (world) => world.kube.lease?.promoting?.member === target },
  { name: 'the target is primary', reached: (world) => world.database.server(target).role === 'Primary' },
];

const losses = {
  'server of the old primary': (world: World) => world.database.kill(old),
  'agent of the old primary': (world: World) => world.killAgent(old),
  'node of the old primary': (world: World) => world.killNode(old),
  'server of the target': (world: World) => world.database.kill(target),
  'agent of the target': (world: World) => world.killAgent(target),
  'node of the target': (world: World) => world.killNode(target),
  'node of the asking member': (world: World) => world.killNode(asking),
};

async function reach(world: World, step: Step): Promise<void> {
  for (let waited = 0; !step.reached(world); waited += 1) {
    assert.ok(waited < 20_000, `${step.name}: not reached\n${world.story.slice(-40).join('\n')}`);
    await world.run(1);
  }
}

async function settles(world: World, members: number): Promise<void> {
  await world.run(3000);
  for (const [name, node] of world.nodes) if (node.loop === undefined) world.startAgent(name);
  const servers = () => [...world.nodes.keys()].map((name) => world.database.server(name));
  await world.until(
    'one primary and everybody streaming',
    () => world.primary() !== undefined && world.standbys().length === members - 1,
  );
  await world.until('an answer', () => !['open', 'running'].includes(world.kube.request?.phase ?? ''));
  await world.until('the whole set', () => entriesOf(world).length === 1 && entriesOf(world)[0]?.names.length === members - 1);
  await world.until('nobody pointed away', () => servers().every((server) => server.data?.lock === undefined));
  const primary = world.primary() ?? '';
  await world.until('the brake off', () => !world.database.server(primary).readOnly);
  world.mark();
  await world.run(500);
  assert.ok(world.longestGap() < 200, 'commits flow');
  world.loseNothing();
  world.singleWriter();
}

for (const members of [3, 2]) {
  for (const step of steps) {
    if (members === 2 && step.name === 'the others are pointed at the target') continue;
    for (const [loss, happens] of Object.entries(losses)) {
      if (members === 2 && loss === 'node of the asking member') continue;
      test(`${members} members: the ${loss} is lost when ${step.name}`, async () => {
        const world = await settledWorld({ members });
        world.kube.ask({ kind: 'switchover', target });
        await reach(world, step);
        happens(world);
        await settles(world, members);
      });
    }
  }
}

test('a primary that handed over without hearing of it, and won its lease back without hearing of it, leads as any other', async () => {
  const world = await settledWorld();
  const notSent = { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'timed out' } as const;
  world.kube.trouble = ({ member, verb }) =>
    member === old && verb === 'writeLease' && world.database.server(old).process === undefined ? notSent : undefined;
  world.kube.ask({ kind: 'switchover', target });
  await world.until('the target leads', () => world.primary() === target, 30_000);
  world.kube.trouble = () => undefined;
  await world.until('everybody streams', () => world.standbys().length === 2);
  await world.run(3000);
  world.kube.trouble = ({ member, verb }) =>
    member === old && verb === 'writeLease' && world.kube.lease?.heir === old ? 'lost' : undefined;
  world.kube.ask({ kind: 'switchover', target: old });
  await settles(world, 3);
  assert.equal(world.primary(), old);
});
