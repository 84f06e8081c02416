/**
 * Goal: at every prefix of a change of the synchronous set each set of members that may acknowledge meets each set
 * that may vote (S13), and each step waits for the one before. Method: all small sets enumerated, and steps by view.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SyncEntry } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import { acksFor, hasEverything, isVoteSet, nobody, renderNames, sameNames, syncStep } from '../../agent/core/sync.ts';
import type { View } from '../../agent/core/view.ts';
import { aConfig, aLeadingView, aPod, aPrimary, aRecord, aSeen, aSender, identity, lsn, me, now } from './builders.ts';

function entry(part: Partial<SyncEntry>): SyncEntry {
  return { term: 7, primary: me, dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1, ...part };
}

function withEntries(entries: SyncEntry[], part: Partial<View> = {}): View {
  const record = { holder: identity, entries, promoting: { member: me, term: 7, dataId: 'data-1' } };
  return aLeadingView({ lease: known(aSeen(record), now), ...part });
}

function primaryOf(view: View) {
  if (view.instance.is !== 'primary') throw new Error('not a primary');
  return view.instance;
}

function annotated(name: string) {
  return { annotations: { [`opengauss.agent/${name}`]: 'true' } };
}

function subsets<T>(of: T[]): T[][] {
  return Array.from({ length: 2 ** of.length }, (_, bits) => of.filter((_one, at) => (bits >> at) % 2 === 1));
}

describe('a vote set', () => {
  for (const n of [1, 2, 3, 4, 5]) {
    test(`of ${n} standbys meets every set of W that can acknowledge, whatever W is`, () => {
      const names = Array.from({ length: n }, (_, at) => `s-${at}`);
      for (let w = 1; w <= n; w += 1) {
        const record = aRecord({ entries: [entry({ primary: 'p', dataId: 'd', names, w })] });
        for (const voters of subsets(names)) {
          const isSet = isVoteSet(
            record,
            voters.map((name) => ({ name, dataId: undefined })),
          );
          const meetsAll = subsets(names)
            .filter((acks) => acks.length === w)
            .every((acks) => acks.some((ack) => voters.includes(ack)));
          assert.equal(isSet, meetsAll, `n ${n} w ${w} voters ${voters.join()}`);
        }
      }
    });
  }
  test('is its primary alone, with the very same data', () => {
    const record = aRecord({ entries: [entry({ primary: 'p', dataId: 'd' })] });
    assert.equal(isVoteSet(record, [{ name: 'p', dataId: 'd' }]), true);
    assert.equal(isVoteSet(record, [{ name: 'p', dataId: 'wiped' }]), false);
  });
  test('of a degraded entry is nobody but its primary', () => {
    const record = aRecord({ entries: [entry({ primary: 'p', dataId: 'd', names: [], w: 0 })] });
    const both = ['og-demo-0', 'og-demo-2'].map((name) => ({ name, dataId: undefined }));
    assert.equal(isVoteSet(record, both), false);
    assert.equal(isVoteSet(record, [{ name: 'p', dataId: 'd' }]), true);
  });
  test('meets every entry while the set changes', () => {
    const record = aRecord({
      entries: [
        entry({ primary: 'p', dataId: 'd', names: ['a'], w: 1 }),
        entry({ primary: 'p', dataId: 'd', names: ['b'], w: 1 }),
      ],
    });
    assert.equal(isVoteSet(record, [{ name: 'b', dataId: undefined }]), false);
    assert.equal(
      isVoteSet(
        record,
        ['a', 'b'].map((name) => ({ name, dataId: undefined })),
      ),
      true,
    );
  });
});

describe('a winner in mode off', () => {
  const handedOver = entry({ primary: 'og-demo-0', dataId: 'data-0', names: [me], w: 1 });
  const own = entry({ term: 8, names: [], w: 0 });
  const cases: [string, SyncEntry[], boolean][] = [
    ['has everything when only it acknowledged before', [handedOver], true],
    ['has everything when it is promoted once more, with the same data', [handedOver, own], true],
    [
      'may lack something when its primary had begun to acknowledge alone again',
      [handedOver, { ...handedOver, names: [], w: 0 }],
      false,
    ],
    ['may lack something when its data is not that of its own last promotion', [handedOver, { ...own, dataId: 'data-9' }], false],
    ['may lack something when the record knows nobody before it', [own], false],
  ];
  for (const [what, entries, whole] of cases) {
    test(what, () => {
      const record = aRecord({ syncMode: 'off', entries });
      assert.equal(hasEverything(record, { name: me, dataId: 'data-1' }), whole);
    });
  }
});

describe('acknowledgements', () => {
  test('are half of the standbys, rounded up, and never more than there are', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4, 8].map((n) => acksFor(n, undefined)),
      [0, 1, 1, 2, 2, 4],
    );
    assert.equal(acksFor(2, 5), 2);
    assert.equal(acksFor(2, 0), 1);
  });
  test('are written so that openGauss and PostgreSQL read the same', () => {
    assert.equal(renderNames(entry({})), 'ANY 1 ("og-demo-0", "og-demo-2")');
    assert.equal(renderNames(entry({ w: 0, names: [] })), '');
    assert.ok(sameNames('ANY 1(og-demo-0,og-demo-2)', renderNames(entry({}))));
  });
});

describe('a change of the synchronous set', () => {
  test('records the wider entry before the server gets the names', () => {
    const view = withEntries([entry({ names: ['og-demo-0'] })], { instance: aPrimary({ syncNames: 'ANY 1 ("og-demo-0")' }) });
    const step = syncStep(view, primaryOf(view));
    assert.equal(step.do, 'record');
    assert.deepEqual(step.do === 'record' && step.entries.map((one) => one.names.length), [1, 2]);
  });
  test('sets the names of the newest entry', () => {
    const view = withEntries([entry({ names: ['og-demo-0'] }), entry({})], {
      instance: aPrimary({ syncNames: 'ANY 1 ("og-demo-0")' }),
    });
    assert.deepEqual(syncStep(view, primaryOf(view)), { do: 'set', names: renderNames(entry({})), mostAvailable: false });
  });
  test('keeps the old entry until W of the new names have flushed the position of the change', () => {
    const entries = [entry({ names: ['og-demo-0'] }), entry({})];
    const behind = {
      senders: [aSender('og-demo-0', { flushed: lsn('0/100') }), aSender('og-demo-2', { flushed: lsn('0/100') })],
    };
    const early = withEntries(entries, { instance: aPrimary(behind), syncBarrier: lsn('0/5000000'), peers: {} });
    assert.deepEqual(syncStep(early, primaryOf(early)), { do: 'nothing' });
    const unknown = withEntries(entries, { syncBarrier: undefined });
    assert.deepEqual(syncStep(unknown, primaryOf(unknown)), { do: 'nothing' });
    const late = withEntries(entries);
    assert.deepEqual(syncStep(late, primaryOf(late)), { do: 'record', entries: [entry({})], syncMode: 'quorum' });
  });
  test('waits on a new primary until W members carry its term', () => {
    const view = withEntries([entry({})], { instance: aPrimary({ syncNames: nobody }), syncBarrier: lsn('0/6000000') });
    assert.deepEqual(syncStep(view, primaryOf(view)), { do: 'nothing' });
  });
  test('does nothing for an entry of another term or of other data', () => {
    for (const part of [{ term: 6 }, { dataId: 'other' }, { primary: 'og-demo-0' }]) {
      const view = withEntries([entry(part)]);
      assert.deepEqual(syncStep(view, primaryOf(view)), { do: 'nothing' });
    }
  });
  test('drops a standby that has been away while another streams', () => {
    const instance = aPrimary({ senders: [aSender('og-demo-0')] });
    const brief = withEntries([entry({})], { instance, streamedAt: { 'og-demo-0': now, 'og-demo-2': now - 9000 } });
    assert.deepEqual(syncStep(brief, primaryOf(brief)), { do: 'nothing' });
    const long = withEntries([entry({})], { instance, streamedAt: { 'og-demo-0': now, 'og-demo-2': now - 10_000 } });
    const step = syncStep(long, primaryOf(long));
    assert.deepEqual(step.do === 'record' && step.entries.at(-1)?.names, ['og-demo-0']);
  });
  test('is degraded only after the time set, and never in mode strict', () => {
    const instance = aPrimary({ senders: [] });
    const away = (ms: number) => ({ instance, streamedAt: { 'og-demo-0': now - ms, 'og-demo-2': now - ms } });
    const brief = withEntries([entry({})], away(59_000));
    assert.deepEqual(syncStep(brief, primaryOf(brief)), { do: 'nothing' });
    const long = withEntries([entry({})], away(60_000));
    const step = syncStep(long, primaryOf(long));
    assert.deepEqual(step.do === 'record' && step.entries.at(-1), entry({ names: [], w: 0 }));
    const { sync } = aConfig();
    const strict = { ...long, config: aConfig({ sync: { ...sync, mode: 'strict' } }) };
    const kept = syncStep(strict, primaryOf(strict));
    assert.deepEqual(kept.do === 'record' && kept.entries, [entry({})]);
  });
  test('keeps a standby whose pod is only being made again, and lets go of one that nobody made for that long', () => {
    const alone = known([aPod(me)], now);
    const instance = aPrimary({ senders: [], syncNames: 'ANY 1 ("og-demo-0")' });
    const only = entry({ names: ['og-demo-0'] });
    const brief = withEntries([only], { instance, pods: alone, streamedAt: { 'og-demo-0': now - 9900 } });
    assert.deepEqual(syncStep(brief, primaryOf(brief)), { do: 'nothing' });
    const gone = withEntries([only], { instance, pods: alone, streamedAt: { 'og-demo-0': now - 10_000 } });
    const step = syncStep(gone, primaryOf(gone));
    assert.deepEqual(step.do === 'record' && step.entries.at(-1)?.names, []);
  });
  for (const annotation of ['never-primary', 'fenced']) {
    test(`takes a member out that is marked ${annotation}`, () => {
      const pods = known([aPod('og-demo-0'), aPod(me), aPod('og-demo-2', annotated(annotation))], now);
      const view = withEntries([entry({})], { pods });
      const step = syncStep(view, primaryOf(view));
      assert.deepEqual(step.do === 'record' && step.entries.at(-1)?.names, ['og-demo-0']);
    });
  }
  test('ends being degraded when the mode becomes strict, though nobody streams', () => {
    const { sync } = aConfig();
    const instance = aPrimary({ senders: [], syncNames: '', mostAvailableSync: true });
    const config = aConfig({ sync: { ...sync, mode: 'strict' } });
    const view = withEntries([entry({ names: [], w: 0 })], { instance, config, streamedAt: {} });
    const step = syncStep(view, primaryOf(view));
    assert.deepEqual(step.do === 'record' && step.entries.at(-1), entry({}));
  });
  test('of a new primary whose named standbys are all gone goes on beside the entry that waits for them', () => {
    const instance = aPrimary({ senders: [], syncNames: nobody });
    const entries = [entry({ term: 6, primary: 'og-demo-0', dataId: 'data-0' }), entry({})];
    const away = { 'og-demo-0': now - 60_000, 'og-demo-2': now - 60_000 };
    const view = withEntries(entries, { instance, streamedAt: away, syncBarrier: undefined });
    const step = syncStep(view, primaryOf(view));
    assert.deepEqual(step.do === 'record' && step.entries, [...entries, entry({ names: [], w: 0 })]);
    const brief = { 'og-demo-0': now - 9000, 'og-demo-2': now - 9000 };
    const soon = withEntries(entries, { instance, streamedAt: brief, syncBarrier: undefined });
    assert.deepEqual(syncStep(soon, primaryOf(soon)), { do: 'nothing' });
  });
  test('narrows to the target of a switchover, in mode off too', () => {
    const plan = {
      target: 'og-demo-2',
      cause: 'request',
      startedAt: now,
      deadline: now + 1000,
      pointedAt: undefined,
      handedOver: false,
    } as const;
    const { sync } = aConfig();
    for (const mode of ['quorum', 'off'] as const) {
      const view = withEntries([entry(mode === 'off' ? { names: [], w: 0 } : {})], {
        switchover: plan,
        config: aConfig({ sync: { ...sync, mode } }),
        ...(mode === 'off' ? { instance: aPrimary({ syncNames: '', mostAvailableSync: true }) } : {}),
      });
      const step = syncStep(view, primaryOf(view));
      assert.deepEqual(step.do === 'record' && step.entries.at(-1)?.names, ['og-demo-2'], mode);
    }
  });
});
