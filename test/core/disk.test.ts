/**
 * When a filling volume stops writes. Goal: the brake comes at once and goes late, unknown use changes nothing, and a
 * clock that jumps or a volume that flaps cannot make it flutter. Method: the pure machine, step by step.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultConfig } from '../../agent/core/config.ts';
import {
  brokenVolume,
  type DiskState,
  dwell,
  freshDisk,
  judge,
  limitsOf,
  noRoom,
  stepDisk,
  suggestedBytes,
} from '../../agent/core/disk.ts';
import type { VolumeUse } from '../../agent/core/model.ts';

const gib = 2 ** 30;
const { disk } = defaultConfig;
const limits = limitsOf(disk, 'data');

function aVolume(usedPercent: number, part: Partial<VolumeUse> = {}): VolumeUse {
  const usedRatio = usedPercent / 100;
  return { mount: 'data', capacityBytes: 100 * gib, availableBytes: (1 - usedRatio) * 100 * gib, usedRatio, ...part };
}

/** One look after the other at the data volume, a second apart; the states in between. */
function through(looks: (number | VolumeUse)[], from: DiskState = freshDisk(0), everyMs = 1_000): DiskState[] {
  let state = from;
  return looks.map((look, at) => {
    const volumes = [typeof look === 'number' ? aVolume(look) : look];
    state = stepDisk(state, { now: from.since + (at + 1) * everyMs, volumes, disk, reactionMs: 500 }).state;
    return state;
  });
}

function lastOf(states: DiskState[]): DiskState {
  const state = states.at(-1);
  assert.ok(state !== undefined);
  return state;
}

const levels: [string, VolumeUse, string][] = [
  ['half full', aVolume(50), 'fine'],
  ['at the pre-alarm', aVolume(85), 'warn'],
  ['a little below the limit', aVolume(94.9), 'warn'],
  ['at the limit', aVolume(95), 'read-only'],
  ['half of what the limit leaves is gone', aVolume(97.5), 'critical'],
  ['full', aVolume(100), 'critical'],
  ['inodes at the limit', aVolume(10, { inodes: 1000, inodesFree: 50 }), 'read-only'],
  ['no inodes left', aVolume(10, { inodes: 1000, inodesFree: 0 }), 'critical'],
  ['inodes that make no sense', aVolume(10, { inodes: 10, inodesFree: 1000 }), 'fine'],
  ['full within twice the reaction time', aVolume(50, { fullInSeconds: 0.9 }), 'read-only'],
  ['full soon, but not so soon', aVolume(50, { fullInSeconds: 1.1 }), 'fine'],
  ['an answer that does not come back', aVolume(99, { stalled: true }), 'unknown'],
  ['a volume that is gone', aVolume(99, { fault: 'absent' }), 'unknown'],
  ['another volume at its place', aVolume(99, { fault: 'replaced' }), 'unknown'],
  ['a read-only file system has true figures', aVolume(99, { fault: 'read-only' }), 'critical'],
  ['0 bytes', aVolume(0, { capacityBytes: 0, availableBytes: 0 }), 'unknown'],
  ['negative figures', aVolume(50, { availableBytes: -1 }), 'unknown'],
  ['more free than there is', aVolume(50, { availableBytes: 101 * gib }), 'unknown'],
  ['a share that is no number', aVolume(50, { usedRatio: Number.NaN }), 'unknown'],
];

for (const [title, volume, level] of levels) {
  test(`a volume with ${title} is ${level}`, () => assert.equal(judge(volume, limits, 500).level, level));
}

test('a limit in bytes counts beside the share, per mount, and never asks for more than half of the volume', () => {
  const bytes = { ...disk, mounts: { wal: { minFreeBytes: 10n << 30n } } };
  const wal = aVolume(91, { mount: 'wal' });
  assert.equal(judge(wal, limitsOf(bytes, 'wal'), 500).level, 'read-only');
  assert.equal(judge(aVolume(91), limitsOf(bytes, 'data'), 500).level, 'warn');
  assert.equal(judge(aVolume(49), { ...limits, minFreeBytes: 1n << 60n }, 500).level, 'fine');
  assert.equal(limitsOf(bytes, 'constructor').minFreeBytes, undefined);
});

test('the brake comes with the first look that asks for it', () => {
  const [before, after] = through([94, 95]);
  assert.deepEqual([before?.on, after?.on], [false, true]);
});

test('between the two limits it stays as it was', () => {
  assert.equal(lastOf(through([94, 94, 94])).on, false);
  assert.equal(lastOf(through([96, ...Array.from({ length: 600 }, () => 92)])).on, true);
});

test('it goes only after a calm that lasts, and every look above the limit below begins it anew', () => {
  const calm = (n: number) => Array.from({ length: n }, () => 80);
  assert.equal(lastOf(through([96, ...calm(10)])).on, true);
  assert.equal(lastOf(through([96, ...calm(11)])).on, false);
  assert.equal(lastOf(through([96, ...calm(9), 91, ...calm(10)])).on, true);
});

test('a volume that flaps has to be calm for longer each time, to a limit', () => {
  let state = freshDisk(0);
  const waits: number[] = [];
  for (let turn = 0; turn < 8; turn += 1) {
    state = lastOf(through([96], state));
    waits.push(dwell(state, state.since));
    const states = through(
      Array.from({ length: 400 }, () => 50),
      state,
    );
    state = states.find((one) => !one.on) ?? lastOf(states);
    assert.equal(state.on, false);
  }
  assert.deepEqual(waits.slice(0, 4), [10_000, 20_000, 40_000, 80_000]);
  assert.ok(Math.max(...waits) <= 300_000);
});

test('unknown use keeps the brake as it is, on or off, and says so once', () => {
  for (const [first, on] of [
    [96, true],
    [50, false],
  ] as const) {
    const state = lastOf(through([first]));
    const blind = { now: 1e9, volumes: [aVolume(0, { stalled: true })], disk, reactionMs: 500 };
    const step = stepDisk(state, blind);
    assert.equal(step.state.on, on);
    assert.deepEqual(
      step.news.map((one) => one.of),
      ['unknown'],
    );
    const again = stepDisk(step.state, { ...blind, now: 2e9 });
    assert.deepEqual([again.state.on, again.news], [on, []]);
    assert.equal(stepDisk(again.state, { ...blind, now: 3e9, volumes: [] }).state.on, on);
  }
});

test('a critical level is kept while the use is not known', () => {
  const state = lastOf(through([99, aVolume(0, { stalled: true })]));
  assert.deepEqual([state.on, state.critical], [true, true]);
  assert.equal(lastOf(through([99, 96])).critical, false);
});

test('a clock that jumps while it is calm ends the wait early, never the braking', () => {
  const state = lastOf(through([96, 80]));
  const jumped = { now: 1e12, disk, reactionMs: 500 };
  assert.equal(stepDisk(state, { ...jumped, volumes: [aVolume(80)] }).state.on, false);
  assert.equal(stepDisk(state, { ...jumped, volumes: [aVolume(92)] }).state.on, true);
  assert.equal(stepDisk(state, { ...jumped, now: -1e12, volumes: [aVolume(80)] }).state.on, true);
});

test('a volume that grew lets go at once, when it is calm now', () => {
  const on = lastOf(through([96]));
  const grown = { capacityBytes: 200 * gib };
  const step = stepDisk(on, {
    now: 2_500,
    volumes: [aVolume(48, { ...grown, availableBytes: 104 * gib })],
    disk,
    reactionMs: 500,
  });
  assert.equal(step.state.on, false);
  assert.deepEqual(
    step.news.map((one) => one.of),
    ['eased', 'grown', 'off'],
  );
  const little = stepDisk(on, { now: 2_500, volumes: [aVolume(94, { capacityBytes: 101 * gib })], disk, reactionMs: 500 });
  assert.equal(little.state.on, true);
});

test('a full log volume is told and stops no write; a full WAL volume does', () => {
  const step = (mount: string) =>
    stepDisk(freshDisk(0), { now: 1, volumes: [aVolume(10), aVolume(99, { mount })], disk, reactionMs: 500 });
  assert.equal(step('log').state.on, false);
  assert.deepEqual(
    step('log').news.map((one) => `${one.of} ${one.mount}`),
    ['pressure log'],
  );
  assert.equal(step('wal').state.on, true);
});

test('an agent that was restarted goes on braking until a calm is known', () => {
  const state = freshDisk(0, true);
  assert.equal(lastOf(through([92], state)).on, true);
  assert.equal(
    lastOf(
      through(
        Array.from({ length: 12 }, () => 50),
        state,
      ),
    ).on,
    false,
  );
});

test('whatever is seen, a needed volume at its limit brakes, and nothing but a known calm lets go', () => {
  const look = fc.record({
    used: fc.double({ min: 0, max: 100, noNaN: true }),
    stalled: fc.boolean(),
    ms: fc.integer({ min: 0, max: 30_000 }),
  });
  fc.assert(
    fc.property(fc.array(look, { maxLength: 60 }), (looks) => {
      let state = freshDisk(0);
      let now = 0;
      for (const { used, stalled, ms } of looks) {
        now += ms;
        const before = state;
        state = stepDisk(state, { now, volumes: [aVolume(used, stalled ? { stalled } : {})], disk, reactionMs: 500 }).state;
        if (!stalled && used >= 95) assert.equal(state.on, true);
        if (stalled) assert.equal(state.on, before.on);
        if (before.on && !state.on) assert.ok(!stalled && used < 90 && before.calmSince !== undefined);
        if (!before.on && state.on) assert.ok(!stalled && used >= 95);
      }
    }),
  );
});

test('the suggested size leaves room and is whole', () => {
  assert.equal(suggestedBytes(aVolume(95)) / gib, 136);
  assert.equal(suggestedBytes({ mount: 'data', capacityBytes: 2 * gib, availableBytes: 0, usedRatio: 1 }) / gib, 3);
});

test('volumes that are broken, and those without room for a start, are told by name', () => {
  assert.equal(brokenVolume([aVolume(50), aVolume(99, { mount: 'log', fault: 'failed' })]), undefined);
  assert.equal(brokenVolume([aVolume(50, { mount: 'wal', fault: 'read-only' })]), 'volume wal is read-only');
  assert.equal(noRoom([aVolume(50)]), undefined);
  assert.match(noRoom([aVolume(100, { availableBytes: 4096 })]) ?? '', /volume data has 4 KiB left/);
  assert.equal(noRoom([aVolume(100, { availableBytes: 4096, stalled: true })]), undefined);
});
