/**
 * The scenes as a list and their judge, without a cluster: every row that is asked for is played or named as played
 * elsewhere, loss and two writers are never pardoned, and the order of acknowledgements tells two writers apart.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readAsked } from './asked.ts';
import { fewestAtPlateau } from './rates.ts';
import { renderMarkdown } from './report.ts';
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
  return { scene, mode: 'quorum', writers: 4, ...plain, notes: [], seconds: 1, healthy: true, ...difference };
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

test('a server that acknowledges what it was asked after its successor has begun is two writers', () => {
  const row = (n: number, at: number, server: string, asked = at) => ({ n, asked, at, server });
  assert.equal(alternating([row(1, 0, 'a'), row(2, 10, 'a'), row(3, 500, 'b'), row(4, 600, 'b')]), undefined);
  assert.match(alternating([row(1, 0, 'a'), row(2, 500, 'b'), row(3, 700, 'a')]) ?? '', /row 3 .* 200 ms after/);
  assert.equal(alternating([row(1, 0, 'a'), row(2, 500, 'b'), row(3, 510, 'a')]), undefined, 'answers may change places');
  const late = [row(1, 0, 'a'), row(2, 500, 'b'), row(3, 700, 'a', 400)];
  assert.equal(alternating(late), undefined, 'an answer may come late');
  assert.match(alternating([...late, row(4, 900, 'a', 701)]) ?? '', /row 4 .* 400 ms after/);
});

const unbound: Scene = { name: 'x', rows: [], title: 'x', play: () => Promise.resolve() };

test('a table for the docs has a line for each scene and mode, with the longest outage and every row lost', () => {
  const text = renderMarkdown([
    played({ outageMs: 500 }),
    played({ outageMs: 730, rate: 20, lost: 1 }),
    played({ mode: 'strict', outageMs: undefined, scene: unbound }),
  ]);
  const [head = '', rule = '', ...lines] = text.trimEnd().split('\n');
  assert.equal(rule.split('|').length, head.split('|').length);
  assert.deepEqual(lines, [
    '| F1 | `x` | quorum | 0.73 (failed) | 1 | 200 | 1 | 15 |',
    '| – | `x` | strict | – | – | 100 | 0 | 10 |',
  ]);
});

test('both modes are played by one command, quorum first, and what is no mode is refused', () => {
  const modes = (...words: string[]) => {
    const asked = readAsked(words);
    return typeof asked === 'string' ? asked : asked.modes;
  };
  assert.deepEqual(modes(), ['quorum']);
  assert.deepEqual(modes('--mode', 'both'), ['quorum', 'strict']);
  assert.deepEqual(modes('--mode', 'strict'), ['strict']);
  assert.match(String(modes('--mode', 'off')), /quorum, strict or both/);
});

test('the load to take is the fewest writers that reach nine tenths of the highest rate', () => {
  const rates = [300, 500, 880, 950, 900].map((rowsPerSecond, i) => ({ writers: 2 ** i, rowsPerSecond }));
  assert.equal(fewestAtPlateau(rates), 4);
});
