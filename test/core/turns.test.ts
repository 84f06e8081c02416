/** Goal: what is done again and again is done at common moments, never later than a blink after it is due. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { onTurn } from '../../agent/core/turns.ts';

test('what is due between two seconds is done at the first of them', () => {
  assert.equal(onTurn(12_000, 10_000, 500_300), 11_700);
  assert.equal(onTurn(12_007, 10_007, 500_007), 12_000);
});

test('a timer that fires a moment early costs no turn', () => {
  assert.equal(onTurn(12_000, 10_000, 499_999), 12_001);
});

test('what is due soon is not put forward to now', () => {
  assert.equal(onTurn(10_400, 10_000, 500_900), 10_400);
});

test('no wait becomes shorter than its half or longer by more than a blink', () => {
  const ms = fc.integer({ min: 0, max: 100_000 });
  fc.assert(
    fc.property(ms, ms, fc.integer({ min: 0, max: 2_000_000_000 }), (now, left, wall) => {
      const wait = onTurn(now + left, now, wall) - now;
      assert.ok(wait >= left / 2 && wait <= left + 20, `${wait} of ${left}`);
    }),
  );
});
