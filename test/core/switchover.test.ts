/**
 * Goal: a switchover that cannot end well is refused before anything is begun, with what stands in the way and what helps.
 * Method: a settled primary's view that differs in one thing, one call, the answer and that nothing is done.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { recordOf } from '../../agent/core/lease.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aConfig, aLeadingView, aPeer, aPod, aPrimary, aRequest, aSeen, aSender, me, now } from './builders.ts';

function asked(part: Partial<View> = {}, target: string | null = 'og-demo-2'): View {
  const request = aRequest({ kind: 'switchover', target: target ?? undefined });
  return aLeadingView({ request, ...part });
}

/** The set has been narrowed to the other one already, so that nothing is left to do but the answer. */
function withoutIt(part: Partial<View> = {}): View {
  const entries = [{ term: 7, primary: me, dataId: 'data-1', names: ['og-demo-0'], w: 1 }];
  const record = { holder: 'og-demo-1/uid-1/inc-1', entries, promoting: { member: me, term: 7, dataId: 'data-1' } };
  const instance = aPrimary({ senders: [aSender('og-demo-0')], syncNames: 'ANY 1 ("og-demo-0")' });
  return asked({ lease: known(aSeen(record), now), instance, ...part });
}

const answering = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') };
const pods = (annotations: Record<string, string>) =>
  known([aPod('og-demo-0'), aPod(me), aPod('og-demo-2', { annotations })], now);

test('a switchover to a member that can take over is begun', () => {
  const decision = decide(asked());
  assert.deepEqual([decision.answer?.phase, decision.instance.do], ['running', 'begin-switchover']);
});

for (const { to, view, result, hint } of [
  {
    to: 'a member that does not exist',
    view: asked({}, 'og-demo-7'),
    result: 'og-demo-7 is not a member that may become primary',
    hint: 'Name a member of agent status that is neither never-primary nor fenced.',
  },
  {
    to: 'a member that people keep from leading',
    view: withoutIt({ pods: pods({ 'opengauss.agent/never-primary': 'true' }) }),
    result: 'og-demo-2 is not a member that may become primary',
    hint: 'Name a member of agent status that is neither never-primary nor fenced.',
  },
  {
    to: 'a member that does not answer',
    view: asked({ peers: { 'og-demo-0': aPeer('og-demo-0') } }),
    result: 'og-demo-2 does not answer',
    hint: 'Check the pod and its agent.',
  },
  {
    to: 'a member whose last word is old',
    view: asked({ peers: { ...answering, 'og-demo-2': aPeer('og-demo-2', {}, now - 10_000) } }),
    result: 'og-demo-2 does not answer',
    hint: 'Check the pod and its agent.',
  },
  {
    to: 'a member that may not become primary',
    view: asked({ peers: { ...answering, 'og-demo-2': aPeer('og-demo-2', { eligible: false, reason: 'paused by hand' }) } }),
    result: 'og-demo-2 may not become primary: paused by hand',
    hint: 'Wait until it is a healthy standby.',
  },
  {
    to: 'a member that does not stream',
    view: withoutIt({ peers: answering }),
    result: 'og-demo-2 does not stream from the primary',
    hint: 'Wait until its STATE is Normal.',
  },
  {
    to: 'nobody in particular while no standby that streams may lead',
    view: asked({ peers: { 'og-demo-0': aPeer('og-demo-0', { eligible: false }) } }, null),
    result: 'no standby can take over',
    hint: 'Wait until a standby streams; see agent status.',
  },
] satisfies { to: string; view: View; result: string; hint: string }[]) {
  test(`a switchover to ${to} is refused, with reason and hint, and nothing is begun`, () => {
    const { answer, instance, lease } = decide(view);
    assert.deepEqual([answer?.phase, answer?.result, answer?.hint], ['refused', result, hint]);
    assert.deepEqual([instance.do, lease.do], ['nothing', 'renew']);
  });
}

test('without a target it goes to a standby that streams and may lead, whoever else there is', () => {
  for (const part of [
    { instance: aPrimary({ senders: [aSender('og-demo-2')] }), peers: answering },
    { peers: { ...answering, 'og-demo-0': aPeer('og-demo-0', { eligible: false }) } },
  ]) {
    const { answer, instance } = decide(asked(part, null));
    assert.deepEqual([answer?.phase, answer?.target, instance.do], ['running', 'og-demo-2', 'begin-switchover']);
  }
});

test('a switchover is told as done by a target that has everything, and as failed by one in mode off that may lack something', () => {
  const entries = [{ term: 7, primary: 'og-demo-1', dataId: 'data-1', names: [], w: 0 }];
  const phase = (syncMode: 'off' | 'quorum', isWhole: boolean | undefined) => {
    const view = aLeadingView({ request: aRequest({ kind: 'switchover', phase: 'running' }) });
    const promotion = { ...view.promotion, ...(isWhole === undefined ? {} : { isWhole }) } as View['promotion'];
    if (syncMode === 'quorum') return decide({ ...view, promotion }).answer?.phase;
    const lease = known(aSeen({ ...recordOf(view.lease), syncMode, entries }), now);
    const config = aConfig({ sync: { ...view.config.sync, mode: 'off' } });
    return decide({ ...view, config, lease, promotion, instance: aPrimary({ syncNames: '' }) }).answer?.phase;
  };
  assert.deepEqual([phase('quorum', true), phase('quorum', undefined), phase('off', true)], ['done', 'done', 'done']);
  assert.deepEqual([phase('off', false), phase('off', undefined)], ['failed', 'failed']);
});
