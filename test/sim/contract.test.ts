/**
 * Goal: the model server does what the stand-in's contract says of openGauss, as far as the model has it. Method: the
 * titles of the contract as a table, each played on model servers through the agents' port, or left out and counted.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { playCase, played } from './contract.ts';
import { leftOut } from './leftout.ts';

/** Those that a table makes as they are written there. */
const titles = globSync('test/standin/contract/*.test.ts').flatMap((path) => {
  const file = basename(path);
  const text = readFileSync(path, 'utf8');
  const found = [...text.matchAll(/^ *test\(\s*(['`])((?:(?!\1)[^\\]|\\.)*)\1/gm)].map(([, , title = '']) => ({ file, title }));
  assert.equal(found.length, [...text.matchAll(/^ *test\(/gm)].length, `${file} has a test whose title is not found`);
  return found;
});

/** The engine wants to be called outside of any promise. */
function outside<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) =>
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    }),
  );
}

for (const title of Object.keys(played)) {
  test(`the model: ${title}`, async () => {
    assert.ok(await outside(() => playCase(title)));
  });
}

test('every case of the contract is played on the model or left out with a reason', (t) => {
  const known = titles.map(({ title }) => title);
  assert.deepEqual(
    [...Object.keys(played), ...Object.keys(leftOut)].filter((title) => !known.includes(title)),
    [],
    'cases that the contract does not have any more',
  );
  for (const { file, title } of titles) {
    const either = (played[title] !== undefined) !== (leftOut[title] !== undefined);
    assert.ok(either, `${file}: ${title} is to be played on the model, or left out with a reason, and not both`);
  }
  t.diagnostic(`${known.length} cases: ${Object.keys(played).length} played, ${Object.keys(leftOut).length} left out`);
  assert.ok(known.length > 60);
});
