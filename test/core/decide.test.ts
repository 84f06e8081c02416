/**
 * Goal: each safety rule of decide() as a sentence that fails when the rule is taken out.
 * Method: a view that differs from a settled cluster in one thing, one call, the decision and its reason.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known, unknown } from '../../agent/core/result.ts';
import {
  aLeadingView,
  anExpired,
  aPeer,
  aPermit,
  aPod,
  aPrimary,
  aPrimaryPeer,
  aSeen,
  aStandby,
  aView,
  expectDecision,
  identity,
  lsn,
  now,
  someData,
} from './builders.ts';

const timeout = { of: 'kube', kind: 'timeout', done: 'no', detail: 'timed out' } as const;

describe('a primary', () => {
  test('whose permit has ended is fenced', () => {
    const view = aLeadingView({ permit: aPermit({ sentAt: now - 6001 }) });
    expectDecision(view, { reason: 'permit-lost', intent: 'fence' });
  });
  test('whose permit has ended is fenced even while the cluster is paused', () => {
    const view = aLeadingView({ permit: aPermit({ sentAt: now - 6001 }), paused: true });
    expectDecision(view, { reason: 'permit-lost', intent: 'fence' });
  });
  test('whose permit has ended is fenced even while a job runs', () => {
    const job = { kind: 'hand-over', startedAt: now, progress: undefined } as const;
    expectDecision(aLeadingView({ permit: aPermit({ sentAt: now - 6001 }), job }), { reason: 'permit-lost', intent: 'fence' });
  });
  test('that sees another holder is fenced although its permit still runs', () => {
    const lease = known(aSeen({ holder: 'og-demo-2/uid-2/inc-2', term: 8 }), now);
    expectDecision(aLeadingView({ lease }), { reason: 'other-holder', intent: 'fence' });
  });
  test('whose pod name holds the lease under another incarnation is fenced', () => {
    const lease = known(aSeen({ holder: 'og-demo-1/uid-1/inc-2' }), now);
    expectDecision(aLeadingView({ lease }), { reason: 'other-holder', intent: 'fence' });
  });
  test('that cannot read the lease goes on until its permit ends', () => {
    const seen = aLeadingView().lease;
    expectDecision(aLeadingView({ lease: seen }), { reason: 'leads', lease: 'renew' });
  });
  test('found by a restarted agent renews first when the lease still names it', () => {
    expectDecision(aLeadingView({ permit: undefined, promotion: undefined }), { reason: 'lease-claimed-back', lease: 'renew' });
  });
  test('found by a restarted agent is fenced at once where PID 1 does not guard it', () => {
    const view = aLeadingView({ permit: undefined });
    expectDecision({ ...view, self: { ...view.self, guarded: false } }, { reason: 'permit-lost', intent: 'fence' });
  });
  test('found by a restarted agent that cannot read the lease is left to the guard of PID 1', () => {
    expectDecision(aLeadingView({ permit: undefined, lease: unknown(timeout) }), { reason: 'lease-unknown' });
  });
  test('that hangs without a permit is fenced like one that answers', () => {
    const instance = {
      is: 'hung',
      process: { pid: 11, startTime: '111' },
      since: now,
      last: 'Primary',
      data: undefined,
    } as const;
    expectDecision(aLeadingView({ instance, permit: aPermit({ sentAt: now - 6001 }) }), {
      reason: 'permit-lost',
      intent: 'fence',
    });
  });
  test('that is paused goes on renewing', () => {
    expectDecision(aLeadingView({ paused: true }), { reason: 'paused', lease: 'renew' });
  });
  test('that is gone hands the lease to the most advanced standby when a vote set stands', () => {
    const exit = { process: { pid: 11, startTime: '111' }, role: 'Primary', at: now } as const;
    const instance = { is: 'stopped', data: someData({ promotedTerm: 7 }), exit } as const;
    const peers = { 'og-demo-0': aPeer('og-demo-0', { replayed: lsn('0/5000200') }), 'og-demo-2': aPeer('og-demo-2') };
    const decision = decide(aLeadingView({ instance, lastExit: exit, peers }));
    assert.deepEqual(decision.lease, { do: 'release', heir: 'og-demo-0' });
  });
  test('that is gone is restarted in place when too few standbys answer for a vote set', () => {
    const exit = { process: { pid: 11, startTime: '111' }, role: 'Primary', at: now } as const;
    const instance = { is: 'stopped', data: someData({ promotedTerm: 7 }), exit } as const;
    const view = aLeadingView({ instance, lastExit: exit, peers: { 'og-demo-2': aPeer('og-demo-2') } });
    expectDecision(view, { reason: 'restart-in-place', lease: 'renew', intent: 'start' });
  });
});

describe('a standby', () => {
  test('that cannot read the lease stays a standby', () => {
    expectDecision(aView({ lease: unknown(timeout), peers: {} }), { reason: 'lease-unknown' });
  });
  test('follows while the lease is held', () => {
    expectDecision(aView(), { reason: 'follows' });
  });
  test('does not take a lease that ran out by its own clock but was not read again after that', () => {
    const lease = known(aSeen({}, { firstSeenAt: now - 9000, confirmedAt: now - 1500 }), now);
    expectDecision(aView({ lease, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'waits-for-expiry' });
  });
  test('waits as long as the record says when that is longer than its own setting', () => {
    const lease = known({ ...anExpired({ durationSeconds: 15 }), firstSeenAt: now - 10_000 }, now);
    expectDecision(aView({ lease, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'waits-for-expiry' });
  });
  test('takes an expired lease when it is the best candidate and a vote set answers', () => {
    expectDecision(aView({ lease: known(anExpired(), now), peers: { 'og-demo-2': aPeer('og-demo-2') } }), {
      reason: 'lease-expired',
      lease: 'acquire',
    });
  });
  test('does not take an expired lease when no vote set answers', () => {
    expectDecision(aView({ lease: known(anExpired(), now), peers: {} }), { reason: 'no-vote-set' });
  });
  test('does not count a peer whose word is old towards the vote set', () => {
    const peers = { 'og-demo-2': aPeer('og-demo-2', {}, now - 3000) };
    expectDecision(aView({ lease: known(anExpired(), now), peers }), { reason: 'no-vote-set' });
  });
  test('leaves the lease to a peer that is further ahead', () => {
    const peers = { 'og-demo-2': aPeer('og-demo-2', { replayed: lsn('0/5000200') }) };
    expectDecision(aView({ lease: known(anExpired(), now), peers }), { reason: 'better-candidate' });
  });
  test('ranks a higher WAL term before a higher position', () => {
    const peers = { 'og-demo-2': aPeer('og-demo-2', { term: 6, replayed: lsn('0/9000000') }) };
    expectDecision(aView({ lease: known(anExpired(), now), peers }), { reason: 'lease-expired', lease: 'acquire' });
  });
  test('leaves the lease to a peer that is as far and has the higher priority, whatever the names', () => {
    const at = (name: string, priority: string) => aPod(name, { annotations: { 'opengauss.agent/priority': priority } });
    const peers = { 'og-demo-2': aPeer('og-demo-2') };
    const lease = known(anExpired(), now);
    const preferred = known([aPod('og-demo-0'), at('og-demo-1', '1'), at('og-demo-2', '5')], now);
    expectDecision(aView({ lease, peers, pods: preferred }), { reason: 'better-candidate' });
    const unreadable = known([aPod('og-demo-0'), at('og-demo-1', '1'), at('og-demo-2', 'high')], now);
    expectDecision(aView({ lease, peers, pods: unreadable }), { reason: 'lease-expired', lease: 'acquire' });
  });
  test('takes a released lease at once as the heir', () => {
    const lease = known(aSeen({ holder: '', heir: 'og-demo-1' }), now);
    expectDecision(aView({ lease, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'lease-heir', lease: 'acquire' });
  });
  test('leaves a released lease to the heir for its turn', () => {
    const lease = known(aSeen({ holder: '', heir: 'og-demo-2' }, { firstSeenAt: now - 500 }), now);
    expectDecision(aView({ lease, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'waits-for-heir' });
  });
  test('takes a released lease when the heir has let its turn pass', () => {
    const lease = known(aSeen({ holder: '', heir: 'og-demo-2' }, { firstSeenAt: now - 1000 }), now);
    expectDecision(aView({ lease, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'lease-free', lease: 'acquire' });
  });
  test('never promotes on a lease with garbage in it', () => {
    const lease = known(anExpired({ garbage: 'entries: not JSON' }), now);
    expectDecision(aView({ lease, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'lease-garbage' });
  });
  test('waits a whole duration when the lease of a cluster with data has vanished', () => {
    const lease = known(aSeen(undefined, { record: undefined, firstSeenAt: now - 500 }), now);
    expectDecision(aView({ lease, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'waits-for-expiry' });
  });
  test('whose data misses the last promotion does not stand in mode off', () => {
    const instance = aStandby({ term: 6, data: someData({ promotedTerm: 6 }) });
    expectDecision(
      aView({ instance, lease: known(anExpired({ syncMode: 'off' }), now), peers: { 'og-demo-2': aPeer('og-demo-2') } }),
      {
        reason: 'not-eligible',
      },
    );
  });
  test('of another cluster does not stand', () => {
    const instance = aStandby({ data: someData({ systemId: '43' }) });
    expectDecision(aView({ instance, lease: known(anExpired(), now), peers: { 'og-demo-2': aPeer('og-demo-2') } }), {
      reason: 'not-eligible',
    });
  });
  test('with never-primary does not stand', () => {
    const pods = [
      aPod('og-demo-0'),
      aPod('og-demo-1', { annotations: { 'opengauss.agent/never-primary': 'true' } }),
      aPod('og-demo-2'),
    ];
    const view = aView({ pods: known(pods, now), lease: known(anExpired(), now), peers: { 'og-demo-2': aPeer('og-demo-2') } });
    expectDecision(view, { reason: 'not-eligible' });
  });
  test('with a never-primary that cannot be read does not stand, and does with one that is false', () => {
    const peers = { 'og-demo-2': aPeer('og-demo-2') };
    const marked = (text: string) =>
      known(
        [aPod('og-demo-0'), aPod('og-demo-1', { annotations: { 'opengauss.agent/never-primary': text } }), aPod('og-demo-2')],
        now,
      );
    for (const text of ['yes', 'TRUE', '1'])
      expectDecision(aView({ pods: marked(text), lease: known(anExpired(), now), peers }), { reason: 'not-eligible' });
    for (const text of ['', 'false'])
      expectDecision(aView({ pods: marked(text), lease: known(anExpired(), now), peers }), {
        reason: 'lease-expired',
        lease: 'acquire',
      });
  });
  test('that is too far behind does not stand in mode off', () => {
    const peers = { 'og-demo-0': aPrimaryPeer('og-demo-0', { written: lsn('0/6000100') }), 'og-demo-2': aPeer('og-demo-2') };
    const old = { ...peers, 'og-demo-0': { ...peers['og-demo-0'], at: now - 9000 } };
    const view = aView({ lease: known(anExpired({ syncMode: 'off' }), now), peers: old });
    expectDecision(view, { reason: 'not-eligible' });
  });
  test('of two members does not take over from a degraded primary', () => {
    const entries = [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: [], w: 0 }];
    const view = aView({ lease: known(anExpired({ entries }), now), peers: {} });
    expectDecision(view, { reason: 'no-vote-set' });
  });
  test('that diverged is built incrementally from the known primary, then fully', () => {
    const instance = aStandby({ state: 'Need repair', detail: 'WAL segment removed' });
    const first = decide(aView({ instance })).instance;
    assert.deepEqual(first, { do: 'build', mode: 'incremental', from: 'og-demo-0' });
    const fault = { of: 'command', kind: 'exited', done: 'maybe', detail: 'failed' } as const;
    const failures = { build: { what: 'build', fault, count: 1, retryAt: now - 1 } };
    assert.deepEqual(decide(aView({ instance, failures })).instance, { do: 'build', mode: 'full', from: 'og-demo-0' });
  });
  test('that diverged is not built while no primary is known', () => {
    const instance = aStandby({ state: 'Need repair', detail: 'WAL segment removed' });
    expectDecision(aView({ instance, peers: { 'og-demo-2': aPeer('og-demo-2') } }), { reason: 'no-primary' });
  });
  test('removes its connection lock once it streams from the primary at whom it points', () => {
    const lock = { mode: 'specify_connection', host: '10.0.0.10', port: 5433, redoFinished: false } as const;
    expectDecision(aView({ instance: aStandby({ lock }) }), { reason: 'follows', intent: 'unlock' });
  });
  test('points a forgotten lock at the holder of the lease', () => {
    const lock = { mode: 'specify_connection', host: '10.0.0.12', port: 5433, redoFinished: true } as const;
    const instance = aStandby({ lock, receiver: undefined, state: 'Need repair', detail: 'Connecting...' });
    expectDecision(aView({ instance }), { reason: 'catching-up', intent: 'repoint' });
  });
});

describe('an empty member', () => {
  const empty = { is: 'empty' } as const;
  const fresh = known({ systemId: undefined, history: [], resourceVersion: undefined }, now);
  const noLease = known(aSeen(undefined, { record: undefined }), now);
  const emptyPeer = (name: string) => aPeer(name, { instance: 'empty', eligible: false });
  test('does not initialise while another member has not said that it is empty', () => {
    const pods = known([aPod('og-demo-1'), aPod('og-demo-2')], now);
    expectDecision(aView({ instance: empty, facts: fresh, lease: noLease, pods, peers: {} }), { reason: 'waits-for-data-check' });
  });
  test('does not initialise while the cluster facts are unknown', () => {
    expectDecision(aView({ instance: empty, facts: unknown(timeout) }), { reason: 'candidates-unknown' });
  });
  test('leaves the initialising to the first member', () => {
    const peers = { 'og-demo-0': emptyPeer('og-demo-0'), 'og-demo-2': emptyPeer('og-demo-2') };
    expectDecision(aView({ instance: empty, facts: fresh, lease: noLease, peers }), { reason: 'waits-for-initialiser' });
  });
  test('takes the lease first and initialises only with a permit', () => {
    const pods = known([aPod('og-demo-1'), aPod('og-demo-2')], now);
    const peers = { 'og-demo-2': emptyPeer('og-demo-2') };
    expectDecision(aView({ instance: empty, facts: fresh, lease: noLease, pods, peers }), {
      reason: 'initialising',
      lease: 'acquire',
    });
    const lease = known(aSeen({ holder: identity, entries: [], promoting: undefined }), now);
    const view = aView({ instance: empty, facts: fresh, lease, pods, peers, permit: aPermit() });
    expectDecision(view, { reason: 'initialising', lease: 'renew', intent: 'initialise' });
  });
  test('waits before it initialises again after a failure', () => {
    const pods = known([aPod('og-demo-1'), aPod('og-demo-2')], now);
    const lease = known(aSeen({ holder: identity, entries: [], promoting: undefined }), now);
    const fault = { of: 'command', kind: 'exited', done: 'maybe', detail: 'gs_initdb: failed' } as const;
    const failures = { initialise: { what: 'initialise', fault, count: 1, retryAt: now + 1 } };
    const view = aView({
      instance: empty,
      facts: fresh,
      lease,
      pods,
      peers: { 'og-demo-2': emptyPeer('og-demo-2') },
      permit: aPermit(),
      failures,
    });
    expectDecision(view, { reason: 'initialising', lease: 'renew' });
  });
  test('builds fully from the primary of a cluster that has a system id, and from nobody else', () => {
    assert.deepEqual(decide(aView({ instance: empty })).instance, { do: 'build', mode: 'full', from: 'og-demo-0' });
    expectDecision(aView({ instance: empty, peers: { 'og-demo-0': aPrimaryPeer('og-demo-0', { systemId: '43' }) } }), {
      reason: 'build-waits',
    });
  });
});

describe('a stopped member', () => {
  const stopped = { is: 'stopped', data: someData(), exit: undefined } as const;
  test('starts as a standby, never as a primary', () => {
    assert.deepEqual(decide(aView({ instance: stopped })).instance, { do: 'start', mode: 'standby' });
  });
  test('with the data of another cluster is left alone', () => {
    expectDecision(aView({ instance: { ...stopped, data: someData({ systemId: '43' }) } }), { reason: 'foreign-data' });
  });
  test('hands on the lease that its dead container held', () => {
    const lease = known(aSeen({ holder: 'og-demo-1/uid-1/inc-0' }), now);
    const peers = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') };
    const entries = [{ term: 7, primary: 'og-demo-1', dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 }];
    const held = known(aSeen({ holder: 'og-demo-1/uid-1/inc-0', entries }), now);
    assert.equal(decide(aView({ instance: stopped, lease: held, peers })).lease.do, 'release');
    const unproven = aView({ instance: stopped, lease, peers });
    assert.equal(decide({ ...unproven, self: { ...unproven.self, provesDeath: false } }).lease.do, 'nothing');
  });
  test('starts nothing while the cluster is paused', () => {
    expectDecision(aView({ instance: stopped, paused: true }), { reason: 'paused' });
  });
});

describe('a member that is stopping', () => {
  test('kills a primary that does not answer: nobody could receive what a stop in order writes, and it may wait for it long', () => {
    const process = { pid: 11, startTime: '111' };
    const hung = { is: 'hung', process, since: now - 500, last: 'Primary', data: undefined } as const;
    assert.deepEqual(decide(aLeadingView({ stopping: true, instance: hung })).instance, { do: 'stop', kill: true });
    const standby = { ...hung, last: 'Standby' } as const;
    assert.deepEqual(decide(aView({ stopping: true, instance: standby })).instance, { do: 'stop' });
  });
  test('hands over to a streaming standby before it stops its primary', () => {
    expectDecision(aLeadingView({ stopping: true }), { reason: 'stopping', lease: 'renew', intent: 'begin-switchover' });
  });
  test('stops its standby and is done once nothing runs and nothing is held', () => {
    expectDecision(aView({ stopping: true }), { reason: 'stopping', intent: 'stop' });
    const instance = { is: 'stopped', data: someData(), exit: undefined } as const;
    expectDecision(aView({ stopping: true, instance }), { reason: 'stopped' });
  });
  test('releases the lease only when its server is down', () => {
    const instance = { is: 'stopped', data: someData(), exit: undefined } as const;
    assert.equal(decide(aLeadingView({ stopping: true, instance })).lease.do, 'release');
    assert.equal(decide(aLeadingView({ stopping: true, instance: aPrimary({ senders: [] }), peers: {} })).lease.do, 'renew');
  });
});
