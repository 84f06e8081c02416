/**
 * Goal: a hand-over ends once, and with what it was for. Method: views of a primary in the middle of one, one call, the
 * decision. The schedules that led here were found by the simulator.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { noHand } from '../../agent/core/hand.ts';
import type { PodSight } from '../../agent/core/model.ts';
import { known, unknown } from '../../agent/core/result.ts';
import type { Switchover, View } from '../../agent/core/view.ts';
import { aLeadingView, aPod, aPrimary, aSeen, aSender, identity, me, now } from './builders.ts';

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

test('a stop that leaves no time for a hand-over in order is none, and one under way is cut short, unless its server is gone', () => {
  const pods = (own: Partial<PodSight> | undefined) =>
    known([aPod('og-demo-0'), aPod('og-demo-2'), ...(own === undefined ? [] : [aPod(me, own)])], now);
  const going = { terminating: true };
  const stop = (view: View) => decide({ ...view, stopping: true }).instance;
  for (const [own, intent] of [
    [undefined, 'stop'],
    [{ uid: 'uid-9' }, 'stop'],
    [{ ...going, graceSeconds: 0 }, 'stop'],
    [{ ...going, graceSeconds: 14 }, 'stop'],
    [{ ...going, graceSeconds: 15 }, 'begin-switchover'],
    [going, 'begin-switchover'],
    [{ graceSeconds: 0 }, 'begin-switchover'],
  ] as const) {
    const intended = stop(aLeadingView({ pods: pods(own) }));
    assert.equal(intended.do, intent, JSON.stringify(own));
    if (intended.do === 'stop') assert.equal(intended.kill, true, 'the others would diverge from a checkpoint of its own');
  }
  const fault = { of: 'kube', kind: 'timeout', done: 'no', detail: 'timed out' } as const;
  assert.equal(stop(aLeadingView({ pods: unknown(fault) })).do, 'begin-switchover');
  const stopping = { cause: 'stopping' } as const;
  assert.equal(stop(handing(stopping)).do, 'hand-over');
  assert.equal(stop(handing(stopping, { pods: pods(undefined) })).do, 'stop');
  assert.equal(stop(handing({ ...stopping, handedOver: true }, { pods: pods(undefined) })).do, 'nothing');
});

test('a hand-over for a stop that nobody asks for any more is undone, and the primary goes on', () => {
  const stopping = { cause: 'stopping', deadline: now - 1 } as const;
  const fenced = { hand: { ...noHand, fenced: true } };
  assert.equal(decide(handing(stopping, fenced)).instance.do, 'stop', 'while the fence stands it is stopped');
  assert.equal(decide(handing(stopping)).instance.do, 'undo-switchover');
  assert.equal(decide(handing({ ...stopping, deadline: now + 9000 })).instance.do, 'undo-switchover', 'at once');
  assert.equal(decide(handing(stopping, { stopping: true })).instance.do, 'stop');
});
