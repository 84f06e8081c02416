/**
 * Goal: each row of the table of faults that concerns the loop comes out as the table promises. Method: its scenes,
 * each with a few dice; `npm run sim -- --scene F7 --seeds 100` plays one row more often.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { elsewhere, scenes } from './scenes/index.ts';
import { play } from './scenes/play.ts';

const rowsOfTheTable = 71;
const times = 2;

/** The engine wants to be called outside of any promise. */
function outside<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => setImmediate(() => resolve(work())));
}

for (const scene of scenes) {
  test(`${scene.row}: ${scene.title}`, async () => {
    for (let seed = 1; seed <= times; seed += 1) {
      const { problems } = await outside(() => play(scene, seed));
      assert.deepEqual(problems, [], `npm run sim -- --scene ${scene.row} --seed ${seed} --replay --lines 0`);
    }
  });
}

test('every row of the table has a scene, or a place where it is looked at instead', () => {
  const rows = new Set(scenes.map((scene) => scene.row.replace(/[ab]$/, '')));
  for (let row = 1; row <= rowsOfTheTable; row += 1) {
    const name = `F${row}`;
    assert.ok(rows.has(name) !== (elsewhere[name] !== undefined), `${name} has a scene or a reason, not both`);
  }
});

test('every test that is named as such a place exists', () => {
  const named = Object.values(elsewhere).flatMap((why) => why.match(/test\/[\w./-]+/g) ?? []);
  assert.deepEqual(
    named.filter((path) => !existsSync(path)),
    [],
  );
});
