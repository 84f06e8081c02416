/**
 * Goal: in mode `off`, where nobody votes and nothing is frozen, no member takes a lease over a primary that it can hear.
 * Method: views of a standby that sees the lease run out, and of one that has just taken it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import type { LeaseRecord, PeerState } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { anExpired, aPeer, aPrimaryPeer, aRecord, aSeen, aStandby, aTakingView, aView, identity, lsn, now } from './builders.ts';

const written = { term: 7, from: lsn('0/4000000'), lsn: lsn('0/5000100') };
const off: Partial<LeaseRecord> = { syncMode: 'off', entries: [], written };

function standing(word: Partial<PeerState>, record: Partial<LeaseRecord> = {}, at = now - 200): View {
  const peers = { 'og-demo-0': aPrimaryPeer('og-demo-0', word) };
  peers['og-demo-0'].at = at;
  return aView({ lease: known(anExpired({ ...off, ...record }), now), peers });
}

describe('a standby in mode off', () => {
  test('leaves an expired lease to a holder that says that it is primary, and says so', () => {
    const decision = decide(standing({}));
    assert.deepEqual([decision.reason, decision.lease.do], ['holder-alive', 'nothing']);
    assert.match(decision.note ?? '', /og-demo-0/);
    assert.equal(decide(standing({ instance: 'hung', mayLead: true })).lease.do, 'nothing', 'one that hangs may go on');
  });

  test('takes it when the holder is silent, is a standby by now, or speaks of an older lease', () => {
    assert.equal(decide(standing({}, {}, now - 9000)).lease.do, 'acquire');
    assert.equal(decide(standing({ instance: 'standby', role: 'Standby' })).lease.do, 'acquire');
    assert.equal(decide(standing({ leaseTerm: 6 })).lease.do, 'acquire');
  });

  test('takes a lease that was released at once: its holder has stopped its server before', () => {
    const released = { holder: '', heir: 'og-demo-1', releasedBy: 'og-demo-0/uid-0/inc-0' };
    assert.equal(decide(standing({}, released)).lease.do, 'acquire');
    const emptied = aRecord({ ...off, holder: '' });
    delete emptied.releasedBy;
    const lease = known({ record: emptied, firstSeenAt: now - 9000, confirmedAt: now - 50 }, now);
    assert.equal(decide({ ...standing({}), lease }).reason, 'holder-alive', 'a name taken out by hand stops no server');
  });

  test('leaves it to a holder that does not answer while another member is bound to it by a promise', () => {
    const record = aRecord(off);
    const promised = { holder: record.holder, term: record.term };
    const trusting = (word: Partial<PeerState>): View => {
      const view = standing({}, {}, now - 9000);
      return { ...view, peers: { ...view.peers, 'og-demo-2': aPeer('og-demo-2', word) } };
    };
    const decision = decide(trusting({ promised }));
    assert.deepEqual([decision.reason, decision.lease.do], ['holder-alive', 'nothing']);
    assert.match(decision.note ?? '', /promises/);
    assert.equal(decide(trusting({})).lease.do, 'acquire');
  });

  test('asks nobody in the synchronous modes, where the freeze decides', () => {
    assert.equal(
      decide({ ...standing({}, { ...aSeen().record }), peers: { ...standing({}).peers, 'og-demo-2': aPeer('og-demo-2') } }).lease
        .do,
      'acquire',
    );
  });
});

describe('a holder in mode off that is not primary yet', () => {
  /** It took the lease a second ago. */
  const taking = (word: Partial<PeerState>, at: number): View => {
    const lease = known(aSeen({ ...off, holder: identity, term: 8 }, { firstSeenAt: now - 1000 }), now);
    const peers = { 'og-demo-0': aPrimaryPeer('og-demo-0', word) };
    peers['og-demo-0'].at = at;
    return aTakingView({ lease, peers, instance: aStandby({ receiver: undefined }), acquiredAt: now - 1000 });
  };

  test('waits while the last primary says after that that it is one still', () => {
    assert.equal(decide(taking({}, now - 200)).reason, 'holder-alive');
    assert.equal(decide(taking({}, now - 200)).lease.do, 'renew');
    assert.equal(decide(taking({}, now - 1500)).reason, 'recording-promotion', 'its word is older than the lease');
    assert.equal(decide(taking({ promotedTerm: 6 }, now - 200)).reason, 'recording-promotion');
  });
});
