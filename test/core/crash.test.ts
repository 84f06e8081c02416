/**
 * Goal: the crash policy, sentence by sentence: hand over when votes are warm, restart in place otherwise, not for ever,
 * not twice, and never past a promotion that may still happen. Method: a view that differs in one thing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aLeadingView, anExpired, aPeer, aPod, aSeen, aTakingView, aView, identity, now, someData } from './builders.ts';

const process = { pid: 11, startTime: '111' };
const exit = { process, role: 'Primary', at: now - 10 } as const;
const gone = { is: 'stopped', data: someData({ promotedTerm: 7 }), exit } as const;
const two = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') };
const one = { 'og-demo-2': aPeer('og-demo-2') };
const alone = known([aPod('og-demo-1')], now);

function whenGone(part: Partial<View> = {}) {
  return decide(aLeadingView({ instance: gone, lastExit: exit, peers: one, ...part }));
}

describe('a holder whose server is gone', () => {
  test('hands over at once when a vote set answers, also when its agent has not seen the end', () => {
    assert.deepEqual(whenGone({ peers: two }).lease, { do: 'release', heir: 'og-demo-0' });
    const unseen = { ...gone, exit: undefined };
    const decision = whenGone({ peers: two, instance: unseen, lastExit: undefined, promotion: undefined });
    assert.deepEqual(decision.lease, { do: 'release', heir: 'og-demo-0' });
  });
  test('restarts in place when none does, as pending when it needs nobody', () => {
    assert.deepEqual(whenGone().instance, { do: 'start', mode: 'pending' });
  });
  test('restarts as a standby when it has to freeze and compare first', () => {
    const entries = [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: ['og-demo-1', 'og-demo-2'], w: 1 }];
    const lease = known(aSeen({ holder: identity, entries }), now);
    assert.deepEqual(whenGone({ lease, promotion: undefined, peers: {} }).instance, { do: 'start', mode: 'standby' });
  });
  test('gives the lease up when it could not be started for primaryStartTimeoutSeconds', () => {
    const fault = { of: 'command', kind: 'exited', done: 'no', detail: 'ended' } as const;
    const failures = { start: { what: 'start', fault, count: 3, retryAt: now + 900 } };
    assert.equal(whenGone({ failures }).reason, 'start-failed');
    const downSince = now - 5001;
    assert.deepEqual(whenGone({ failures, downSince }).lease, { do: 'release', heir: undefined });
    assert.equal(whenGone({ failures, downSince, pods: alone, peers: {} }).lease.do, 'renew');
  });
  test('gives the lease up the second time in five minutes', () => {
    const crashes = [
      { at: now - 200_000, reignMs: 60_000 },
      { at: now - 10, reignMs: 60_000 },
    ];
    assert.deepEqual(whenGone({ crashes }).lease, { do: 'release', heir: undefined });
    assert.equal(whenGone({ crashes, pods: alone, peers: {} }).instance.do, 'start');
    assert.equal(
      whenGone({
        crashes: [
          { at: now - 300_001, reignMs: 60_000 },
          { at: now - 10, reignMs: 60_000 },
        ],
      }).instance.do,
      'start',
    );
  });
  test('waits ever longer when its promotions end at once and nobody else is there', () => {
    const crashes = [1, 2, 3].map((nth) => ({ at: now - 1900 + nth, reignMs: 100 }));
    assert.equal(whenGone({ crashes, pods: alone, peers: {} }).reason, 'held-off');
    const later = crashes.map((crash) => ({ ...crash, at: crash.at - 200 }));
    assert.equal(whenGone({ crashes: later, pods: alone, peers: {} }).reason, 'restart-in-place');
    const longer = crashes.map((crash) => ({ ...crash, at: crash.at - 8000, reignMs: 5000 }));
    assert.equal(whenGone({ crashes: longer, pods: alone, peers: {} }).reason, 'restart-in-place');
  });
});

describe('a holder whose server takes too long to start', () => {
  const instance = { is: 'starting', process, since: now - 5001, data: undefined } as const;
  test('gives the lease up, to an heir when there is one', () => {
    assert.deepEqual(decide(aLeadingView({ instance, startedHere: process, promotion: undefined, peers: two })).lease, {
      do: 'release',
      heir: 'og-demo-0',
    });
    assert.deepEqual(decide(aLeadingView({ instance, startedHere: process, promotion: undefined, peers: one })).lease, {
      do: 'release',
      heir: undefined,
    });
  });
  test('keeps it when there is no other member at all', () => {
    assert.equal(
      decide(aLeadingView({ instance, startedHere: process, promotion: undefined, pods: alone, peers: {} })).reason,
      'starting',
    );
  });
  test('kills the server first when it was asked to promote: it may still do it', () => {
    const decision = decide(aLeadingView({ instance, peers: two }));
    assert.deepEqual([decision.lease.do, decision.instance.do], ['renew', 'fence']);
  });
});

describe('a member whose server has just ended as primary', () => {
  const crashes = [{ at: now - 3000, reignMs: 60_000 }];
  const expired = known(anExpired(), now);
  test('lets another one go first', () => {
    assert.equal(decide(aView({ lease: expired, peers: two, crashes })).reason, 'held-off');
  });
  test('stands when nobody else could', () => {
    const entries = [{ term: 7, primary: 'og-demo-1', dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 }];
    const lease = known(anExpired({ entries }), now);
    assert.equal(decide(aView({ lease, peers: one, crashes })).lease.do, 'acquire');
  });
  test('is a candidate like any other when that was longer ago than a lease lasts', () => {
    const older = [{ at: now - 8001, reignMs: 60_000 }];
    assert.equal(decide(aView({ lease: expired, peers: two, crashes: older })).reason, 'better-candidate');
  });
  test('takes a lease that names it as the heir', () => {
    const lease = known(aSeen({ holder: '', heir: 'og-demo-1' }), now);
    assert.equal(decide(aView({ lease, peers: two, crashes })).reason, 'lease-heir');
    const again = [1, 2, 3].map((nth) => ({ at: now - 1900 + nth, reignMs: 100 }));
    assert.equal(decide(aView({ lease, peers: two, crashes: again })).reason, 'held-off');
  });
});

describe('a pending server of a holder', () => {
  test('that needs the votes of others is told to be a standby', () => {
    const instance = { is: 'pending', process, role: 'Pending', state: 'Normal', detail: '', data: someData() } as const;
    assert.equal(decide(aTakingView({ instance })).instance.do, 'notify-standby');
  });
});
