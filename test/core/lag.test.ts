/**
 * Goal: in mode `off` nobody takes over by itself who may have missed more than people allow, and whoever may not can
 * still be told to. Method: views of a standby that sees an expired lease, one call, the decision.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { lagBehind, writtenBy } from '../../agent/core/lag.ts';
import type { LeaseRecord } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import {
  aLeadingView,
  anExpired,
  aPeer,
  aPrimary,
  type aPrimaryPeer,
  aRecord,
  aSeen,
  aStandby,
  aTakingView,
  aView,
  identity,
  lsn,
  me,
  now,
  someData,
} from './builders.ts';

const off: Partial<LeaseRecord> = { syncMode: 'off', entries: [] };
const gone = { ...aView().peers['og-demo-0'], at: now - 9000 } as ReturnType<typeof aPrimaryPeer>;

/** og-demo-1 in mode off, og-demo-0 silent and its lease expired. */
function alone(record: Partial<LeaseRecord>, part: Partial<View> = {}): View {
  return aView({ lease: known(anExpired({ ...off, ...record }), now), peers: {}, ...part });
}

describe('mode off', () => {
  test('a standby that cannot know how far the last primary had written does not stand, and people are told', () => {
    const decision = decide(alone({}));
    assert.equal(decision.reason, 'not-eligible');
    assert.equal(decision.lease.do, 'nothing');
    assert.match(decision.blocked ?? '', /og-demo-0 .*not known/);
  });

  test('what the last primary wrote beside its last renewal tells how far behind a standby is', () => {
    const written = { term: 7, from: lsn('0/4000000'), lsn: lsn('0/5000200') };
    assert.equal(decide(alone({ written })).lease.do, 'acquire');
    const far = decide(alone({ written: { ...written, lsn: lsn('0/6000000') } }));
    assert.deepEqual([far.reason, far.lease.do], ['not-eligible', 'nothing']);
    assert.match(far.blocked ?? '', /16 MiB .*missing/);
  });

  test('a position written under an earlier promotion tells nothing', () => {
    const written = { term: 6, from: lsn('0/4000000'), lsn: lsn('0/5000200') };
    assert.equal(decide(alone({ written })).reason, 'not-eligible');
  });

  test('the highest position heard of a primary counts after its pod was made anew or has become a standby', () => {
    const peers = { 'og-demo-0': aPeer('og-demo-0', { eligible: false }) };
    const heard = { term: 7, lsn: lsn('0/6000000') };
    const written = { term: 7, from: lsn('0/4000000'), lsn: lsn('0/5000200') };
    assert.equal(decide(alone({ written }, { peers, heard })).reason, 'not-eligible');
    assert.equal(decide(alone({ written }, { peers, heard: { ...heard, term: 6 } })).lease.do, 'acquire');
    assert.equal(decide(alone({}, { peers: { 'og-demo-0': gone } })).lease.do, 'acquire', 'its last word counts too');
  });

  test('a standby without the last term in its WAL has nothing of what was written since that promotion', () => {
    const record = aRecord({ ...off, written: { term: 7, from: lsn('0/4000000'), lsn: lsn('0/5000200') } });
    const older = aStandby({ term: 6, received: lsn('0/5000300'), replayed: lsn('0/5000300') });
    const view = alone(record);
    assert.equal(lagBehind(view, record, { name: me, dataId: 'data-1', ...older }), 0x1000200n);
    assert.equal(lagBehind(view, record, { name: me, dataId: 'data-1', ...aStandby() }), 0x100n);
  });

  test('the last primary itself misses nothing, by its very data, though nobody knows how far it had written', () => {
    const promoting = { member: me, term: 7, dataId: 'data-1' };
    const own = aStandby({ term: 6, data: someData({ promotedTerm: 7 }) });
    assert.equal(decide(alone({ promoting }, { instance: own })).lease.do, 'acquire');
    const recorded = aStandby({ term: 6, data: someData({ promotedTerm: 6 }) });
    assert.equal(decide(alone({ promoting }, { instance: recorded })).lease.do, 'acquire', 'its promotion was not carried out');
    const built = aStandby({ data: someData({ dataId: 'data-9' }) });
    assert.equal(decide(alone({ promoting }, { instance: built })).reason, 'not-eligible');
  });

  test('nobody is behind a primary that never was', () => {
    const record = aRecord({ ...off, promoting: undefined });
    assert.equal(lagBehind(alone(record), record, { name: me, dataId: 'data-1', ...aStandby() }), 0n);
  });
});

describe('what a holder writes of its position', () => {
  test('a primary in mode off writes how far it is, and where its promotion began', () => {
    const written = { term: 7, from: lsn('0/4000000'), lsn: lsn('0/4000200') };
    const record = aRecord({ ...off, holder: identity, promoting: { member: me, term: 7, dataId: 'data-1' }, written });
    const view = aLeadingView({ lease: known(aSeen(record), now) });
    assert.deepEqual(writtenBy(view, record, {}), { ...written, lsn: lsn('0/5000100') });
    assert.equal(writtenBy(view, { ...record, syncMode: 'quorum' }, {}), undefined);
    const unknown = { term: 7, from: 1n, lsn: lsn('0/5000100') };
    assert.deepEqual(
      writtenBy(view, { ...record, written: undefined }, {}),
      unknown,
      'who lacks the term has nothing for certain',
    );
    assert.deepEqual(writtenBy(view, { ...record, written: { ...written, lsn: lsn('0/7000000') } }, {})?.lsn, lsn('0/7000000'));
  });

  test('a winner begins where its own WAL ends, and a primary promoted in place where it was', () => {
    const record = aRecord({ ...off, holder: identity, written: { term: 7, from: lsn('0/4000000'), lsn: lsn('0/5000200') } });
    const promoting = { member: me, term: 8, dataId: 'data-1' };
    const at = { term: 8, from: lsn('0/5000100'), lsn: lsn('0/5000100') };
    assert.deepEqual(writtenBy(aTakingView(), record, { term: 8, promoting }), at);
    const { process } = aPrimary();
    const pending = { is: 'pending', process, role: 'Pending', state: 'Need repair', detail: '', data: someData() } as const;
    const own = { ...record, promoting: { ...promoting, term: 7 } };
    const there = { term: 8, from: lsn('0/4000000'), lsn: lsn('0/5000200') };
    assert.deepEqual(writtenBy(aTakingView({ instance: pending }), own, { term: 8, promoting }), there);
  });
});

describe('a member in mode off that may not stand by itself', () => {
  const options = { allowDataLoss: 'true' };
  const asked = (phase: 'open' | 'running', more: Record<string, string> = {}): View['request'] =>
    known(
      {
        id: 'a',
        kind: 'failover',
        target: me,
        options: { ...more },
        phase,
        deadline: undefined,
        result: undefined,
        hint: undefined,
        resourceVersion: '1',
      },
      now,
    );
  /** A former primary whose successor, on a volume that is gone, was promoted after it. */
  const past = aStandby({ term: 5, data: someData({ promotedTerm: 5 }), receiver: undefined });

  test('tells what is lost and is told to take over all the same', () => {
    for (const [record, instance, text] of [
      [{}, aStandby({ receiver: undefined }), /not known/],
      [{ written: { term: 7, from: 0n, lsn: lsn('1/0') } }, aStandby({ receiver: undefined }), /missing/],
      [{}, past, /misses the last promotion/],
    ] as const) {
      const refused = decide(alone(record, { instance, request: asked('open') }));
      assert.equal(refused.answer?.phase, 'refused');
      assert.match(refused.answer?.result ?? '', text);
      assert.match(refused.answer?.hint ?? '', /--allow-data-loss/);
      const taken = decide(alone(record, { instance, request: asked('open', options) })).answer;
      assert.equal(taken?.phase, 'running', `${taken?.result}`);
      const said = asked('running', { ...options, ...taken?.options });
      assert.equal(decide(alone(record, { instance, request: said })).lease.do, 'acquire');
    }
  });

  test('is promoted once it holds the lease, and only while people have asked for it', () => {
    const view = (request: View['request']): View =>
      aTakingView({ lease: known(aSeen({ ...off, holder: identity, term: 8 }), now), instance: past, request, peers: {} });
    assert.equal(decide(view(asked('running', options))).reason, 'recording-promotion');
    assert.equal(decide(view(known(undefined, now))).lease.do, 'release');
    assert.equal(decide(view(asked('running'))).lease.do, 'release');
  });

  test('says so to people as long as nobody else can', () => {
    const decision = decide(alone({}, { instance: past }));
    assert.equal(decision.reason, 'not-eligible');
    assert.match(decision.blocked ?? '', /misses the last promotion/);
  });
});

test('a member that comes back without data gives the lease of its earlier container back, for people to go on', () => {
  const record = aRecord({ holder: 'og-demo-1/uid-1/inc-0', entries: [{ term: 7, primary: me, dataId: 'x', names: [], w: 0 }] });
  for (const instance of [{ is: 'empty' }, { is: 'unfinished', mode: 'full' }] as const) {
    const view = aView({ lease: known(aSeen(record), now), instance, peers: { 'og-demo-2': aPeer('og-demo-2') } });
    assert.deepEqual(decide(view).lease, { do: 'release', heir: undefined });
    const { self } = view;
    assert.equal(decide({ ...view, self: { ...self, provesDeath: false } }).lease.do, 'nothing');
    const other = known(aSeen({ ...record, holder: 'og-demo-0/uid-0/inc-0' }), now);
    assert.equal(decide({ ...view, lease: other }).lease.do, 'nothing');
  }
});
