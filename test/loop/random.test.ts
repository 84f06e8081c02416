/**
 * Goal: under random faults, one after the other and on top of each other, two members never acknowledge at once and no
 * acknowledged row is lost; when the faults stop, there is one primary and everybody streams. Method: seeded schedules
 * over the world of world.ts. A failing seed is printed with the story; `SEED=… npm test -- loop` replays it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWorld, type World } from './world.ts';

/** Mulberry32: small, fast, the same everywhere. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const first = Number(process.env['SEED'] ?? 1);
const count = process.env['SEED'] === undefined ? Number(process.env['SEEDS'] ?? 6) : 1;

for (let seed = first; seed < first + count; seed += 1) {
  for (const members of [2, 3]) {
    test(`seed ${seed}: random faults lose nothing and end in one primary (${members} members, quorum)`, async () => {
      const next = random(seed);
      const world = await settledWorld({ members, chance: () => next() < 0.15 });
      const names = [...world.nodes.keys()];
      for (let turn = 0; turn < 12; turn += 1) {
        fault(world, names, next);
        await world.run(Math.floor(next() * 12_000));
      }
      world.heal();
      for (const name of names) if (world.nodes.get(name)?.loop === undefined) world.startAgent(name);
      const settled = () => world.primary() !== undefined && world.standbys().length === members - 1;
      await world.until(`seed ${seed}: one primary and everybody streaming`, settled, 120_000);
      world.singleWriter();
      world.loseNothing();
      assert.ok(world.database.acked.length > 0);
    });
  }
}

function fault(world: World, names: string[], next: () => number): void {
  const name = names[Math.floor(next() * names.length)] ?? '';
  const others = names.filter((other) => other !== name);
  const say = (what: string) => world.story.push(`${((world.clock.now() - 1_000_000) / 1000).toFixed(3)} fault: ${what}`);
  const dead = world.nodes.get(name)?.loop === undefined;
  switch (Math.floor(next() * 8)) {
    case 0:
      say(`server of ${name} killed`);
      world.database.kill(name);
      return;
    case 1:
      world.killAgent(name);
      return;
    case 2:
    case 3:
      say(`agent of ${name} started`);
      if (dead) world.startAgent(name);
      return;
    case 4:
      world.killNode(name);
      return;
    case 5:
      world.cut(name, next() < 0.4 ? 'all' : next() < 0.5 ? 'kube' : 'peers');
      return;
    case 6:
      say('everything healed');
      world.heal();
      return;
    default:
      say(`switchover to ${others[0]}`);
      world.kube.ask({ kind: 'switchover', target: others[0] });
  }
}
