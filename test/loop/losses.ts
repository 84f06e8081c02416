/**
 * What the tables of crashes share: a cluster whose lease names its holder's container, the parts that a member can lose
 * and how each comes back by itself, and what has to hold in the end, whoever leads then. What has to hold all the time
 * is looked at all the time: one running primary at most.
 */
import assert from 'node:assert/strict';
import { isPrimary } from './server.ts';
import { settledWorld, type World } from './world.ts';

export const parts = ['server', 'agent', 'container', 'node'] as const;
export type Part = (typeof parts)[number];

/** The kubelet says that a container has ended, and starts the next one. A node is away for longer than a lease. */
const kubeletMs = { told: 700, back: 1500 };
const backMs = { agent: 1000, node: 9000 };

export interface Watched {
  world: World;
  /** Fails when two servers have been primary at a time. */
  onePrimary(): void;
}

/** A settled cluster in which that part is to be lost. Of containers the kubelet has told, and the lease names its holder's. */
export async function watchedWorld(members: number, part?: Part): Promise<Watched> {
  const world = await settledWorld({ members, restMs: 1200 });
  if (part === 'container') await nameContainers(world);
  let together: string | undefined;
  world.clock.quietly(5, () => {
    const primaries = [...world.nodes.keys()].filter((name) => isPrimary(world, name));
    if (primaries.length > 1) together ??= `${primaries.join(' and ')} at ${world.clock.now()}`;
  });
  const onePrimary = () => assert.equal(together, undefined, `two primaries\n${world.story.slice(-80).join('\n')}`);
  return { world, onePrimary };
}

async function nameContainers(world: World): Promise<void> {
  const startedAt = new Date(Date.parse(world.clock.wall()) - (world.clock.now() - 1_000_000)).toISOString();
  for (const name of world.nodes.keys()) world.kube.setContainer(name, { id: `${name}-0`, state: 'running', startedAt });
  await reach(world, 'the container stands in the lease', () => world.kube.lease?.containerId !== undefined);
}

/** Takes a part of a member away; it comes back by itself. */
export function lose(world: World, name: string, part: Part): void {
  switch (part) {
    case 'server':
      if (isDown(world, name)) void endsAsItStarts(world, name);
      else world.database.kill(name);
      return;
    case 'agent':
      world.killAgent(name);
      after(world, backMs.agent, () => world.startAgent(name));
      return;
    case 'container':
      loseContainer(world, name);
      return;
    case 'node':
      world.killNode(name);
      after(world, backMs.node, () => world.startAgent(name));
  }
}

function isDown(world: World, name: string): boolean {
  return world.database.server(name).process === undefined;
}

/** A server that is down already ends again at its next start, before it is up. */
async function endsAsItStarts(world: World, name: string): Promise<void> {
  const server = world.database.server(name);
  const { starts } = server;
  server.livesMs = 10;
  while (server.starts === starts) await world.clock.until(world.clock.now() + 1);
  server.livesMs = undefined;
}

/** PID 1 and everything in its PID namespace. */
function loseContainer(world: World, name: string): void {
  const before = world.kube.pods.get(name)?.container.id ?? '';
  world.killNode(name);
  after(world, kubeletMs.told, () => world.kube.setContainer(name, { id: before, state: 'waiting', ended: [before] }));
  after(world, kubeletMs.back, () => {
    world.startAgent(name);
    const id = `${name}-${world.nodes.get(name)?.incarnation}`;
    world.kube.setContainer(name, { id, state: 'running', startedAt: world.clock.wall(), ended: [before] });
  });
}

function after(world: World, ms: number, work: () => void): void {
  void world.clock.until(world.clock.now() + ms).then(work);
}

/** Until that holds, and no moment longer; fails with the story when it does not. */
export async function reach(world: World, what: string, holds: () => boolean): Promise<void> {
  const reached = await world.clock.reach(60_000, holds);
  assert.ok(reached, `not reached: ${what}\n${world.story.slice(-60).join('\n')}`);
}

/** In the end one primary has everything and takes commits, all others stream, the set is whole, and nothing is left behind. */
export async function recovers({ world, onePrimary }: Watched): Promise<void> {
  const names = [...world.nodes.keys()];
  const others = names.length - 1;
  const entries = () => world.kube.lease?.entries ?? [];
  await world.run(500);
  await reach(world, 'every agent is back', () => names.every((name) => world.nodes.get(name)?.loop !== undefined));
  await reach(world, 'one primary, and all others stream', () => settledPrimary(world) && world.standbys().length === others);
  await reach(world, 'the whole set', () => entries().length === 1 && entries()[0]?.names.length === others);
  await reach(world, 'nobody is frozen any more', () => names.every((name) => isFree(world, name)));
  await reach(world, 'the brake is off', () => !isBraked(world, world.primary() ?? ''));
  world.mark();
  await world.run(300);
  assert.ok(world.longestGap() < 200, `commits flow\n${world.story.slice(-40).join('\n')}`);
  world.loseNothing();
  world.singleWriter();
  onePrimary();
}

function settledPrimary(world: World): boolean {
  const primary = world.primary();
  return primary !== undefined && isPrimary(world, primary) && world.kube.lease?.promoting?.member === primary;
}

function isFree(world: World, name: string): boolean {
  return world.database.server(name).data?.lock === undefined && world.nodes.get(name)?.records.freeze === undefined;
}

function isBraked(world: World, name: string): boolean {
  return world.database.server(name).readOnly || world.nodes.get(name)?.brake?.owner !== undefined;
}
