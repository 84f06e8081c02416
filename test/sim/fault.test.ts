/** Goal: a fault ends with its own end, whatever else stands. Method: two that make the same thing of one machine worse. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { weaken } from './fault.ts';
import type { Machine } from './model.ts';

test('of two faults that overlap the first may end before the second, and nothing of either is left', () => {
  const machine = { weak: { promotionMs: 40 } } as Machine;
  const first = weaken(machine, 'promotionMs', 5000);
  const second = weaken(machine, 'promotionMs', 9000);
  first?.();
  assert.equal(machine.weak.promotionMs, 9000);
  second?.();
  assert.equal(machine.weak.promotionMs, 40);
});
