/**
 * Goal: a lease that has run out is not left to a member that sees it run out much later, and a server that hangs is looked
 * at when its time is over. Method: a view that differs in one thing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { hungAt } from '../../agent/core/hang.ts';
import type { LeaseRecord, PeerState } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import { aPeer, anExpired, aPrimary, aView, lsn, now } from './builders.ts';

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

test('a server that hangs has hung for long enough when that time is over, and one that was killed is not looked at', () => {
  const { process } = aPrimary();
  const hung = { is: 'hung', process, since: now - 4000, last: 'Primary', data: undefined } as const;
  assert.equal(hungAt(aView({ instance: hung })), now + 6000);
  assert.equal(hungAt(aView({ instance: { ...hung, killed: true } })), undefined);
  assert.equal(hungAt(aView()), undefined);
});
