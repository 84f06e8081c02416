/**
 * Goal: what a winner writes into the record can be read and voted by again, whatever the winner cannot see. Method: views
 * of a holder about to record its promotion, and the functions of the set.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SyncEntry } from '../../agent/core/model.ts';
import { flushedBy } from '../../agent/core/flushed.ts';
import { entriesLimit, entryOfWinner, withEntry } from '../../agent/core/sync.ts';
import { decide } from '../../agent/core/decide.ts';
import { known, unknown } from '../../agent/core/result.ts';
import {
  aConfig,
  aLeadingView,
  aPod,
  aPrimary,
  aRecord,
  aSeen,
  aSender,
  aStandby,
  aTakingView,
  aView,
  identity,
  lsn,
  me,
  now,
  someData,
} from './builders.ts';

const gone = { of: 'kube', kind: 'timeout', done: 'no', detail: 'no answer' } as const;
const strict = aConfig({ sync: { ...aConfig().sync, mode: 'strict' } });
const entries: SyncEntry[] = [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: [me, 'og-demo-2'], w: 1 }];
const lease = known(aSeen(aRecord({ holder: identity, entries, syncMode: 'strict' })), now);

test('a winner that cannot list the pods counts on everybody whom the record names', () => {
  const entry = entryOfWinner(aView({ pods: unknown(gone), config: strict, lease }), 8, 'data-1', ['og-demo-2']);
  assert.deepEqual([entry.names, entry.w], [['og-demo-0', 'og-demo-2'], 1]);
});

test('a winner takes a pod that is not there at the moment for away, not for gone', () => {
  const pods = known([aPod(me)], now);
  const entry = entryOfWinner(aView({ pods, config: strict, lease }), 8, 'data-1', []);
  assert.deepEqual([entry.names, entry.w], [['og-demo-0', 'og-demo-2'], 1]);
});

test('promotions in place do not fill the record: entries that ask for the same votes are one', () => {
  const own = (term: number): SyncEntry => ({ term, primary: me, dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 });
  const [first] = entries;
  assert.ok(first !== undefined);
  assert.deepEqual(withEntry([first, own(8)], own(9)), [first, own(9)]);
  assert.deepEqual(withEntry([first, own(8)], { ...own(9), dataId: 'data-2' }).length, 3);
});

test('a record that could not be read again is not written, and nobody is promoted on it', () => {
  const many = Array.from({ length: entriesLimit }, (_, at) => ({
    term: at + 1,
    primary: me,
    dataId: 'data-1',
    names: [`og-demo-${at + 2}`],
    w: 1,
  }));
  const record = aRecord({ holder: identity, term: 20, entries: many });
  const instance = aStandby({ data: someData({ dataId: 'data-1' }) });
  const decision = decide(aTakingView({ lease: known(aSeen(record), now), instance, promotion: undefined }));
  assert.deepEqual([decision.reason, decision.lease], ['not-eligible', { do: 'renew' }]);
});

test('a member that has left an old connection behind acknowledges once', () => {
  const senders = [aSender('og-demo-1', { flushed: lsn('0/20') }), aSender('og-demo-1', { flushed: lsn('0/30') })];
  assert.equal(flushedBy(aLeadingView({ peers: {} }), aPrimary({ senders }), ['og-demo-1', 'og-demo-2'], lsn('0/20')), 1);
});
