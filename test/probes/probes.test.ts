/** The probes' verdicts: pure functions of a snapshot and a moment. The views come from the core's builders. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { known, unknown } from '../../agent/core/result.ts';
import type { PodSight } from '../../agent/core/model.ts';
import type { Snapshot, View } from '../../agent/core/view.ts';
import { liveness } from '../../probes/liveness.ts';
import { type ReadinessQuery, readiness, readinessEnds } from '../../probes/readiness.ts';
import { startup } from '../../probes/startup.ts';
import { aLeadingView, aPermit, aPod, aPrimary, aPrimaryPeer, aStandby, aView, lsn, me, now } from '../core/builders.ts';

function shot(view: View): Snapshot {
  return {
    view,
    decision: { lease: { do: 'nothing' }, instance: { do: 'nothing' }, reason: 'follows' },
    cycle: 1,
    at: '2026-11-21T00:00:00Z',
  };
}

/** The pods with these labels on the own one. */
function labelled(labels: Record<string, string>): Pick<View, 'pods'> {
  const pods: PodSight[] = ['og-demo-0', me, 'og-demo-2'].map((name) => aPod(name, name === me ? { labels } : {}));
  return { pods: known(pods, now) };
}

const primaryLabel = labelled({ 'opengauss.role': 'primary' });
const readableLabel = labelled({ 'opengauss.role': 'standby', 'opengauss.readable': 'true' });
const streaming: ReadinessQuery = { mode: 'streaming', lag: undefined };
const disk = { pressure: undefined, critical: false, owner: undefined, broken: undefined, noRoom: undefined };
const readOnly = { instance: aPrimary({ readOnly: true, writable: false }) };
const query: ReadinessQuery = { mode: 'query', lag: undefined };

test('before the first cycle: startup and readiness say no, liveness leaves it to startup', () => {
  assert.equal(startup(undefined).ok, false);
  assert.equal(readiness(undefined, now).ok, false);
  assert.equal(liveness(undefined, now).ok, true);
});

test('liveness fails only once the last cycle is older than a lease and than three periods', () => {
  const snapshot = shot(aView());
  assert.equal(liveness(snapshot, now + 7999).ok, true);
  assert.equal(liveness(snapshot, now + 8000).ok, false);
  const slow = shot(aView({ config: { ...aView().config, lease: { ...aView().config.lease, renewSeconds: 5 } } }));
  assert.equal(liveness(slow, now + 14_999).ok, true);
  assert.equal(liveness(slow, now + 15_000).ok, false);
});

test('liveness never asks what the server does', () => {
  for (const instance of [{ is: 'empty' } as const, { is: 'unusable', detail: '', hint: '' } as const])
    assert.equal(liveness(shot(aView({ instance })), now).ok, true);
});

const promotedAt = (recordedAt: number) => ({ term: 7, process: aPrimary().process, recordedAt, settled: true });

const cases: { title: string; view: View; query?: ReadinessQuery; at?: number; ok: boolean; says: RegExp }[] = [
  {
    title: 'a primary that holds the lease, takes writes and is labelled',
    view: aLeadingView(primaryLabel),
    ok: true,
    says: /takes writes/,
  },
  { title: 'the same without a label', view: aLeadingView(labelled({})), ok: false, says: /no Service/ },
  {
    title: 'the same that was promoted a moment ago: the write Service is on its way to it',
    view: aLeadingView({ ...labelled({}), promotion: promotedAt(now - 600) }),
    ok: true,
    says: /just been promoted/,
  },
  {
    title: 'the same whose permit has ended',
    view: aLeadingView({ ...labelled({}), promotion: promotedAt(now - 600), permit: aPermit({ sentAt: now - 6000 }) }),
    ok: false,
    says: /no Service/,
  },
  {
    title: 'the same while the API server does not answer',
    view: aLeadingView({ pods: unknown({ of: 'kube', kind: 'timeout', done: 'no', detail: '' }) }),
    ok: true,
    says: /takes writes/,
  },
  {
    title: 'a primary whose permit has ended',
    view: aLeadingView({ ...primaryLabel, permit: aPermit({ sentAt: now - 6000 }) }),
    ok: false,
    says: /lease/,
  },
  {
    title: 'a primary whose permit ends before somebody asks',
    view: aLeadingView(primaryLabel),
    at: now + 5000,
    ok: false,
    says: /lease/,
  },
  {
    title: 'a primary that takes no writes',
    view: aLeadingView({ ...primaryLabel, instance: aPrimary({ writable: false }) }),
    ok: false,
    says: /writes/,
  },
  {
    title: 'a primary that is read-only because a volume fills',
    view: aLeadingView({ ...primaryLabel, ...readOnly, disk: { ...disk, pressure: 'volume data is 96% full', owner: 'agent' } }),
    ok: true,
    says: /read-only: volume data is 96% full/,
  },
  {
    title: 'a primary that a human set read-only',
    view: aLeadingView({ ...primaryLabel, ...readOnly, disk: { ...disk, owner: 'human' } }),
    ok: true,
    says: /a human has set it so/,
  },
  {
    title: 'a read-only primary whose write label is gone',
    view: aLeadingView({ ...labelled({}), ...readOnly, disk: { ...disk, critical: true, owner: 'agent' } }),
    ok: false,
    says: /no Service/,
  },
  {
    title: 'a primary that drains its clients for a hand-over',
    view: aLeadingView({ ...primaryLabel, ...readOnly, disk: { ...disk, owner: 'switchover' } }),
    ok: false,
    says: /hands over/,
  },
  {
    title: 'a read-only primary whose permit has ended',
    view: aLeadingView({
      ...primaryLabel,
      ...readOnly,
      permit: aPermit({ sentAt: now - 6000 }),
      disk: { ...disk, owner: 'agent' },
    }),
    ok: false,
    says: /lease/,
  },
  { title: 'a snapshot that is too old', view: aView(readableLabel), at: now + 8000, ok: false, says: /too old/ },
  { title: 'a standby still labelled primary', view: aView(primaryLabel), ok: false, says: /labelled primary/ },
  { title: 'a readable standby that streams', view: aView(readableLabel), ok: true, says: /0 B behind/ },
  { title: 'a standby without a label', view: aView(labelled({ 'opengauss.role': 'standby' })), ok: false, says: /no Service/ },
  {
    title: 'a readable standby that is far behind',
    view: aView({ ...readableLabel, peers: { 'og-demo-0': aPrimaryPeer('og-demo-0', { written: lsn('1/5000100') }) } }),
    ok: false,
    says: /4 GiB behind; the limit is 20 MiB/,
  },
  {
    title: 'a readable standby a little over the gate, which the label keeps too',
    view: aView({ ...readableLabel, peers: { 'og-demo-0': aPrimaryPeer('og-demo-0', { written: lsn('0/6200100') }) } }),
    ok: true,
    says: /18 MiB/,
  },
  {
    title: 'a readable standby that does not stream although there is a primary',
    view: aView({ ...readableLabel, instance: aStandby({ receiver: undefined }) }),
    ok: false,
    says: /does not stream/,
  },
  {
    title: 'a readable standby without a primary to stream from',
    view: aView({ ...readableLabel, instance: aStandby({ receiver: undefined }), peers: {} }),
    ok: true,
    says: /no primary/,
  },
  {
    title: 'a readable standby whose primary has not answered lately',
    view: aView({
      ...readableLabel,
      instance: aStandby({ receiver: undefined }),
      peers: { 'og-demo-0': { ...aPrimaryPeer(), at: now - 60_000 } },
    }),
    ok: true,
    says: /no primary/,
  },
  {
    title: 'a readable standby that is frozen for a take-over',
    view: aView({
      ...readableLabel,
      instance: aStandby({
        receiver: undefined,
        lock: { mode: 'specify_connection', host: '10.0.0.12', port: 5433, redoFinished: false },
      }),
    }),
    ok: true,
    says: /frozen/,
  },
  {
    title: 'a standby that has taken the lease and left the readers: the write Service is on its way to it',
    view: aLeadingView({ ...labelled({ 'opengauss.role': 'standby' }), instance: aStandby({ receiver: undefined }) }),
    ok: true,
    says: /going to be primary/,
  },
  { title: 'a stopped server', view: aView({ ...readableLabel, instance: { is: 'empty' } }), ok: false, says: /empty/ },
  {
    title: 'streaming: a standby that streams, whatever its labels',
    view: aView(labelled({})),
    query: streaming,
    ok: true,
    says: /streams/,
  },
  {
    title: 'streaming: no excuse for one that does not',
    view: aView({ instance: aStandby({ receiver: undefined }), peers: {} }),
    query: streaming,
    ok: false,
    says: /does not stream/,
  },
  {
    title: 'streaming: the asked lag counts',
    view: aView({ peers: { 'og-demo-0': aPrimaryPeer('og-demo-0', { written: lsn('0/5000200') }) } }),
    query: { mode: 'streaming', lag: 255n },
    ok: false,
    says: /256 B behind; the limit is 255 B/,
  },
  {
    title: 'streaming: a primary is fit as ever',
    view: aLeadingView(labelled({})),
    query: streaming,
    ok: true,
    says: /takes writes/,
  },
  {
    title: 'query: a server that answers',
    view: aView({ instance: aStandby({ receiver: undefined }) }),
    query,
    ok: true,
    says: /answered as Standby/,
  },
  {
    title: 'query: a pending one does not',
    view: aView({ instance: { is: 'starting', process: { pid: 1, startTime: '1' }, since: now, data: undefined } }),
    query,
    ok: false,
    says: /starting/,
  },
];
for (const { title, view, query: asked, at, ok, says } of cases) {
  test(`readiness ${ok ? 'yes' : 'no'}: ${title}`, () => {
    const verdict = asked === undefined ? readiness(shot(view), at ?? now) : readiness(shot(view), at ?? now, asked);
    assert.equal(verdict.ok, ok, verdict.reason);
    assert.match(verdict.reason, says);
  });
}

test('between two cycles a verdict changes at the moments that are told beforehand, and at no other', () => {
  const views = [
    aLeadingView(primaryLabel),
    aView(readableLabel),
    aLeadingView({ ...primaryLabel, permit: aPermit({ sentAt: now + 3000 }) }),
  ];
  for (const snapshot of views.map(shot)) {
    for (let at = now; at < now + 10_000; at += 100) {
      const end = readinessEnds(snapshot, at);
      const until = Math.min(end, now + 20_000);
      for (const later of [until - 1, (at + until) / 2]) assert.deepEqual(readiness(snapshot, later), readiness(snapshot, at));
      if (end < now + 8000) assert.equal(readiness(snapshot, end).ok, false);
    }
  }
  assert.equal(readinessEnds(undefined, now), Number.POSITIVE_INFINITY);
});
