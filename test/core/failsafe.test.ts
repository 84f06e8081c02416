/**
 * Goal: while a holder counts itself held by promises, no vote set is left that lacks one; and a promise binds a member
 * for as long as it says, to the very holder. Method: every record and every set of promisers of up to five members,
 * enumerated against the rule by which votes are counted; then the refusals and the decisions of a bound member.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { nextLook } from '../../agent/core/follower.ts';
import { boundBy, heldUntil, isReleasedBy, whyNoPromise } from '../../agent/core/failsafe.ts';
import type { LeaseRecord, LocalRecords, PromiseAsk, SyncEntry } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import { isVoteSet } from '../../agent/core/sync.ts';
import type { View } from '../../agent/core/view.ts';
import {
  aLeadingView,
  anExpired,
  aPeer,
  aPod,
  aPrimary,
  aRecord,
  aSeen,
  aStandby,
  aTakingView,
  aView,
  identity,
  now,
  someData,
} from './builders.ts';

const holder = 'og-demo-0/uid-0/inc-0';
const ask: PromiseAsk = { holder, term: 7, durationMs: 8000 };
const free: LocalRecords = { granted: 0, freeze: undefined, build: undefined };

function subsets<T>(items: T[]): T[][] {
  const [first, ...rest] = items;
  if (first === undefined) return [[]];
  return subsets(rest).flatMap((set) => [set, [first, ...set]]);
}

const self = 'm0';
const members = ['m0', 'm1', 'm2', 'm3', 'm4'];
const others = members.slice(1);

function entries(primary: string): SyncEntry[] {
  return subsets(members.filter((name) => name !== primary)).flatMap((names) =>
    [...Array(names.length + 1).keys()].map((w) => ({ term: 1, primary, dataId: `data-${primary}`, names, w })),
  );
}

function held(record: Pick<LeaseRecord, 'entries' | 'syncMode'>, promisers: string[], end = 100): number | undefined {
  const until = (name: string) => (promisers.includes(name) ? end : undefined);
  return heldUntil([record], { self, others, until, own: 200 });
}

/** Every vote that could be given without breaking a promise: all but the promisers and the holder itself. */
function canBeTaken(record: LeaseRecord, promisers: string[]): boolean {
  const left = others.filter((name) => !promisers.includes(name));
  if (left.length === 0) return false;
  return isVoteSet(
    record,
    left.map((name) => ({ name, dataId: `data-${name}` })),
  );
}

test('a holder that counts itself held leaves no vote set without a promise, whatever the entries and promises are', () => {
  let cases = 0;
  let heldCases = 0;
  const mine = entries(self);
  const older = entries('m1');
  const lists = [
    ...mine.map((entry) => [entry]),
    ...mine.slice(0, 40).flatMap((entry) => older.slice(0, 40).map((old) => [old, entry])),
    [],
  ];
  for (const list of lists) {
    for (const syncMode of ['quorum', 'off'] as const) {
      const record = aRecord({ entries: list, syncMode });
      for (const promisers of subsets(others)) {
        cases += 1;
        if (held(record, promisers) === undefined) continue;
        heldCases += 1;
        assert.equal(canBeTaken(record, promisers), false, `${JSON.stringify(list)} ${syncMode} promised by ${promisers.join()}`);
      }
    }
  }
  assert.ok(cases > 50_000 && heldCases > 1000, `${heldCases} of ${cases}`);
});

test('promises from as many standbys as acknowledge a commit are enough, also with one member dead', () => {
  const three = { entries: [{ term: 1, primary: self, dataId: 'd', names: ['m1', 'm2'], w: 1 }], syncMode: 'quorum' as const };
  assert.equal(held(three, ['m1']), 100);
  assert.equal(held(three, ['m2']), 100);
  assert.equal(held(three, []), undefined);
  const five = { entries: [{ term: 1, primary: self, dataId: 'd', names: others, w: 2 }], syncMode: 'quorum' as const };
  assert.equal(held(five, ['m1', 'm4']), 100);
  assert.equal(held(five, ['m1']), undefined);
});

test('in mode off every other member has to promise, and a member that is alone needs nobody', () => {
  const off = { entries: [{ term: 1, primary: self, dataId: 'd', names: [], w: 0 }], syncMode: 'off' as const };
  assert.equal(held(off, ['m1', 'm2', 'm3']), undefined);
  assert.equal(held(off, others), 100);
  assert.equal(heldUntil([off], { self, others: [], until: () => undefined, own: 200 }), 200);
});

test('a degraded primary needs no promise: nobody else may lead without a person', () => {
  const degraded = { entries: [{ term: 1, primary: self, dataId: 'd', names: [], w: 0 }], syncMode: 'quorum' as const };
  assert.equal(held(degraded, []), 200);
});

test('the earliest of the promises that are needed counts, and never more than the holder’s own moment', () => {
  const ends: Record<string, number> = { m1: 90, m2: 120, m3: 110 };
  const until = (name: string) => ends[name];
  const entry = { term: 1, primary: self, dataId: 'd', names: others, w: 2 };
  assert.equal(heldUntil([{ entries: [entry], syncMode: 'quorum' }], { self, others, until, own: 200 }), 110);
  assert.equal(heldUntil([{ entries: [entry], syncMode: 'quorum' }], { self, others, until, own: 100 }), 100);
});

test('a write whose answer never came counts as written and as not written', () => {
  const two = { entries: [{ term: 1, primary: self, dataId: 'd', names: ['m1', 'm2'], w: 1 }], syncMode: 'quorum' as const };
  const other = { entries: [{ term: 1, primary: self, dataId: 'd', names: ['m3', 'm4'], w: 1 }], syncMode: 'quorum' as const };
  const until = (name: string) => (name === 'm1' ? 100 : undefined);
  assert.equal(heldUntil([two], { self, others, until, own: 200 }), 100);
  assert.equal(heldUntil([two, other], { self, others, until, own: 200 }), undefined);
  assert.equal(heldUntil([], { self, others, until, own: 200 }), undefined);
});

/** og-demo-1, a standby of og-demo-0, which asks. */
const refusals: {
  title: string;
  view?: Partial<View>;
  records?: Partial<LocalRecords>;
  ask?: Partial<PromiseAsk>;
  from?: string;
  why?: RegExp;
}[] = [
  { title: 'the holder of the lease gets its promise' },
  {
    title: 'a holder gets it too when the lease cannot be read here',
    view: { lease: { known: false, fault: { of: 'kube', kind: 'timeout', done: 'no', detail: '' } } },
  },
  { title: 'somebody who asks for another', from: 'og-demo-2', why: /does not ask for itself/ },
  { title: 'a lower term than the lease’s', ask: { term: 6 }, why: /lower than 7/ },
  {
    title: 'the same term under another holder',
    view: { lease: known(aSeen({ holder: 'og-demo-2/uid-2/inc-2' }), now) },
    why: /og-demo-2's/,
  },
  { title: 'a term that was released', view: { lease: known(aSeen({ holder: '' }), now) }, why: /released/ },
  { title: 'a higher term than this member has heard of', ask: { term: 8 } },
  {
    title: 'a lower term than the WAL carries',
    view: { lease: known(aSeen({ term: 5 }), now), instance: aStandby({ term: 8 }) },
    why: /data carry/,
  },
  {
    title: 'a lower term than this data was promoted with',
    view: { lease: known(aSeen({ term: 5 }), now), instance: aStandby({ data: someData({ promotedTerm: 8 }) }) },
    why: /data carry/,
  },
  {
    title: 'a grant to somebody else',
    records: { granted: 8, freeze: { term: 8, candidate: 'og-demo-2', host: 'h', port: 1 } },
    why: /granted to og-demo-2/,
  },
  {
    title: 'a grant to the asking member itself',
    records: { granted: 7, freeze: { term: 7, candidate: 'og-demo-0', host: 'h', port: 1 } },
  },
  { title: 'a higher grant of which nothing else is known', records: { granted: 8 }, why: /granted before/ },
  { title: 'a higher grant that this holder had undone', records: { granted: 8, undone: { term: 8, by: 'og-demo-0' } } },
  {
    title: 'a higher grant that another one had undone',
    records: { granted: 8, undone: { term: 8, by: 'og-demo-2' } },
    why: /granted before/,
  },
  {
    title: 'a live promise to somebody else',
    view: { promised: { holder: 'og-demo-2/uid-2/inc-2', term: 6, until: now + 1 } },
    why: /bound to og-demo-2/,
  },
  { title: 'an ended promise to somebody else', view: { promised: { holder: 'og-demo-2/uid-2/inc-2', term: 6, until: now } } },
  { title: 'this member is taking the lease', view: { standing: true }, why: /taking the lease/ },
  { title: 'this member is primary', view: { instance: aPrimary() }, why: /leads/ },
];
for (const { title, view, records, ask: part, from, why } of refusals) {
  test(`a promise is ${why === undefined ? 'given' : 'refused'}: ${title}`, () => {
    const said = whyNoPromise(aView(view), { ...free, ...records }, { ...ask, ...part }, from ?? 'og-demo-0');
    if (why === undefined) assert.equal(said, undefined);
    else assert.match(said ?? 'given', why);
  });
}

test('a holder of the lease promises nothing', () => {
  assert.match(whyNoPromise(aLeadingView(), free, ask, 'og-demo-0') ?? 'given', /leads/);
});

test('a promise ends by time, or by the release of that very holder, and by nothing else', () => {
  const promised = { holder, term: 7, until: now + 1 };
  assert.ok(boundBy(aView({ promised })) !== undefined);
  assert.equal(boundBy(aView({ promised: { ...promised, until: now } })), undefined);
  assert.equal(isReleasedBy(promised, aRecord({ holder: '' })), true);
  assert.equal(isReleasedBy(promised, aRecord({ holder: '', term: 9 })), true);
  // Released by another one that took the lease without votes, before the promise, by hand, held by a third, deleted.
  assert.equal(isReleasedBy(promised, aRecord({ holder: '', term: 8, releasedBy: 'og-demo-2/uid-2/inc-2' })), false);
  assert.equal(isReleasedBy(promised, aRecord({ holder: '', term: 6 })), false);
  const { releasedBy: _by, ...byHand } = aRecord({ holder: '' });
  assert.equal(isReleasedBy(promised, byHand), false);
  assert.equal(isReleasedBy(promised, aRecord({ holder: 'og-demo-2/uid-2/inc-2', term: 7 })), false);
  assert.equal(isReleasedBy(promised, undefined), false);
});

test('a member that has promised does not stand for an expired lease until the promise has ended', () => {
  const peers = { 'og-demo-2': aPeer('og-demo-2') };
  const view = aView({ lease: known(anExpired(), now), peers });
  assert.equal(decide(view).lease.do, 'acquire');
  const bound = decide({ ...view, promised: { holder, term: 7, until: now + 1 } });
  assert.deepEqual([bound.lease.do, bound.reason], ['nothing', 'promised']);
  assert.equal(decide({ ...view, promised: { holder, term: 7, until: now } }).lease.do, 'acquire');
});

test('a member that has promised is nobody’s vote, except for the one it promised to', () => {
  const peers = { 'og-demo-2': aPeer('og-demo-2', { promised: { holder, term: 7 } }) };
  const view = aView({ lease: known(anExpired(), now), peers });
  assert.deepEqual([decide(view).lease.do, decide(view).reason], ['nothing', 'no-vote-set']);
  const released = aView({ lease: known(aSeen({ holder: '' }), now), peers });
  assert.equal(decide(released).lease.do, 'acquire');
});

test('a lease whose holder was taken out by hand is nobody’s before its duration has passed', () => {
  const { releasedBy: _by, ...byHand } = aRecord({ holder: '' });
  const fresh = aSeen();
  const peers = { 'og-demo-2': aPeer('og-demo-2') };
  const view = aView({ peers, lease: known({ ...fresh, record: byHand }, now) });
  assert.deepEqual([decide(view).lease.do, decide(view).reason], ['nothing', 'waits-for-expiry']);
  assert.equal(nextLook(view), fresh.firstSeenAt + 8000);
  assert.equal(decide({ ...view, lease: known({ ...anExpired(), record: byHand }, now) }).lease.do, 'acquire');
});

test('a winner counts on acknowledgements of a member that is still bound to the old holder', () => {
  const entries = [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: ['og-demo-1'], w: 1 }];
  const peers = { 'og-demo-2': aPeer('og-demo-2', { promised: { holder, term: 7 } }) };
  const decision = decide(aTakingView({ lease: known(aSeen({ holder: identity, term: 8, entries }), now), peers }));
  assert.equal(decision.reason, 'recording-promotion');
  const change = decision.lease.do === 'renew' ? decision.lease.change : undefined;
  assert.equal(change?.entries?.at(-1)?.w, 1, 'not degraded');
});

test('a member whose pod was deleted under it does not stand, made anew elsewhere or not', () => {
  const peers = { 'og-demo-2': aPeer('og-demo-2') };
  const pods = (uid: string | undefined) =>
    known([aPod('og-demo-0'), ...(uid === undefined ? [] : [aPod('og-demo-1', { uid })]), aPod('og-demo-2')], now);
  const stands = (uid: string | undefined) => decide(aView({ lease: known(anExpired(), now), peers, pods: pods(uid) })).lease.do;
  assert.deepEqual([stands('uid-1'), stands('uid-9'), stands(undefined)], ['acquire', 'nothing', 'nothing']);
});

test('a member that became holder after it promised freezes and promotes nobody', () => {
  const view = aTakingView({ promised: { holder, term: 7, until: now + 1 } });
  const decision = decide(view);
  assert.deepEqual([decision.lease.do, decision.instance.do], ['release', 'nothing']);
});
