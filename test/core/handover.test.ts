/**
 * Goal: a hand-over ends once, and with what it was for. Method: views of a primary in the middle of one, one call, the
 * decision. The schedules that led here were found by the simulator.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { noHand } from '../../agent/core/hand.ts';
import { known } from '../../agent/core/result.ts';
import type { Switchover, View } from '../../agent/core/view.ts';
import { aLeadingView, aPrimary, aSeen, aSender, identity, me, now } from './builders.ts';

/** og-demo-1 is about to hand over to og-demo-2: only that one acknowledges, the other one points at it. */
function handing(plan: Partial<Switchover>, part: Partial<View> = {}): View {
  const entries = [{ term: 7, primary: me, dataId: 'data-1', names: ['og-demo-2'], w: 1 }];
  return aLeadingView({
    lease: known(aSeen({ holder: identity, entries, promoting: { member: me, term: 7, dataId: 'data-1' } }), now),
    instance: aPrimary({ senders: [aSender('og-demo-2')], syncNames: 'ANY 1 ("og-demo-2")' }),
    switchover: {
      target: 'og-demo-2',
      cause: 'request',
      startedAt: now - 3000,
      deadline: now + 20_000,
      pointedAt: now - 2500,
      handedOver: false,
      ...plan,
    },
    ...part,
  });
}

test('a primary whose server was killed for the hand-over does not hand over again, although the last look shows it alive', () => {
  assert.equal(decide(handing({})).instance.do, 'hand-over');
  assert.equal(decide(handing({ handedOver: true })).instance.do, 'nothing');
});

test('a hand-over for a stop that nobody asks for any more is undone, and the primary goes on', () => {
  const stopping = { cause: 'stopping', deadline: now - 1 } as const;
  const fenced = { hand: { ...noHand, fenced: true } };
  assert.equal(decide(handing(stopping, fenced)).instance.do, 'stop', 'while the fence stands it is stopped');
  assert.equal(decide(handing(stopping)).instance.do, 'undo-switchover');
  assert.equal(decide(handing({ ...stopping, deadline: now + 9000 })).instance.do, 'undo-switchover', 'at once');
  assert.equal(decide(handing(stopping, { stopping: true })).instance.do, 'stop');
});
