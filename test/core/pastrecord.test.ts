/**
 * Goal: nobody leads by a promotion that the record does not name, and no primary is killed for what cannot be read. Method:
 * views of a holder whose server is primary and which knows of no promotion of that process.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import type { LeaseRecord } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aLeadingView, aPrimary, aSeen, identity, me, now, someData } from './builders.ts';

const own = { member: me, term: 7, dataId: 'data-1' };
const process = { pid: 11, startTime: '111' };

function unknownPromotion(promoting: LeaseRecord['promoting'], part: Partial<View> = {}): View {
  return aLeadingView({ promotion: undefined, lease: known(aSeen({ holder: identity, term: 8, promoting }), now), ...part });
}

test('a primary whose promotion is not the last one of the record is killed, and its lease not renewed; paused or not', () => {
  const hung = { is: 'hung', process, since: now, last: 'Primary', data: undefined } as const;
  const other = { member: 'og-demo-0', term: 7, dataId: 'data-0' };
  for (const view of [
    unknownPromotion(other),
    unknownPromotion(undefined),
    unknownPromotion(other, { instance: hung }),
    unknownPromotion({ ...own, term: 8 }),
    unknownPromotion(other, { paused: true }),
    unknownPromotion(other, { promotion: { term: 8, process: { pid: 9, startTime: '9' }, recordedAt: now, settled: true } }),
  ]) {
    const { reason, lease, instance } = decide(view);
    assert.deepEqual([reason, lease.do, instance.do], ['not-eligible', 'nothing', 'fence']);
  }
});

test('a primary that the record names is adopted, also while its data cannot be read; one whose promotion is known goes on', () => {
  for (const instance of [aPrimary(), aPrimary({ data: someData({ dataId: undefined, promotedTerm: 0 }) })]) {
    const { reason, lease, instance: intent } = decide(unknownPromotion(own, { instance }));
    assert.deepEqual([reason, lease.do, intent.do], ['leads', 'renew', 'nothing']);
  }
  const promotion = { term: 8, process, recordedAt: now, settled: true };
  assert.notEqual(decide(unknownPromotion(undefined, { promotion })).instance.do, 'fence');
});

test('a record that cannot be understood, or is gone, proves nothing against a primary', () => {
  const held = aSeen({ holder: identity }).record;
  const garbage = known(aSeen({ holder: identity, promoting: undefined, garbage: 'no JSON' }), now);
  const gone = known({ ...aSeen(), record: undefined }, now);
  for (const lease of [garbage, gone]) {
    const decision = decide(unknownPromotion(own, { lease, ...(held === undefined ? {} : { held }) }));
    assert.deepEqual([decision.reason, decision.instance.do], ['lease-mended', 'nothing']);
  }
});
