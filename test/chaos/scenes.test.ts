/**
 * The scenes as a list and their judge, without a cluster: every row that is asked for is played or named as played
 * elsewhere, loss and two writers are never pardoned, and the order of acknowledgements tells two writers apart.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { alternating, type Result, verdictOf } from './run.ts';
import { elsewhere, type Scene, scenes, wantedRows } from './scenes.ts';

test('every row that is asked for has a scene, or is named as shown elsewhere', () => {
  const played = new Set(scenes.flatMap(({ rows }) => rows));
  assert.deepEqual(
    wantedRows.filter((row) => !played.has(row) && elsewhere[row] === undefined),
    [],
  );
});

test('the docs name the scenes of each row and their bounds', () => {
  const docs = readFileSync(new URL('../../docs/TESTING.md', import.meta.url), 'utf8');
  const lines = wantedRows.map((row) => {
    const own = scenes.filter(({ rows }) => rows.includes(row));
    const names = own.map(({ name }) => `\`${name}\``).join(', ') || elsewhere[row];
    const bounds = own.map(({ boundMs }) => (boundMs === undefined ? '–' : String(boundMs / 1000))).join(', ') || '–';
    return `| ${row} | ${names} | ${bounds} |`;
  });
  for (const line of lines) assert.ok(docs.includes(`${line}\n`), line);
});

test('scenes have names of their own', () => {
  assert.equal(new Set(scenes.map(({ name }) => name)).size, scenes.length);
  assert.equal(new Set(scenes.map(({ title }) => title)).size, scenes.length);
});

const scene: Scene = { name: 'x', rows: ['F1'], title: 'x', boundMs: 1000, play: () => Promise.resolve() };

function played(difference: Partial<Result>): Result {
  const plain = { outageMs: 500, acknowledged: 100, rate: 10, lost: 0, split: false, failure: undefined };
  return { scene, ...plain, notes: [], seconds: 1, healthy: true, ...difference };
}

test('an outage beyond the bound is told, and pardoned only where the promise is pending', () => {
  assert.equal(verdictOf(played({})), 'ok');
  assert.equal(verdictOf(played({ outageMs: 1001 })), 'over');
  assert.equal(verdictOf(played({ outageMs: undefined })), 'over');
  assert.equal(verdictOf(played({ failure: 'x' })), 'failed');
  assert.equal(verdictOf(played({ outageMs: 1001, scene: { ...scene, pending: 'y' } })), 'pending');
});

test('loss, two writers and a cluster that does not heal are failures, pending or not', () => {
  const pending = { ...scene, pending: 'y' };
  for (const difference of [{ lost: 1 }, { split: true }, { healthy: false }])
    assert.equal(verdictOf(played({ ...difference, scene: pending })), 'failed');
});

test('a server that acknowledges after its successor has begun is two writers', () => {
  const row = (n: number, at: number, server: string) => ({ n, at, server });
  assert.equal(alternating([row(1, 0, 'a'), row(2, 10, 'a'), row(3, 500, 'b'), row(4, 600, 'b')]), undefined);
  assert.match(alternating([row(1, 0, 'a'), row(2, 500, 'b'), row(3, 700, 'a')]) ?? '', /row 3 .* 200 ms after/);
  assert.equal(alternating([row(1, 0, 'a'), row(2, 500, 'b'), row(3, 510, 'a')]), undefined, 'answers may change places');
});
