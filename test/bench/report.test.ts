/**
 * The figures of a benchmark: order statistics, the table, and the gap that is read from a client's acknowledgements.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestGap } from '../support/client.ts';
import { readAsked } from './asked.ts';
import { summarise, summaryHead, summaryRow, table } from './report.ts';

test('order statistics are taken from the runs, not interpolated beyond them', () => {
  assert.equal(summarise([]), undefined);
  assert.deepEqual(summarise([7]), { runs: 1, min: 7, median: 7, p99: 7, max: 7 });
  assert.deepEqual(summarise([3, 1, 2, 10]), { runs: 4, min: 1, median: 2.5, p99: 10, max: 10 });
});

test('a table has its numbers to the right', () => {
  const lines = table([summaryHead, summaryRow('server', summarise([500, 1500]))]).split('\n');
  assert.equal(lines[1], 'server         2   0.500 s   1.000 s   1.500 s   1.500 s');
  assert.equal(lines[0]?.length, lines[1]?.length);
});

test('the gap begins with the last acknowledgement before the fault', () => {
  const rows = [0, 10, 20, 900, 910, 2000].map((at, n) => ({ n, at }));
  assert.deepEqual(longestGap(rows.slice(0, 5), 30), { ms: 880, begin: 20 });
  assert.deepEqual(longestGap(rows, 905), { ms: 1090, begin: 910 });
  assert.equal(longestGap([], 0).ms, 0);
});

test('the command line of the benchmark names its mistakes', () => {
  assert.match(String(readAsked(['failover', '--kind', 'meteor'])), /--kind meteor is not known/);
  assert.match(String(readAsked(['failover', '--runs', 'many'])), /--runs many is not a number/);
  assert.match(String(readAsked([])), /say one of/);
  assert.match(String(readAsked(['sprint'])), /sprint/);
  const asked = readAsked(['failover', '--kind', 'node', '--runs', '3', '--members', '2']);
  assert.ok(typeof asked !== 'string' && asked.kind === 'node' && asked.runs === 3 && asked.members === 2);
});
