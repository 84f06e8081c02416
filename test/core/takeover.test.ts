/**
 * Goal: a take-over that did not go through at the first try is never stuck. Method: views of a holder that is not
 * primary yet, one call, the decision. The schedules that led here were found by the simulator.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import { nobody } from '../../agent/core/sync.ts';
import { aRecord, aSeen, aStandby, aTakingView, identity, me, now, someData } from './builders.ts';

const data = someData({ dataId: 'data-1' });

test('a holder restarted in place whose own vote is not enough becomes a standby, to be frozen and compared', () => {
  const entries = [
    { term: 6, primary: 'og-demo-0', dataId: 'data-0', names: [me, 'og-demo-2'], w: 1 },
    { term: 7, primary: me, dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 },
  ];
  const record = aRecord({ holder: identity, entries, promoting: { member: me, term: 7, dataId: 'data-1' } });
  const { process } = aStandby();
  const instance = { is: 'pending', process, role: 'Pending', state: 'Need repair', detail: 'Disconnected', data } as const;
  const decision = decide(aTakingView({ lease: known(aSeen(record), now), instance, promotion: undefined }));
  assert.equal(decision.reason, 'pending');
  assert.equal(decision.instance.do, 'notify-standby');
});

test('a former primary that has recorded its own promotion goes through with it in mode off', () => {
  const promoting = { member: me, term: 7, dataId: 'data-1' };
  const record = aRecord({ holder: identity, syncMode: 'off', entries: [], promoting });
  const instance = aStandby({ term: 5, data: someData({ dataId: 'data-1', promotedTerm: 5 }) });
  const promotion = { term: 7, process: instance.process, recordedAt: now - 10, settled: false, finished: false };
  const decision = decide(aTakingView({ lease: known(aSeen(record), now), instance, promotion }));
  assert.equal(decision.instance.do, 'promote', `${decision.reason} ${decision.note ?? ''}`);
});

test('a winner that will acknowledge alone is promoted with names that nobody bears, so that its term goes first', () => {
  const entries = [{ term: 8, primary: me, dataId: 'data-1', names: [], w: 0 }];
  const record = aRecord({ holder: identity, term: 8, entries, promoting: { member: me, term: 8, dataId: 'data-1' } });
  const instance = aStandby({ data, receiver: undefined });
  const promotion = { term: 8, process: instance.process, recordedAt: now - 10, settled: false };
  const decide8 = (part: Parameters<typeof aRecord>[0]) =>
    decide(aTakingView({ lease: known(aSeen({ ...record, ...part }), now), instance, promotion })).instance;
  const named = decide8({});
  assert.equal(named.do === 'promote' && named.names, nobody);
  const off = decide8({ syncMode: 'off' });
  assert.equal(off.do === 'promote' && off.names, '');
});
