/** How fast a volume fills: the window is bounded, a rate is told only when it can be, and haste follows from what is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillRate, fullInSeconds, lookAfterMs, type Sample, withSample } from '../../agent/core/volume.ts';

const gib = 2 ** 30;

function windowOf(samples: [number, number][]): Sample[] {
  return samples.reduce<Sample[]>((window, [at, availableBytes]) => withSample(window, { at, availableBytes }), []);
}

test('one sample, and two at the same moment, tell no rate', () => {
  assert.equal(fillRate([]), undefined);
  assert.equal(fillRate(windowOf([[0, 100]])), undefined);
  assert.equal(
    fillRate(
      windowOf([
        [0, 100],
        [10, 50],
      ]),
    ),
    undefined,
  );
  assert.equal(fullInSeconds(100, undefined), undefined);
});

test('the window forgets by age and by number', () => {
  assert.equal(
    windowOf([
      [0, 9],
      [6_000, 8],
    ]).length,
    1,
  );
  assert.equal(windowOf(Array.from({ length: 1_000 }, (_, at) => [at, at])).length, 128);
});

test('a burst shows in the last moments before it shows in the whole window', () => {
  const calm: [number, number][] = Array.from({ length: 40 }, (_, at) => [at * 100, gib]);
  const rate = fillRate(windowOf([...calm, [4_000, gib - 10_000_000], [4_100, gib - 30_000_000]])) ?? 0;
  assert.ok(rate > 60_000_000, `${rate}`);
});

test('a volume that empties has no end', () => {
  const rate = fillRate(
    windowOf([
      [0, 100],
      [1_000, 200],
    ]),
  );
  assert.equal(rate, -100);
  assert.equal(fullInSeconds(200, rate), undefined);
});

test('it is looked at once a second at rest, ten times a second when the end is near, and oftener when little is left', () => {
  assert.equal(lookAfterMs(100 * gib, undefined), 1_000);
  assert.equal(lookAfterMs(100 * gib, 4 * gib), 100);
  assert.equal(lookAfterMs(100 * gib, 3 * gib), 1_000);
  assert.equal(lookAfterMs(100 * 2 ** 20, undefined), 50);
  assert.equal(lookAfterMs(-1, Number.NaN), 50);
});
