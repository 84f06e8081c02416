/**
 * Goal: the position that the standbys of a new synchronous set must have flushed is never one from before the new
 * names were in force. Method: looks at a primary, one after the other and overlapping, on a memory of its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lsn } from '../../agent/core/lsn.ts';
import { noteBarrier, renewBarrier } from '../../agent/loop/barrier.ts';
import type { Context } from '../../agent/loop/context.ts';
import { emptyMemory } from '../../agent/loop/memory.ts';
import { aPrimary } from '../core/builders.ts';

function scene() {
  let time = 1000;
  const memory = emptyMemory({ granted: 0, freeze: undefined, build: undefined });
  const ctx = { memory, ports: { clock: { now: () => time } } } as unknown as Context;
  return {
    memory,
    change: () => renewBarrier(ctx),
    wait: () => (time += 10),
    /** A look that began so long ago. */
    look(syncNames: string, written: Lsn, ago = 0) {
      memory.instance = aPrimary({ syncNames, written });
      noteBarrier(memory, time - ago);
      time += 10;
      return memory.syncBarrier;
    },
  };
}

test('the look that finds new names in force gives no barrier, the next one does', () => {
  const { look } = scene();
  assert.equal(look('a', 10n), undefined);
  assert.equal(look('a', 20n), 20n);
  assert.equal(look('a', 30n), 20n);
  assert.equal(look('b', 40n), undefined);
  assert.equal(look('b', 50n), 50n);
});

test('names that came into force although no answer came do not meet the barrier of the names before', () => {
  const { look, change } = scene();
  look('a', 10n);
  assert.equal(look('a', 20n), 20n);
  change();
  assert.equal(look('a', 30n), 30n);
  assert.equal(look('b', 40n), undefined);
});

test('a look that began before the change was over gives no barrier', () => {
  const { look, change, memory } = scene();
  look('a', 10n);
  look('a', 20n);
  change();
  assert.equal(look('a', 30n, 1), undefined);
  assert.equal(look('a', 40n), 40n);
  assert.equal(memory.barrierDue, undefined);
});
