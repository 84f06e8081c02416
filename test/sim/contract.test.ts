/**
 * Goal: the model server does what the stand-in's contract says of openGauss, as far as the model has it. Method: the
 * titles of the contract as a table, each played on model servers through the agents' port, or left out and counted.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { leftOut, playCase, played } from './contract.ts';

const titles = globSync('test/standin/contract/*.test.ts').flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/^test\(\s*'((?:[^'\\]|\\.)*)'/gm)].map(([, title]) => ({
    file: basename(file),
    title,
  })),
);

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
    Object.keys(played).filter((title) => !known.includes(title)),
    [],
    'cases that the contract does not have any more',
  );
  const rest = titles.filter(({ title }) => played[title ?? ''] === undefined);
  for (const { file, title } of rest) assert.ok(leftOut[file], `${file}: ${title} is neither played nor left out`);
  t.diagnostic(`${known.length} cases: ${known.length - rest.length} played, ${rest.length} left out`);
  assert.ok(known.length > 60);
});
