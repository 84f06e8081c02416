/**
 * Goal: where failover is manual no standby takes over unless a person asks it to, whatever becomes of the primary, and the
 * primary comes back by itself. Method: a view that differs in one thing, one call, the decision.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aConfig, aLeadingView, anExpired, aPeer, aSeen, aStandby, aView, lsn, me, now, someData } from './builders.ts';

const config = aConfig({ failover: 'manual' });
const process = { pid: 11, startTime: '111' };
const exit = { process, role: 'Primary', at: now - 10 } as const;
const gone = { is: 'stopped', data: someData({ promotedTerm: 7 }), exit } as const;
const two = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') };
const mine = { member: me, term: 7, dataId: 'data-1' };

function whenGone(part: Partial<View> = {}) {
  return decide(aLeadingView({ config, instance: gone, lastExit: exit, peers: two, ...part }));
}

describe('a holder where failover is manual', () => {
  test('restarts its server in place although a vote set answers', () => {
    assert.equal(whenGone({ config: aConfig() }).reason, 'hand-over', 'by itself it would hand over');
    assert.equal(whenGone().reason, 'restart-in-place');
  });
  test('keeps its lease however often its server ends and however long it takes to start', () => {
    const crashes = [now - 200_000, now - 100_000, now - 10].map((at) => ({ at, reignMs: 60_000 }));
    assert.equal(whenGone({ crashes }).reason, 'restart-in-place');
    assert.equal(whenGone({ lastExit: { ...exit, at: now - 60_000 } }).reason, 'restart-in-place');
    const instance = { is: 'starting', process, since: now - 60_000, data: undefined } as const;
    const starting = { config, instance, startedHere: process, promotion: undefined, peers: two };
    assert.equal(decide(aLeadingView(starting)).reason, 'starting');
  });
  test('names no heir when its data cannot be used', () => {
    const instance = { is: 'unusable', detail: 'garbage', hint: '' } as const;
    const { lease } = decide(aLeadingView({ config, instance, peers: two, promotion: undefined }));
    assert.deepEqual(lease, { do: 'release', heir: undefined });
  });
  test('is not killed for a volume that is broken: nobody would take over', () => {
    const disk = {
      pressure: undefined,
      critical: false,
      owner: undefined,
      broken: 'volume data is read-only',
      noRoom: undefined,
      stuck: undefined,
    };
    assert.equal(decide(aLeadingView({ config: aConfig(), disk, peers: two })).instance.do, 'fence');
    assert.notEqual(decide(aLeadingView({ config, disk, peers: two })).instance.do, 'fence');
  });
});

describe('a standby where failover is manual', () => {
  const standing = (part: Partial<View> = {}) => decide(aView({ config, lease: known(anExpired(), now), peers: two, ...part }));

  test('leaves a lease alone that has run out', () => {
    const { reason, note } = standing();
    assert.deepEqual([reason, note], ['not-eligible', 'failover is manual']);
  });
  test('takes one that names it as the heir', () => {
    assert.equal(standing({ lease: known(aSeen({ holder: '', heir: me }), now) }).reason, 'lease-heir');
  });
  test('that was the last primary comes back, although a name before its own is as far', () => {
    assert.equal(standing({ lease: known(anExpired({ promoting: mine }), now) }).lease.do, 'acquire');
  });
  test('that was the last primary leaves it to people when another one is ahead', () => {
    const ahead = { ...two, 'og-demo-2': aPeer('og-demo-2', { received: lsn('0/9000000') }) };
    assert.equal(standing({ lease: known(anExpired({ promoting: mine }), now), peers: ahead }).reason, 'better-candidate');
  });
  test('that was the last primary takes its lease back in a new container at once', () => {
    const instance = aStandby({ receiver: undefined });
    const holder = `${me}/uid-1/inc-0`;
    const view = aView({ config, instance, lease: known(aSeen({ holder, promoting: mine }), now), peers: two });
    const { lease } = decide({ ...view, self: { ...view.self, provesDeath: true } });
    assert.equal(lease.do, 'acquire');
  });
});
