/** Goal: a simulator that says what it takes, and never runs on a number that was mistyped. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from './options.ts';

test('whoever asks the simulator for help gets it instead of a run', () => {
  assert.equal(readOptions(['--seeds', '5', '--help']), undefined);
});

test('a number that is none, or none that makes sense, is refused by name', () => {
  assert.throws(() => readOptions(['--seeds', 'many']), /--seeds takes a whole number from 1 on, not "many"/);
  assert.throws(() => readOptions(['--jobs', '0']), /--jobs/);
  assert.throws(() => readOptions(['--states', '1.5']), /--states/);
  assert.equal(readOptions(['--lines', '0'])?.lines, '0');
});

test('a scene is played as often as was asked for, twenty times where nobody asks', () => {
  assert.equal(readOptions(['--scene', 'F7', '--seeds', '200'])?.seeds, '200');
  assert.equal(readOptions(['--scene', 'F7'])?.seeds, '20');
  assert.equal(readOptions([])?.seeds, '200');
});
