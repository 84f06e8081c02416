/** Goal: a wish of people is read as it was meant, and as set where it cannot be understood. Method: a table of annotations. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { handOf, noHand } from '../../agent/core/hand.ts';
import { known } from '../../agent/core/result.ts';
import { aConfig, aLeadingView, anExpired, aPeer, aPrimary, aPrimaryPeer, aRequest, aStandby, aView, now } from './builders.ts';

const wall = '2026-11-21T12:00:00.000Z';
const past = '2026-11-21T11:59:59Z';
const future = '2026-11-21T12:00:01Z';

for (const [text, paused, until] of [
  [undefined, false, undefined],
  ['', false, undefined],
  ['false', false, undefined],
  ['true', true, undefined],
  [past, false, undefined],
  [future, true, '2026-11-21T12:00:01.000Z'],
  ['tomorrow', true, undefined],
] as const) {
  test(`a member annotated as paused with ${JSON.stringify(text)} is ${paused ? '' : 'not '}paused`, () => {
    const annotations = text === undefined ? {} : { 'opengauss.agent/paused': text };
    const hand = handOf(aConfig(), annotations, wall);
    assert.deepEqual([hand.member, hand.until], [paused, until]);
  });
}

test('a pause of the cluster ends at its time, and has no end beside a member that has none', () => {
  assert.equal(handOf(aConfig({ paused: true }), {}, wall).cluster, true);
  assert.equal(handOf(aConfig({ paused: true, pausedUntil: past }), {}, wall).cluster, false);
  assert.equal(handOf(aConfig({ pausedUntil: future }), {}, wall).cluster, false);
  const both = handOf(aConfig({ paused: true, pausedUntil: future }), { 'opengauss.agent/paused': 'true' }, wall);
  assert.deepEqual([both.cluster, both.member, both.until], [true, true, undefined]);
});

describe('a paused leader', () => {
  test('settles a promotion that has happened', () => {
    const promotion = { term: 7, process: { pid: 11, startTime: '111' }, recordedAt: now - 100, settled: false };
    const decision = decide(aLeadingView({ paused: true, promotion }));
    assert.deepEqual([decision.reason, decision.instance.do, decision.lease.do], ['paused', 'settle', 'renew']);
  });
  test('finishes a change of the synchronous set and begins none', () => {
    const names = aLeadingView({ paused: true, instance: aPrimary({ syncNames: 'ANY 1 ("og-demo-0")' }) });
    assert.equal(decide(names).instance.do, 'set-sync');
    const streamedAt = { 'og-demo-0': now - 100, 'og-demo-2': now - 60_000 };
    const away = aLeadingView({ paused: true, streamedAt, instance: aPrimary({ senders: aPrimary().senders.slice(0, 1) }) });
    assert.deepEqual([decide(away).lease, decide(away).instance], [{ do: 'renew' }, { do: 'nothing' }]);
    assert.notEqual(decide({ ...away, paused: false }).reason, 'leads');
  });
  test('takes no request up, and says so', () => {
    const request = aRequest({ kind: 'switchover', target: undefined });
    const decision = decide(aLeadingView({ paused: true, request }));
    assert.deepEqual([decision.instance.do, decision.answer?.phase], ['nothing', 'refused']);
  });
});

describe('a standby beside a paused one', () => {
  const peers = { 'og-demo-2': aPeer('og-demo-2', { paused: true, eligible: false }) };
  const lease = known(anExpired(), now);
  test('counts its vote', () => {
    assert.equal(decide(aView({ lease, peers, instance: aStandby({ receiver: undefined }) })).lease.do, 'acquire');
  });
  test('does not count the vote of one that is being built or has other data', () => {
    for (const part of [{ systemId: '43' }, { build: { mode: 'full', ratio: undefined, startedAt: '' } as const }]) {
      const other = { 'og-demo-2': aPeer('og-demo-2', { paused: true, eligible: false, ...part }) };
      assert.equal(decide(aView({ lease, peers: other })).reason, 'no-vote-set');
    }
  });
  test('is not its heir, nor the other way round', () => {
    const stopping = aLeadingView({
      stopping: true,
      peers: { ...peers, 'og-demo-0': aPeer('og-demo-0', { paused: true, eligible: false }) },
    });
    assert.equal(decide(stopping).instance.do, 'stop');
    assert.equal(
      decide(aView({ lease, peers: { 'og-demo-0': aPrimaryPeer() }, paused: true, hand: { ...noHand, member: true } })).lease.do,
      'nothing',
    );
  });
});
