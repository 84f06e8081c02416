/**
 * Goal: a lease that has run out is not left to a member that sees it run out much later, and a server that hangs is looked
 * at when its time is over. Method: a view that differs in one thing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { hungAt } from '../../agent/core/hang.ts';
import type { LeaseRecord, PeerState, SyncEntry } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import { aPeer, anExpired, aPrimary, aSeen, aStandby, aTakingView, aView, identity, lsn, me, now } from './builders.ts';

/** og-demo-1 sees an expired lease; og-demo-0, whose pod was made again, ranks before it by its name. */
function expired(other: Partial<PeerState>, record: Partial<LeaseRecord> = {}) {
  const peers = { 'og-demo-0': aPeer('og-demo-0', { uid: 'uid-9', ...other }), 'og-demo-2': aPeer('og-demo-2') };
  return aView({ peers, lease: known(anExpired(record), now) });
}

describe('a standby whose lease has run out', () => {
  test('does not wait for a better one that has seen the lease for less long', () => {
    assert.equal(decide(expired({ leaseSeenMs: 5000 })).lease.do, 'acquire');
    const ahead = { leaseSeenMs: 5000, received: lsn('0/5000200') };
    assert.equal(decide(expired(ahead)).lease.do, 'acquire', 'the comparison gives it the lease');
  });
  const written = { term: 7, from: lsn('0/4000000'), lsn: lsn('0/5000200') };
  const off: Partial<LeaseRecord> = { syncMode: 'off', entries: [], written };
  const cases: [string, Partial<PeerState>, Partial<LeaseRecord>][] = [
    ['sees it run out at the same time', { leaseSeenMs: 7900 }, {}],
    ['sees it run out hardly later', { leaseSeenMs: 7700 }, {}],
    ['does not say', {}, {}],
    ['is ahead in mode off, where nobody compares', { leaseSeenMs: 5000, received: lsn('0/5000200') }, off],
  ];
  for (const [what, other, record] of cases) {
    test(`leaves it to a better one that ${what}`, () => {
      const { reason, lease } = decide(expired(other, record));
      assert.deepEqual([reason, lease.do], ['better-candidate', 'nothing']);
    });
  }
  test('leaves a lease that was released to a better one, however late that has come', () => {
    const { peers } = expired({ leaseSeenMs: 500 });
    const free = known({ ...anExpired({ holder: '' }), firstSeenAt: now - 2000 }, now);
    assert.equal(decide(aView({ peers, lease: free })).reason, 'better-candidate');
  });
});

/** Two members: whatever was acknowledged is on either of them, so that nobody has to be frozen and compared. */
const alone: SyncEntry[] = [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: [me], w: 1 }];
const more = { received: lsn('0/5000200') };

describe('a standby whose own vote is enough', () => {
  test('notes whom it passes over for seeing the lease run out late, when that member has more', () => {
    const passed = (other: Partial<PeerState>) => decide(expired({ leaseSeenMs: 5000, ...other }, { entries: alone })).lease;
    assert.deepEqual(passed(more), { do: 'acquire', over: anExpired({ entries: alone }), passedOver: ['og-demo-0'] });
    assert.deepEqual(passed({}), { do: 'acquire', over: anExpired({ entries: alone }) });
  });
  function taken(passedOver: string[], other: Partial<PeerState> = more, at = now - 200) {
    const lease = known(aSeen({ holder: identity, term: 8, entries: alone }), now);
    const instance = aStandby({ receiver: undefined });
    return decide(aTakingView({ lease, instance, passedOver, peers: { 'og-demo-0': aPeer('og-demo-0', other, at) } }));
  }
  test('hands the lease on to the one that it passed over', () => {
    const { reason, lease } = taken(['og-demo-0']);
    assert.deepEqual([reason, lease], ['not-most-advanced', { do: 'release', heir: 'og-demo-0' }]);
  });
  const cases: [string, ReturnType<typeof taken>][] = [
    ['that left it the lease itself, or that was not there', taken([])],
    ['that has no more than it', taken(['og-demo-0'], {})],
    ['that may not lead any more', taken(['og-demo-0'], { ...more, eligible: false })],
    ['of which nothing is heard any more', taken(['og-demo-0'], more, now - 3000)],
  ];
  for (const [what, { reason }] of cases) {
    test(`leads beside a member ${what}`, () => assert.equal(reason, 'recording-promotion'));
  }
});

test('a server that hangs has hung for long enough when that time is over, and one that was killed is not looked at', () => {
  const { process } = aPrimary();
  const hung = { is: 'hung', process, since: now - 4000, last: 'Primary', data: undefined } as const;
  assert.equal(hungAt(aView({ instance: hung })), now + 6000);
  assert.equal(hungAt(aView({ instance: { ...hung, killed: true } })), undefined);
  assert.equal(hungAt(aView()), undefined);
});
