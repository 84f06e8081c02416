/**
 * Goal: only a listed proof of death replaces the wait for the lease's end, and a holder names its container only when
 * it is certain which one it is. Method: a view that differs in one thing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isOwnPast, ownContainerId } from '../../agent/core/death.ts';
import { decide } from '../../agent/core/decide.ts';
import { acquired } from '../../agent/core/lease.ts';
import type { LeaseRecord, PodSight } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aPeer, aPod, aPrimaryPeer, aSeen, aView, identity, now } from './builders.ts';

const peers = { 'og-demo-2': aPeer('og-demo-2') };

/** og-demo-1 watches a lease of og-demo-0 that names container c-1, and is told this about the pod og-demo-0. */
function watching(pod: Partial<PodSight>, containerId: string | undefined = 'c-1'): View {
  const pods = known([aPod('og-demo-0', pod), aPod('og-demo-1'), aPod('og-demo-2')], now);
  return aView({ peers, pods, lease: known(aSeen({ containerId }), now) });
}

describe('a standby takes the lease before it runs out', () => {
  for (const [what, container] of [
    ['has ended', { id: 'c-1', state: 'terminated', ended: ['c-1'] }],
    ['has ended and waits for its restart', { id: 'c-1', state: 'waiting', ended: ['c-1'] }],
    ['was followed by another', { id: 'c-2', state: 'running', ended: ['c-1'] }],
  ] as const) {
    test(`when the kubelet says that its container ${what}`, () => {
      const decision = decide(watching({ container: { ...container, ended: [...container.ended] } }));
      assert.deepEqual([decision.reason, decision.lease.do], ['holder-dead', 'acquire']);
    });
  }
});

describe('a standby goes on waiting', () => {
  const ended = { id: 'c-1', state: 'terminated', ended: ['c-1'] } as const;
  for (const [what, view] of [
    ['while another container of that pod has ended', watching({ container: { id: 'c-1', state: 'running', ended: ['c-0'] } })],
    ['while the container is not running, and not said to have ended', watching({ container: { id: 'c-1', state: 'waiting' } })],
    [
      'when the lease names no container',
      { ...watching({ container: { ...ended, ended: ['c-1'] } }), lease: known(aSeen(), now) },
    ],
    ['when another pod of that name says so', watching({ uid: 'uid-9', container: { ...ended, ended: ['c-1'] } })],
    ['while the pod is being deleted', watching({ terminating: true })],
  ] as [string, View][]) {
    test(what, () => {
      assert.equal(decide(view).lease.do, 'nothing');
    });
  }
  test('when the pod is gone', () => {
    const view = watching({});
    const pods = known([aPod('og-demo-1'), aPod('og-demo-2')], now);
    assert.equal(decide({ ...view, pods }).lease.do, 'nothing');
  });
});

describe('a holder names its container', () => {
  const wall = '2026-11-21T00:01:00.400Z';
  /** PID 1 started 30.2 s before `wall`, at 00:00:30.2. */
  function born(container: PodSight['container'], part: Partial<View> = {}, self: Partial<View['self']> = {}): View {
    const pods = known([aPod('og-demo-1', { container })], now);
    const view = aView({ wall, pods, ...part });
    return { ...view, self: { ...view.self, bornAt: now - 30_200, ...self } };
  }
  const running = { id: 'c-2', state: 'running', startedAt: '2026-11-21T00:00:30Z' } as const;
  test('once its status shows it running since PID 1 started', () => {
    assert.equal(ownContainerId(born(running)), 'c-2');
    assert.equal(ownContainerId(born({ ...running, ended: ['c-1'] })), 'c-2');
  });
  for (const [what, view] of [
    ['while the status shows the container before it', born({ ...running, startedAt: '2026-11-21T00:00:29Z' })],
    [
      'while the status may not have been written since its start',
      born({ ...running, startedAt: '2026-11-21T00:00:56Z' }, {}, { bornAt: now - 4000 }),
    ],
    ['where the clock was stepped in between', born({ ...running, startedAt: '2026-11-21T01:00:30Z' })],
    ['when that one was seen terminated', born(running, { endedContainers: ['c-2'] })],
    ['when the status says itself that it has ended', born({ ...running, ended: ['c-2'] })],
    ['that waits', born({ ...running, state: 'waiting' })],
    ['whose start is not told', born({ id: 'c-2', state: 'running' })],
    ['where PID 1 is not the entrypoint', born(running, {}, { provesDeath: false })],
    ['when another pod has its name', born(running, {}, { uid: 'uid-9' })],
  ] as [string, View][]) {
    test(`but not one ${what}`, () => {
      assert.equal(ownContainerId(view), undefined);
    });
  }
});

describe('an earlier container of the own pod', () => {
  const record = (holder: string) => aSeen({ holder, containerId: 'c-1' }).record as LeaseRecord;
  test('is told from this one, from another pod of the name, and from anything where PID 1 proves nothing', () => {
    const view = aView();
    assert.equal(isOwnPast(view, record('og-demo-1/uid-1/inc-0')), true);
    assert.equal(isOwnPast(view, record(identity)), false);
    assert.equal(isOwnPast(view, record('og-demo-1/uid-9/inc-0')), false);
    const shared = { ...view, self: { ...view.self, provesDeath: false } };
    assert.equal(isOwnPast(shared, record('og-demo-1/uid-1/inc-0')), false);
  });
  test('leaves its name to nobody: the next holder names its own container or none', () => {
    assert.equal(acquired(aView(), record('og-demo-1/uid-1/inc-0')).containerId, undefined);
  });
});

describe('a machine that was declared off', () => {
  /** og-demo-0 has missed two renewals and is not heard; its node was read a second ago. */
  function silent(part: Partial<View> = {}, sight = { outOfService: true, ready: false }): View {
    const holderNode = { holder: 'og-demo-0/uid-0/inc-0', name: 'node-0', sight, at: now - 1000 };
    return aView({ peers, lease: known(aSeen({}, { firstSeenAt: now - 5500 }), now), holderNode, ...part });
  }
  test('costs its holder the lease before that has run out, whether the pod is listed or not', () => {
    const gone = { pods: known([aPod('og-demo-1'), aPod('og-demo-2')], now) };
    for (const view of [silent(), silent(gone)]) {
      const { reason, lease } = decide(view);
      assert.deepEqual([reason, lease.do], ['holder-dead', 'acquire']);
    }
  });
  const reading = silent().holderNode;
  assert.ok(reading !== undefined);
  const cases: [string, View][] = [
    ['without the taint', silent({}, { outOfService: false, ready: false })],
    ['where its kubelet is well', silent({}, { outOfService: true, ready: true })],
    ['where nobody has read it', silent({ holderNode: undefined })],
    ['read for another incarnation', silent({ holderNode: { ...reading, holder: 'og-demo-0/uid-0/inc-9' } })],
    ['read before its holder fell silent', silent({ holderNode: { ...reading, at: now - 1600 } })],
    [
      'read too long ago',
      silent({
        lease: known(aSeen({ durationSeconds: 60 }, { firstSeenAt: now - 9500 }), now),
        holderNode: { ...reading, at: now - 5100 },
      }),
    ],
    [
      'while its holder renews',
      silent({ lease: known(aSeen({}, { firstSeenAt: now - 3900 }), now), holderNode: { ...reading, at: now } }),
    ],
    ['while its holder is heard', silent({ peers: { ...peers, 'og-demo-0': aPrimaryPeer() } })],
  ];
  for (const [what, view] of cases) {
    test(`proves nothing ${what}`, () => {
      assert.equal(decide(view).lease.do, 'nothing');
    });
  }
});
