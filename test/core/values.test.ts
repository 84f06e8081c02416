/** Goal: positions and permits are exact. Method: properties, and the edges by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatLsn, lsnOrNull, parseLsn } from '../../agent/core/lsn.ts';
import { isValid, permitFrom } from '../../agent/core/permit.ts';
import { reasons } from '../../agent/core/reasons.ts';

test('a position survives being printed and read, and keeps its order', () => {
  const position = fc.bigInt({ min: 1n, max: (1n << 64n) - 1n });
  fc.assert(fc.property(position, (lsn) => parseLsn(formatLsn(lsn)) === lsn));
  fc.assert(
    fc.property(position, position, (a, b) => {
      const [x, y] = [parseLsn(formatLsn(a)), parseLsn(formatLsn(b))];
      return x !== undefined && y !== undefined && x < y === a < b;
    }),
  );
});

test('no position and garbage are unknown, never zero', () => {
  for (const text of ['0/0', '', null, undefined, '5', '0/G', '0/123456789', ' 0/1', '0/1 ', '-0/1'])
    assert.equal(parseLsn(text), undefined);
  assert.equal(lsnOrNull(undefined), null);
});

test('a permit counts from the moment the renewal was sent and ends exactly at its end', () => {
  const permit = permitFrom(1000, 7, 6);
  assert.equal(permit.until, 7000);
  assert.equal(isValid(permit, 6999), true);
  assert.equal(isValid(permit, 7000), false);
  assert.equal(isValid(undefined, 0), false);
});

test('every reason is a word that can be searched, with a sentence', () => {
  for (const [word, sentence] of Object.entries(reasons)) {
    assert.match(word, /^[a-z]+(-[a-z]+)*$/);
    assert.ok(sentence.length > 15 && !sentence.endsWith('.'), word);
  }
});
