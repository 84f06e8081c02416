/**
 * Goal: a seed that shows nothing counts for nothing. Method: plays that are thin or not by their number, and the count of those
 * that were played in the place of one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from './seed.ts';
import { playFull } from './share.ts';

const full: Outcome = { seed: 0, violation: undefined, acks: 50, faults: 3, promotions: 1, events: 1, settledAt: 1 };

/** Plays in this order; how often one was played is the length of `seeds`. */
function plays(outcomes: Partial<Outcome>[]) {
  const seeds: number[] = [];
  const found = playFull(7, (seed) => ({ ...full, ...outcomes[seeds.push(seed) - 1], seed }));
  return { ...found, seeds };
}

test('a seed with enough commits and faults is played once', () => {
  const { outcome, thin, seeds } = plays([{}]);
  assert.deepEqual([outcome?.seed, thin, seeds], [7, 0, [7]]);
});

test('what is played in the place of a thin seed is looked at as well, until one is not thin', () => {
  const { outcome, thin, seeds } = plays([{ acks: 49 }, { faults: 2 }, { acks: 0 }]);
  assert.equal(thin, 3);
  assert.equal(new Set(seeds).size, 4);
  assert.equal(outcome?.seed, seeds[3]);
});

test('a seed in whose place nothing better is found counts for nothing', () => {
  const { outcome, thin, seeds } = plays(Array.from({ length: 20 }, () => ({ acks: 0 })));
  assert.equal(outcome, undefined);
  assert.equal(thin, seeds.length);
  assert.ok(seeds.length < 20, 'it has to end');
});

test('a thin seed that violates something is no thin one', () => {
  const violation = { invariant: 'S1', text: 'two', at: 1 };
  const { outcome, thin } = plays([{ acks: 0, faults: 0, violation }]);
  assert.deepEqual([outcome?.violation, thin], [violation, 0]);
});
