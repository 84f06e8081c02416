/**
 * Who owns the read-only switch. Goal: what a human set is never undone by the agent, what the agent or a switchover set
 * is always taken back, across restarts, failover and switchover. Method: a table of looks, and walks through all of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BrakeSight, brakeStep, carriedBy } from '../../agent/core/brake.ts';
import type { BrakeMark, CarriedBrake } from '../../agent/core/model.ts';
import { known, unknown } from '../../agent/core/result.ts';

const nothing = known<CarriedBrake | undefined>(undefined, 0);
const byHuman = known<CarriedBrake | undefined>({ owner: 'human', member: 'a', term: 6 }, 0);
const unread = unknown<CarriedBrake | undefined>({ of: 'kube', kind: 'timeout', done: 'no', detail: '' });

function aSight(part: Partial<BrakeSight> = {}): BrakeSight {
  const base = { self: 'b', shown: false, mark: { term: 7, owner: undefined }, term: 7, carried: nothing, before: 'a' };
  return { ...base, pressed: false, draining: false, ...part };
}

const mark = (owner: BrakeMark['owner'], term = 7): BrakeMark => ({ term, owner });

const cases: [string, Partial<BrakeSight>, ReturnType<typeof brakeStep>][] = [
  ['off, and nothing asks', {}, { do: 'nothing', owner: undefined }],
  ['a volume asks', { pressed: true }, { do: 'set', mark: mark('agent') }],
  ['a volume asks, and it is on', { pressed: true, shown: true, mark: mark('agent') }, { do: 'nothing', owner: 'agent' }],
  ['the volume has room again', { shown: true, mark: mark('agent') }, { do: 'clear', mark: mark(undefined), was: 'agent' }],
  ['on, and no mark explains it', { shown: true }, { do: 'adopt', mark: mark('human') }],
  ['on, no mark explains it, and a volume asks', { shown: true, pressed: true }, { do: 'adopt', mark: mark('human') }],
  ['a human’s, with room', { shown: true, mark: mark('human') }, { do: 'nothing', owner: 'human' }],
  ['a human’s, in a hand-over', { shown: true, mark: mark('human'), draining: true }, { do: 'nothing', owner: 'human' }],
  ['a human took his own back', { mark: mark('human') }, { do: 'adopt', mark: mark(undefined) }],
  ['a hand-over begins', { draining: true }, { do: 'set', mark: mark('switchover') }],
  [
    'a hand-over begins while the agent brakes',
    { draining: true, shown: true, mark: mark('agent'), pressed: true },
    { do: 'nothing', owner: 'agent' },
  ],
  [
    'a hand-over was given up',
    { shown: true, mark: mark('switchover') },
    { do: 'clear', mark: mark(undefined), was: 'switchover' },
  ],
  [
    'a hand-over was given up on a full volume',
    { shown: true, mark: mark('switchover'), pressed: true },
    { do: 'adopt', mark: mark('agent') },
  ],
  ['somebody switched off what the agent needs', { pressed: true, mark: mark('agent') }, { do: 'set', mark: mark('agent') }],
  ['a mark without effect', { mark: mark('agent') }, { do: 'adopt', mark: mark(undefined) }],
  ['promoted, off', { mark: mark(undefined, 5) }, { do: 'adopt', mark: mark(undefined) }],
  [
    'promoted, and a human wants the database read-only',
    { mark: undefined, carried: byHuman },
    { do: 'set', mark: mark('human') },
  ],
  [
    'promoted with what a hand-over left on',
    { shown: true, mark: mark('switchover', 5) },
    { do: 'clear', mark: mark(undefined), was: 'switchover' },
  ],
  [
    'promoted with what the agent left on',
    { shown: true, mark: mark('agent', 5), pressed: true },
    { do: 'adopt', mark: mark('agent') },
  ],
  [
    'promoted with a human’s of long ago, taken back elsewhere',
    { shown: true, mark: mark('human', 5) },
    { do: 'clear', mark: mark(undefined), was: 'human' },
  ],
  [
    'promoted with a human’s that still stands',
    { shown: true, mark: mark('human', 5), carried: byHuman },
    { do: 'adopt', mark: mark('human') },
  ],
  [
    'restarted in place with a human’s',
    { shown: true, mark: mark('human', 6), before: 'b' },
    { do: 'adopt', mark: mark('human') },
  ],
  ['restarted in place, on, the mark lost', { shown: true, mark: undefined, before: 'b' }, { do: 'adopt', mark: mark('human') }],
  [
    'promoted, on, and the cluster’s word cannot be read',
    { shown: true, mark: undefined, carried: unread },
    { do: 'nothing', owner: 'human' },
  ],
  [
    'promoted, off, and the cluster’s word cannot be read',
    { mark: undefined, carried: unread },
    { do: 'nothing', owner: undefined },
  ],
];

for (const [title, part, step] of cases) test(`${title}: ${step.do}`, () => assert.deepEqual(brakeStep(aSight(part)), step));

/** Carries a step out as the loop does. */
function carryOut(sight: BrakeSight): BrakeSight {
  const step = brakeStep(sight);
  if (step.do === 'nothing') return sight;
  const shown = step.do === 'set' ? true : step.do === 'clear' ? false : sight.shown;
  return { ...sight, shown, mark: step.mark };
}

test('whatever happens in between, a human’s is never switched off, and the agent’s never stays on for nothing', () => {
  const happening = fc.constantFrom('human on', 'human off', 'press', 'ease', 'drain', 'drained', 'restart', 'promote', 'step');
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), (story) => {
      let sight = aSight();
      let human = false;
      for (const what of story) {
        if (what === 'human on' && !sight.shown) {
          sight = { ...sight, shown: true };
          human = true;
        }
        if (what === 'human off' && human) {
          sight = { ...sight, shown: false };
          human = false;
        }
        if (what === 'press' || what === 'ease') sight = { ...sight, pressed: what === 'press' };
        if (what === 'drain' || what === 'drained') sight = { ...sight, draining: what === 'drain' };
        // A promotion elsewhere and back, after the cluster has recorded what the last primary saw.
        if (what === 'promote') {
          for (let turn = 0; turn < 4; turn += 1) sight = carryOut(sight);
          sight = { ...sight, term: sight.term + 1, carried: known(carriedBy(sight.mark, sight.self), 0), draining: false };
        }
        sight = carryOut(sight);
        if (human) assert.equal(sight.shown, true, story.join(', '));
      }
      sight = { ...sight, pressed: false, draining: false };
      for (let turn = 0; turn < 4; turn += 1) sight = carryOut(sight);
      assert.equal(sight.shown, human, story.join(', '));
    }),
    { numRuns: 2000 },
  );
});
