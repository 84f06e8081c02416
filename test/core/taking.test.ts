/**
 * Goal: the rules of a holder that is not primary yet, from the freeze to the promotion, each as a sentence that fails when the rule
 * is taken out. Method: as in decide.test.ts.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import { aPeer, aPermit, aSeen, aStandby, aTakingView, aView, expectDecision, identity, lsn, now, someData } from './builders.ts';

describe('a promotion that was asked for', () => {
  const promotion = { term: 8, process: { pid: 11, startTime: '111' }, recordedAt: now - 100, settled: false };
  test('makes a standby without a permit be killed, as it may still succeed', () => {
    const view = aTakingView({ promotion, permit: aPermit({ sentAt: now - 6001, term: 8 }) });
    expectDecision(view, { reason: 'permit-lost', intent: 'fence' });
  });
  test('is forgotten with the server process that it was asked of', () => {
    const instance = aStandby({ process: { pid: 12, startTime: '112' } });
    expectDecision(aView({ promotion, instance }), { reason: 'follows' });
  });
  test('that takes too long ends with the server, before the lease goes on', () => {
    const slow = { ...promotion, recordedAt: now - 5001 };
    const lease = known(aSeen({ holder: identity, term: 8, promoting: { member: 'og-demo-1', term: 8, dataId: 'data-1' } }), now);
    expectDecision(aTakingView({ promotion: slow, lease }), { reason: 'promotion-stalled', lease: 'renew', intent: 'fence' });
  });
});

describe('the winner of the lease', () => {
  const lock = { mode: 'specify_connection', host: '10.0.0.11', port: 5433, redoFinished: true } as const;
  const frozen = aStandby({ receiver: undefined, lock });
  const takeover = (state: Parameters<typeof aPeer>[1]) => ({
    term: 8,
    startedAt: now - 100,
    votes: { 'og-demo-2': aPeer('og-demo-2', { redoFinished: true, ...state }) },
  });
  test('freezes before it compares', () => {
    expectDecision(aTakingView(), { reason: 'freezing', lease: 'renew', intent: 'freeze' });
  });
  test('does not compare before redo has finished on the frozen', () => {
    expectDecision(aTakingView({ instance: frozen, takeover: takeover({ redoFinished: false }) }), {
      reason: 'comparing',
      lease: 'renew',
      intent: 'freeze',
    });
  });
  test('does not promote on votes of an earlier term', () => {
    const old = { ...takeover({}), term: 7 };
    expectDecision(aTakingView({ instance: frozen, takeover: old }), { reason: 'freezing', lease: 'renew', intent: 'freeze' });
  });
  test('hands the lease to a frozen member that is ahead', () => {
    const decision = decide(aTakingView({ instance: frozen, takeover: takeover({ replayed: lsn('0/5000101') }) }));
    assert.equal(decision.reason, 'not-most-advanced');
    assert.deepEqual(decision.lease, { do: 'release', heir: 'og-demo-2' });
  });
  test('records the promotion with its entry beside the old one before it promotes', () => {
    const decision = decide(aTakingView({ instance: frozen, takeover: takeover({}) }));
    assert.equal(decision.reason, 'recording-promotion');
    assert.equal(decision.instance.do, 'nothing');
    assert.ok(decision.lease.do === 'renew');
    assert.deepEqual(decision.lease.change?.promoting, { member: 'og-demo-1', term: 8, dataId: 'data-1' });
    assert.deepEqual(
      decision.lease.change?.entries?.map((entry) => [entry.term, entry.primary, entry.w, ...entry.names]),
      [
        [7, 'og-demo-0', 1, 'og-demo-1', 'og-demo-2'],
        [8, 'og-demo-1', 1, 'og-demo-0', 'og-demo-2'],
      ],
    );
  });
  test('promotes with names that nobody bears once the lease shows its promotion', () => {
    const promotion = { term: 8, process: { pid: 11, startTime: '111' }, recordedAt: now - 10, settled: false };
    const entries = [{ term: 8, primary: 'og-demo-1', dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 }];
    const lease = known(
      aSeen({ holder: identity, term: 8, entries, promoting: { member: 'og-demo-1', term: 8, dataId: 'data-1' } }),
      now,
    );
    const decision = decide(aTakingView({ instance: frozen, lease, promotion }));
    assert.ok(decision.instance.do === 'promote');
    assert.match(decision.instance.names, /nobody/);
  });
  test('does not ask for a promotion that another process of the server was recorded for', () => {
    const lease = known(aSeen({ holder: identity, term: 8, promoting: { member: 'og-demo-1', term: 8, dataId: 'data-1' } }), now);
    const decision = decide(aTakingView({ instance: frozen, takeover: takeover({}), lease }));
    assert.equal(decision.reason, 'recording-promotion');
    assert.ok(decision.lease.do === 'renew' && (decision.lease.change?.term ?? 0) > 8);
  });
  test('kills a server that it found running with the term of the record: its promotion may have been asked for', () => {
    const lease = known(aSeen({ holder: identity, term: 8, promoting: { member: 'og-demo-1', term: 8, dataId: 'data-1' } }), now);
    const process = { pid: 11, startTime: '111' };
    const instance = aStandby({ receiver: undefined, lock, process, data: someData({ promotedTerm: 8 }) });
    const found = aTakingView({ instance, takeover: takeover({}), lease });
    expectDecision(found, { reason: 'promotion-stalled', lease: 'renew', intent: 'fence' });
    assert.equal(decide({ ...found, startedHere: process }).reason, 'recording-promotion');
  });
  test('that is not eligible any more hands the lease on', () => {
    const records = { granted: 0, freeze: undefined, build: { mode: 'full', startedAt: '' } } as const;
    const decision = decide(aTakingView({ records }));
    assert.equal(decision.lease.do, 'release');
  });
});
