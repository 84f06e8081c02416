/**
 * Decisions about members whose volumes are full, broken or mute: who is elected, what becomes of the primary, and when a
 * server is not started. Each case states the difference from a settled cluster and asserts the reason.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { isBest, obstacle } from '../../agent/core/election.ts';
import type { PeerState } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import type { DiskView, View } from '../../agent/core/view.ts';
import { aLeadingView, anExpired, aPeer, aPrimary, aRequest, aTakingView, aView, lsn, now, someData } from './builders.ts';

const fine: DiskView = { pressure: undefined, critical: false, owner: undefined, broken: undefined, noRoom: undefined };
const full: DiskView = { ...fine, pressure: 'volume data is 96% full' };
const pressure = 'volume data is 97% full';

/** The primary's lease has run out; og-demo-2 is the other candidate. */
function standing(part: { mode: 'off' | 'quorum'; disk?: DiskView; other?: Partial<PeerState> }): View {
  const written = { term: 7, from: lsn('0/1000000'), lsn: lsn('0/5000100') };
  const lease = known(anExpired({ syncMode: part.mode, written }), now - 50);
  return aView({ lease, disk: part.disk ?? fine, peers: { 'og-demo-2': aPeer('og-demo-2', part.other) } });
}

const isBestIn = (view: View) => view.instance.is === 'standby' && isBest(view, view.instance);
const ahead = { received: lsn('0/5000200'), replayed: lsn('0/5000200') };

test('between equals a member with a full volume stands back, whatever the mode', () => {
  for (const mode of ['off', 'quorum'] as const) {
    assert.equal(isBestIn(standing({ mode })), true);
    assert.equal(isBestIn(standing({ mode, disk: full })), false);
    assert.equal(isBestIn(standing({ mode, other: { pressure } })), true);
    // Both are full: somebody has to.
    assert.equal(isBestIn(standing({ mode, disk: full, other: { pressure } })), true);
  }
});

test('in mode off a fit member goes before a full one that is ahead; in quorum the furthest wins, full or not', () => {
  assert.equal(isBestIn(standing({ mode: 'off', other: { ...ahead, pressure } })), true);
  assert.equal(isBestIn(standing({ mode: 'quorum', other: { ...ahead, pressure } })), false);
  assert.equal(
    decide(standing({ mode: 'quorum', disk: full, other: { received: lsn('0/4000000'), replayed: lsn('0/4000000') } })).reason,
    'lease-expired',
  );
});

test('in mode off a full member does not wait for a fit one that may not stand itself', () => {
  const view = standing({ mode: 'off', disk: full, other: { received: lsn('0/1000000'), replayed: lsn('0/1000000') } });
  assert.equal(isBestIn(view), true);
  const near = standing({ mode: 'off', disk: full, other: { received: lsn('0/5000000'), replayed: lsn('0/5000000') } });
  assert.equal(isBestIn(near), false);
});

test('a member with a broken volume is never promoted, as standby or as the one that holds the lease', () => {
  for (const broken of ['volume data is read-only', 'volume wal is failed', 'volume data is replaced', 'volume data is absent']) {
    const view = aView({ disk: { ...fine, broken } });
    assert.equal(obstacle(view, view.instance), broken);
    const taking = decide(aTakingView({ disk: { ...fine, broken } }));
    assert.deepEqual([taking.lease.do, taking.instance.do, taking.reason], ['release', 'nothing', 'not-eligible']);
  }
});

test('a primary whose volume is broken or mute is killed and not renewed while a standby can take over', () => {
  for (const [disk, reason] of [
    [{ ...fine, broken: 'volume data is read-only' }, 'volume-failed'],
    [{ ...fine, broken: 'volume wal is failed' }, 'volume-failed'],
    [{ ...fine, stuck: 'volume data does not answer' }, 'hung'],
  ] as const) {
    const decision = decide(aLeadingView({ disk }));
    assert.deepEqual([decision.reason, decision.instance.do, decision.lease.do], [reason, 'fence', 'nothing']);
    const alone = decide(aLeadingView({ disk, peers: {} }));
    assert.equal(alone.instance.do, 'nothing');
  }
  // A path that vanished or leads elsewhere says nothing about the server's open files.
  assert.equal(decide(aLeadingView({ disk: { ...fine, broken: 'volume data is absent' } })).reason, 'leads');
});

test('a server that was killed on a mute volume and is still there keeps nobody from taking over', () => {
  const hung = {
    is: 'hung',
    process: { pid: 11, startTime: '111' },
    since: now - 1000,
    last: 'Primary',
    data: someData(),
  } as const;
  const decision = decide(aLeadingView({ instance: hung, disk: { ...fine, stuck: 'volume data does not answer' } }));
  assert.deepEqual([decision.reason, decision.instance.do, decision.lease.do], ['hung', 'fence', 'nothing']);
  assert.equal(decide(aLeadingView({ instance: hung })).lease.do, 'renew');
});

test('a primary that is read-only says why', () => {
  const instance = aPrimary({ readOnly: true, writable: false });
  assert.equal(decide(aLeadingView({ instance, disk: { ...full, owner: 'agent' } })).note, 'volume data is 96% full');
  const human = decide(aLeadingView({ instance, disk: { ...fine, owner: 'human' } }));
  assert.deepEqual([human.reason, human.note], ['read-only', 'set by a human']);
});

test('a server without room is not started; with a standby that can take over the lease goes there first', () => {
  const stopped = { is: 'stopped', data: someData({ promotedTerm: 7 }), exit: undefined } as const;
  const disk = { ...fine, noRoom: 'volume data has 0 B left' };
  assert.equal(decide(aView({ instance: stopped, disk })).reason, 'disk-full');
  assert.equal(decide(aLeadingView({ instance: stopped, disk, peers: {}, promotion: undefined })).reason, 'disk-full');
  assert.equal(decide(aLeadingView({ instance: stopped, disk })).reason, 'hand-over');
});

test('a switchover to a member without room is refused, unless the primary has none either', () => {
  const request = aRequest({ kind: 'switchover', target: 'og-demo-0' });
  const peers = { 'og-demo-0': aPeer('og-demo-0', { pressure }), 'og-demo-2': aPeer('og-demo-2') };
  assert.equal(decide(aLeadingView({ request, peers, disk: fine })).answer?.phase, 'refused');
  assert.equal(decide(aLeadingView({ request, peers, disk: full })).answer?.phase, 'running');
  const any = known({ ...(request.known ? request.value : {}), target: undefined } as never, now);
  assert.equal(decide(aLeadingView({ request: any, peers, disk: fine })).answer?.target, 'og-demo-2');
});
