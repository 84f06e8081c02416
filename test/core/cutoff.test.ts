/**
 * Goal: a primary that is cut off from its standbys, and not from the API server, gives its place up only when commits
 * wait, and only to a member that can do better; nobody reports needlessly. Method: a view that differs in one thing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseReport, type Report, renderReport } from '../../agent/core/cutoff.ts';
import { heldOff } from '../../agent/core/crash.ts';
import { decide } from '../../agent/core/decide.ts';
import { noHand } from '../../agent/core/hand.ts';
import type { LeaseRecord, PodSight } from '../../agent/core/model.ts';
import { reportOf } from '../../agent/core/report.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import {
  aConfig,
  aLeadingView,
  aPeer,
  aPod,
  aPrimary,
  aPrimaryPeer,
  aSeen,
  aStandby,
  aView,
  identity,
  lsn,
  me,
  now,
  someData,
} from './builders.ts';

const wall = '2026-11-21T00:00:00.000Z';
const names = ['og-demo-0', 'og-demo-1', 'og-demo-2'];
const quiet = { lsn: lsn('0/5000100'), at: now - 6000 };

function aReport(part: Partial<Report> = {}): string {
  return renderReport({ term: 7, with: ['og-demo-2'], wal: { term: 7, lsn: lsn('0/5000100') }, ...part }, wall);
}

function seenReport(text = aReport(), part: { uid?: string; at?: number } = {}) {
  return { uid: 'uid-0', text, at: now - 1000, ...part };
}

function podsWith(part: Partial<PodSight>) {
  return known(
    names.map((name) => aPod(name, name === 'og-demo-0' ? part : {})),
    now,
  );
}

/** og-demo-1 leads, hears nobody, and og-demo-0 has reported that it could lead with og-demo-2. */
function cut(part: Partial<View> = {}): View {
  return aLeadingView({
    peers: {},
    instance: aPrimary({ senders: [] }),
    streamedAt: { 'og-demo-0': now - 6000, 'og-demo-2': now - 6000 },
    acknowledged: quiet,
    reports: { 'og-demo-0': seenReport() },
    ...part,
  });
}

function recordedWith(part: Partial<LeaseRecord>) {
  return known(aSeen({ holder: identity, promoting: { member: me, term: 7, dataId: 'data-1' }, ...part }), now - 500);
}

test('a primary that waits for acknowledgements is killed first, and its lease released when it is gone', () => {
  const decision = decide(cut());
  assert.deepEqual([decision.reason, decision.instance.do, decision.lease.do], ['cut-off', 'fence', 'renew']);
  const gone = decide(cut({ instance: { is: 'stopped', data: someData({ promotedTerm: 7 }), exit: undefined } }));
  assert.deepEqual([gone.reason, gone.lease], ['hand-over', { do: 'release', heir: 'og-demo-0' }]);
});

test('the heir is the member whose report is furthest', () => {
  const reports = {
    'og-demo-0': seenReport(),
    'og-demo-2': seenReport(aReport({ with: ['og-demo-0'], wal: { term: 7, lsn: lsn('0/5000200') } }), { uid: 'uid-2' }),
  };
  const stopped = { is: 'stopped', data: someData({ promotedTerm: 7 }), exit: undefined } as const;
  assert.deepEqual(decide(cut({ reports, instance: stopped })).lease, { do: 'release', heir: 'og-demo-2' });
});

describe('a primary goes on', () => {
  const entry = { term: 7, primary: me, dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 };
  const cases: [string, View][] = [
    ['while its commits have waited for less than 5 s', cut({ acknowledged: { ...quiet, at: now - 4000 } })],
    ['while it does not know how long they have waited', cut({ acknowledged: undefined })],
    ['when nobody reports', cut({ reports: {} })],
    ['when a report has not changed for 10 s', cut({ reports: { 'og-demo-0': seenReport(aReport(), { at: now - 10_001 }) } })],
    ['when a report is of another term', cut({ reports: { 'og-demo-0': seenReport(aReport({ term: 6 })) } })],
    ['when a report is of another pod of that name', cut({ reports: { 'og-demo-0': seenReport(aReport(), { uid: 'uid-9' }) } })],
    ['when a report cannot be read', cut({ reports: { 'og-demo-0': seenReport('{') } })],
    ['when who reports sees nobody', cut({ reports: { 'og-demo-0': seenReport(aReport({ with: [] })) } })],
    ['when who reports counts itself twice', cut({ reports: { 'og-demo-0': seenReport(aReport({ with: ['og-demo-0'] })) } })],
    ['when who reports counts this primary', cut({ reports: { 'og-demo-0': seenReport(aReport({ with: [me] })) } })],
    [
      'when who reports is never to be primary',
      cut({ pods: podsWith({ annotations: { 'opengauss.agent/never-primary': 'true' } }) }),
    ],
    ['when the pod that reports is going', cut({ pods: podsWith({ terminating: true }) })],
    [
      'when those that report do not meet every entry',
      cut({ lease: recordedWith({ entries: [{ ...entry, primary: 'og-demo-2', names: ['og-demo-1', 'og-demo-3'] }, entry] }) }),
    ],
    ['while it is degraded and waits for nobody', cut({ lease: recordedWith({ entries: [{ ...entry, names: [], w: 0 }] }) })],
    ['in mode off', cut({ lease: recordedWith({ entries: [{ ...entry, names: [], w: 0 }], syncMode: 'off' }) })],
    ['while it is paused', cut({ paused: true, hand: { ...noHand, member: true } })],
    ['while the API server does not answer', cut({ failsafe: { since: now - 1000, promisers: [] } })],
  ];
  for (const [what, view] of cases) {
    test(what, () => {
      const { instance, lease } = decide(view);
      assert.ok(instance.do !== 'fence' && lease.do !== 'release', `${instance.do} ${lease.do}`);
    });
  }
});

test('who has been cut off leaves the next turn to the member that reports', () => {
  const crashes = [{ at: now - 2000, reignMs: 60_000 }];
  assert.equal(heldOff(cut({ crashes })), 'og-demo-0 goes first for 6 s');
  assert.equal(heldOff(cut({ crashes, reports: {} })), undefined);
});

describe('a standby reports that it could lead', () => {
  /** og-demo-1 has lost og-demo-0, which renewed a moment ago, and hears og-demo-2. */
  function lost(part: Partial<View> = {}): View {
    const peers = { 'og-demo-0': { ...aPrimaryPeer(), at: now - 5000 }, 'og-demo-2': aPeer('og-demo-2') };
    return aView({ peers, instance: aStandby({ receiver: undefined }), ...part });
  }
  test('when the primary goes on renewing and is not heard', () => {
    const report = { term: 7, with: ['og-demo-2'], wal: { term: 7, lsn: lsn('0/5000100') } };
    assert.deepEqual(reportOf(lost()), report);
    assert.deepEqual(parseReport(renderReport(report, wall)), report);
  });
  const heard = { 'og-demo-0': { ...aPrimaryPeer(), at: now - 3900 }, 'og-demo-2': aPeer('og-demo-2') };
  const two = known([aPod('og-demo-0'), aPod('og-demo-1')], now);
  const alone = [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: ['og-demo-1'], w: 1 }];
  const silent: [string, View][] = [
    ['while the primary was heard 3 s before its last renewal', lost({ peers: heard })],
    ['when the primary renews no more', lost({ lease: known(aSeen({}, { firstSeenAt: now - 4500 }), now) })],
    ['when nobody else is heard', lost({ peers: { 'og-demo-0': { ...aPrimaryPeer(), at: now - 5000 } } })],
    ['when another one ranks before it', lost({ peers: { 'og-demo-2': aPeer('og-demo-2', { received: lsn('0/5000200') }) } })],
    ['as one of two, where it would wait as well', lost({ pods: two, peers: {}, lease: known(aSeen({ entries: alone }), now) })],
    ['in mode off', lost({ lease: known(aSeen({ syncMode: 'off' }), now) })],
    ['where failover is manual', lost({ config: aConfig({ failover: 'manual' }) })],
    ['while it is paused', lost({ paused: true })],
    ['when the lease is free', lost({ lease: known(aSeen({ holder: '' }), now) })],
    ['when its lease cannot be read', lost({ lease: known(aSeen({ garbage: 'no' }), now) })],
    [
      'right after its agent has started',
      { ...lost(), peers: { 'og-demo-2': aPeer('og-demo-2') }, self: { ...lost().self, startedAt: now - 3000 } },
    ],
    [
      'while it has promised the primary not to',
      lost({ promised: { holder: 'og-demo-0/uid-0/inc-0', term: 7, until: now + 1000 } }),
    ],
  ];
  for (const [what, view] of silent) {
    test(`not ${what}`, () => {
      assert.equal(reportOf(view), undefined);
    });
  }
});

test('what is no report is none', () => {
  for (const text of [
    '',
    'null',
    '[]',
    '{"term":7}',
    '{"term":"7","with":[],"wal":{"term":7,"lsn":"0/1"}}',
    `"${'x'.repeat(2000)}"`,
  ])
    assert.equal(parseReport(text), undefined, text);
});
