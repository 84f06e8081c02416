/**
 * Goal: the lease's arithmetic and what a deleted, damaged or lagging record does to a decision. Method: each rule as a
 * sentence, by a view or by numbers; the change of settings at run time is enumerated.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultConfig } from '../../agent/core/config.ts';
import { decide } from '../../agent/core/decide.ts';
import { isExpired, renewed, seen } from '../../agent/core/lease.ts';
import { durationFor, latestUntil } from '../../agent/core/permit.ts';
import { known } from '../../agent/core/result.ts';
import {
  aLeadingView,
  anExpired,
  aPeer,
  aPermit,
  aPod,
  aRecord,
  aSeen,
  aStandby,
  aTakingView,
  aView,
  identity,
  now,
  someData,
} from './builders.ts';

const noLease = { record: undefined, firstSeenAt: now - 9000, confirmedAt: now - 50 };
const peers = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') };

describe('a version of the lease', () => {
  test('keeps its first sight however often it is read', () => {
    const first = seen(undefined, aRecord(), now, now + 10);
    assert.deepEqual(seen(first, aRecord(), now + 5000, now + 5010), { ...first, confirmedAt: now + 5000 });
  });
  test('that a watch delivers late is not confirmed by it', () => {
    const first = seen(undefined, aRecord(), now - 9000, now - 9000);
    const late = seen(first, aRecord(), undefined, now);
    assert.equal(isExpired(late, aView()), false);
    assert.equal(isExpired(seen(late, aRecord(), now, now), aView()), true);
  });
  test('that was only ever told by a watch has to be read once', () => {
    const told = seen(undefined, aRecord(), undefined, now - 9000);
    assert.equal(isExpired(told, aView()), false);
  });
});

describe('a renewal', () => {
  test('never lowers the term or the recorded promotion', () => {
    const record = aRecord({ term: 9, promoting: { member: 'og-demo-2', term: 9, dataId: 'data-2' } });
    const draft = renewed(record, { term: 7, promoting: { member: 'og-demo-1', term: 7, dataId: 'data-1' } }, 8);
    assert.equal(draft.term, 9);
    assert.equal(draft.promoting?.member, 'og-demo-2');
  });
});

describe('the duration that is written', () => {
  const lease = (durationSeconds: number, fenceSeconds: number) => ({ ...defaultConfig.lease, durationSeconds, fenceSeconds });
  test('is the configured one while no longer permit runs', () => {
    assert.equal(durationFor(lease(8, 6), now, now + 6000), 8);
    assert.equal(durationFor(lease(8, 6), now, Number.NEGATIVE_INFINITY), 8);
  });
  test('covers every permit given before, whatever the settings were and become', () => {
    const settings = [lease(8, 6), lease(15, 11), lease(30, 25), lease(10, 6)];
    for (const before of settings) {
      for (const after of settings) {
        for (let passed = 0; passed <= 30_000; passed += 500) {
          const longestUntil = now + before.fenceSeconds * 1000;
          const sentAt = now + passed;
          const ends = Math.max(longestUntil, sentAt + after.fenceSeconds * 1000);
          const written = durationFor(after, sentAt, longestUntil);
          const latest = (ends - sentAt) * 1.01 + (after.stopSeconds + 0.3) * 1010;
          assert.ok(
            latest < written * 990,
            `${before.durationSeconds} to ${after.durationSeconds} after ${passed} ms: ${written}`,
          );
        }
      }
    }
  });
  test('of an agent that does not know what the last one gave covers what its record allowed', () => {
    for (const duration of [8, 15, 30]) {
      const until = latestUntil(now, duration);
      assert.ok(durationFor(lease(8, 6), now + 2000, until) <= duration);
      assert.ok(until - now > (duration - 2) * 1000 * 0.95);
    }
  });
});

describe('a holder whose lease was deleted', () => {
  const held = aRecord({ holder: identity });
  const view = aLeadingView({ lease: known(noLease, now), held });
  test('makes it again with what it wrote last', () => {
    const decision = decide(view);
    assert.equal(decision.reason, 'lease-mended');
    assert.deepEqual(decision.lease, { do: 'recreate', record: held });
    assert.equal(decision.instance.do, 'nothing');
  });
  test('makes it again while the cluster is paused and while it is stopping', () => {
    assert.equal(decide({ ...view, paused: true }).lease.do, 'recreate');
    assert.equal(decide({ ...view, stopping: true }).lease.do, 'recreate');
  });
  test('leaves it alone once its permit has ended: somebody else may have held it since', () => {
    const decision = decide({ ...view, permit: aPermit({ sentAt: now - 6001 }) });
    assert.equal(decision.lease.do, 'nothing');
    assert.equal(decision.instance.do, 'fence');
    const instance = { is: 'stopped', data: someData(), exit: undefined } as const;
    assert.equal(decide({ ...view, instance, permit: aPermit({ sentAt: now - 6001 }) }).lease.do, 'nothing');
  });
  test('is fenced when its agent does not know what stood in it', () => {
    const { held: _held, ...rest } = view;
    assert.equal(decide(rest).instance.do, 'fence');
  });
});

describe('a lease that is not there', () => {
  test('of a cluster with data is not made up by a standby, however long it waits', () => {
    const decision = decide(aView({ lease: known(noLease, now), peers }));
    assert.equal(decision.reason, 'lease-absent');
    assert.equal(decision.lease.do, 'nothing');
  });
  test('and was never there is taken by a member with data only when every pod has spoken', () => {
    const facts = known({ systemId: undefined, history: [], resourceVersion: undefined }, now);
    const lone = aView({ lease: known(noLease, now), facts, peers: { 'og-demo-2': aPeer('og-demo-2') } });
    assert.equal(decide(lone).reason, 'candidates-unknown');
    const pods = known([aPod('og-demo-1'), aPod('og-demo-2')], now);
    assert.equal(decide({ ...lone, pods }).lease.do, 'acquire');
  });
  for (const instance of ['starting', 'hung', 'stopped', 'pending', 'unusable', 'primary'] as const)
    test(`and was never there is not taken over a member that is ${instance}: nobody knows how far it is`, () => {
      const facts = known({ systemId: undefined, history: [], resourceVersion: undefined }, now);
      const both = { 'og-demo-0': aPeer('og-demo-0', { instance, eligible: false }), 'og-demo-2': aPeer('og-demo-2') };
      const { reason, note } = decide(aView({ lease: known(noLease, now), facts, peers: both }));
      assert.deepEqual([reason, note], ['candidates-unknown', 'the lease was never used; no position from og-demo-0']);
    });
});

describe('a lease with something in it that nobody understands', () => {
  const garbage = 'annotation entries cannot be understood';
  const damaged = aSeen({ holder: identity, garbage, entries: [], term: 3, promoting: undefined });
  const held = aLeadingView().lease.known ? aRecord({ holder: identity, containerId: 'c://1' }) : undefined;
  test('is written again by its holder as it was', () => {
    assert.ok(held !== undefined);
    const decision = decide(aLeadingView({ lease: known(damaged, now), held }));
    assert.equal(decision.reason, 'lease-mended');
    assert.ok(decision.lease.do === 'renew');
    const draft = renewed(damaged.record ?? aRecord(), decision.lease.change ?? {}, 8);
    assert.deepEqual(draft.entries, held.entries);
    assert.deepEqual(draft.promoting, held.promoting);
    assert.equal(draft.term, held.term);
    assert.equal(draft.containerId, held.containerId);
  });
  test('is not renewed by an agent that does not know what stood in it', () => {
    const decision = decide(aLeadingView({ lease: known(damaged, now), permit: undefined, promotion: undefined }));
    assert.equal(decision.reason, 'lease-garbage');
    assert.equal(decision.lease.do, 'nothing');
  });
  test('is not promoted on by its holder', () => {
    const decision = decide(aTakingView({ lease: known(damaged, now) }));
    assert.equal(decision.reason, 'lease-garbage');
    assert.equal(decision.instance.do, 'nothing');
  });
  test('is neither taken nor handed on by anybody else', () => {
    assert.equal(decide(aView({ lease: known(anExpired({ garbage }), now), peers })).reason, 'lease-garbage');
    assert.equal(decide(aView({ lease: known(aSeen({ holder: '', garbage }), now), peers })).reason, 'lease-garbage');
    const own = known(aSeen({ holder: 'og-demo-1/uid-1/inc-0', garbage, entries: [] }), now);
    const stopped = { is: 'stopped', data: someData(), exit: undefined } as const;
    assert.equal(decide(aView({ lease: own, peers, instance: stopped })).lease.do, 'nothing');
    assert.equal(decide(aView({ lease: own, peers, instance: aStandby() })).lease.do, 'nothing');
  });
});
