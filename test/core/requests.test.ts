/**
 * Goal: each rule that keeps a wish of people from costing acknowledged commits, as a sentence that fails without it.
 * Method: a view that differs in one thing from one in which the wish is done, one call, the decision.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { noHand } from '../../agent/core/hand.ts';
import { lossText, proofOfEnd } from '../../agent/core/loss.ts';
import type { LeaseRecord, PeerState, Request } from '../../agent/core/model.ts';
import { known, unknown } from '../../agent/core/result.ts';
import { syncStep } from '../../agent/core/sync.ts';
import type { View } from '../../agent/core/view.ts';
import {
  aConfig,
  aLeadingView,
  anExpired,
  aPeer,
  aPod,
  aPrimary,
  aPrimaryPeer,
  aRecord,
  aRequest,
  aSeen,
  aStandby,
  aTakingView,
  aView,
  lsn,
  now,
  someData,
} from './builders.ts';

const alone = { term: 7, primary: 'og-demo-0', dataId: 'data-0', names: [], w: 0 };
const past = '2020-01-01T00:00:00Z';

describe('a take-over by hand', () => {
  /** og-demo-1 alone; og-demo-0 acknowledged commits alone, and its lease has run out. */
  function blocked(
    options: Request['options'],
    part: Partial<Request> = {},
    record: Partial<LeaseRecord> = {},
    view: Partial<View> = {},
  ): View {
    return aView({
      lease: known(anExpired({ entries: [alone], ...record }), now),
      instance: aStandby({ receiver: undefined }),
      peers: {},
      request: aRequest({ kind: 'failover', options, ...part }),
      ...view,
    });
  }
  const accepted = { allowDataLoss: 'true', dead: 'og-demo-0' };
  const taken = { ...accepted, lost: 'accepted: all of it' };

  test('takes the lease when all is accepted and proven, and has said so before', () => {
    const said = decide(blocked(accepted));
    assert.deepEqual([said.lease.do, said.answer?.phase, said.answer?.options?.['proven']], ['nothing', 'running', undefined]);
    assert.match(said.answer?.options?.['lost'] ?? '', /^accepted: og-demo-1 is at/);
    assert.equal(decide(blocked(taken, { phase: 'running' })).lease.do, 'acquire');
  });
  test('does not take the lease when the primary comes back after the request was taken up', () => {
    const back = aPeer('og-demo-0', { mayLead: true, dataId: 'data-x' });
    const decision = decide(blocked(taken, { phase: 'running' }, {}, { peers: { 'og-demo-0': back } }));
    assert.deepEqual([decision.lease.do, decision.answer?.result], ['nothing', 'waiting for a proof that og-demo-0 has ended']);
  });
  test('keeps what the kubelet said, which the lease of the next holder does not show', () => {
    const pods = known(
      [aPod('og-demo-0', { container: { id: 'c1', state: 'terminated', ended: ['c1'] } }), aPod('og-demo-1')],
      now,
    );
    const said = decide(blocked({ allowDataLoss: 'true' }, {}, { containerId: 'c1' }, { pods }));
    assert.equal(said.answer?.options?.['proven'], '7/og-demo-0');
  });
  test('waits for the end of a lease that may still be renewed', () => {
    const view = blocked(taken, { phase: 'running' }, {}, { lease: known(aSeen({ entries: [alone] }), now) });
    assert.equal(decide(view).lease.do, 'nothing');
  });
  test('decides nothing on a lease that cannot be read', () => {
    const lease = unknown({ of: 'kube', kind: 'timeout', done: 'no', detail: 'timed out' } as const);
    assert.equal(decide(blocked(taken, { phase: 'running' }, {}, { lease })).reason, 'lease-unknown');
  });
  test('is refused on a lease that holds garbage', () => {
    assert.equal(decide(blocked(accepted, {}, { garbage: 'entries: not JSON' })).answer?.phase, 'refused');
  });
  test('is given up after its deadline', () => {
    assert.equal(decide(blocked(taken, { phase: 'running', deadline: past })).answer?.phase, 'timed-out');
  });

  /** The lease is taken; og-demo-1 is frozen for its term and its redo has finished. */
  function taking(part: Partial<Request>, entries = [alone]): View {
    const lock = { mode: 'specify_connection', host: '10.0.0.11', port: 5433, redoFinished: true } as const;
    return aTakingView({
      lease: known(aSeen({ holder: 'og-demo-1/uid-1/inc-1', term: 8, entries }), now),
      instance: aStandby({ receiver: undefined, lock }),
      takeover: { term: 8, startedAt: now - 100, votes: {} },
      peers: {},
      request: aRequest({ kind: 'failover', phase: 'running', options: taken, ...part }),
    });
  }
  test('goes on to its promotion', () => {
    assert.equal(decide(taking({})).reason, 'recording-promotion');
  });
  for (const [why, part] of [
    ['nobody accepted a loss', { options: { dead: 'og-demo-0' } }],
    ['nothing is proven', { options: { allowDataLoss: 'true' } }],
    ['another primary was proven to have ended', { options: { allowDataLoss: 'true', proven: '6/og-demo-0' } }],
    ['it was meant for another member', { target: 'og-demo-2' }],
    ['it has not been taken up', { phase: 'open' }],
    ['its time has passed', { deadline: past }],
    ['it asked for something else', { kind: 'switchover' }],
  ] as const) {
    test(`does not go on without a vote set when ${why}`, () => {
      assert.equal(decide(taking(part as Partial<Request>)).reason, 'no-vote-set');
    });
  }
  test('does not go on when the primary that was said to be dead answers before the promotion is recorded', () => {
    const peers = { 'og-demo-0': aPeer('og-demo-0', { instance: 'standby', mayLead: true, leaseTerm: 8, dataId: 'data-x' }) };
    assert.equal(decide({ ...taking({}), peers }).reason, 'no-vote-set');
  });
  test('goes on by the proof that was kept when the lease is its own', () => {
    assert.equal(decide(taking({ options: { allowDataLoss: 'true', proven: '7/og-demo-0' } })).reason, 'recording-promotion');
  });
  test('still compares with those that answer', () => {
    const lock = { mode: 'specify_connection', host: '10.0.0.11', port: 5433, redoFinished: true } as const;
    const vote = aPeer('og-demo-2', { redoFinished: true, replayed: lsn('0/6000000') });
    const view = {
      ...taking({}),
      instance: aStandby({ receiver: undefined, lock }),
      takeover: { term: 8, startedAt: now - 100, votes: { 'og-demo-2': vote } },
    };
    assert.deepEqual(decide(view).lease, { do: 'release', heir: 'og-demo-2' });
  });
});

describe('the end of a former primary', () => {
  const request = { ...(aRequest({ kind: 'failover', options: {} }) as { value: Request }).value };
  const proof = (view: Partial<View>, record: Partial<LeaseRecord> = {}, options = {}) =>
    proofOfEnd(aView(view), aRecord(record), alone, { ...request, options });

  /** The lease has been given back, so that only a swap makes anybody primary; another one was promoted last. */
  const free = { holder: '', promoting: { member: 'og-demo-2', term: 7, dataId: 'data-2' } };
  for (const [instance, proven] of [
    ['primary', false],
    ['hung', false],
    ['starting', false],
    ['pending', false],
    ['stopped', true],
    ['standby', true],
    ['empty', true],
  ] as const) {
    test(`is ${proven ? '' : 'not '}proven by its own agent, that says ${instance}`, () => {
      const peers = { 'og-demo-0': aPeer('og-demo-0', { instance, mayLead: false }) };
      assert.equal(proof({ peers }, free, proven ? {} : { dead: 'og-demo-0' }) !== undefined, proven);
    });
  }
  for (const [why, state, record, at] of [
    ['holds the lease by the record', {}, { ...free, holder: 'og-demo-0/uid-0/inc-0' }, now],
    ['says itself that it may lead', { mayLead: true }, free, now],
    ['does not say whether it may lead', { mayLead: undefined }, free, now],
    ['has not heard of this lease', { leaseTerm: 6 }, free, now],
    ['was promoted last and has a server', {}, { ...free, promoting: { member: 'og-demo-0', term: 7, dataId: '' } }, now],
    ['said it a while ago', {}, free, now - 10_000],
  ] as [string, Partial<PeerState>, Partial<LeaseRecord>, number][]) {
    test(`is not proven by a standby that ${why}`, () => {
      const word = aPeer('og-demo-0', { instance: 'standby', mayLead: false, ...state }, at);
      assert.equal(proof({ peers: { 'og-demo-0': word } }, record), undefined);
    });
  }
  test('is proven by a server that is down and was promoted last, when its lease was given back', () => {
    const peers = { 'og-demo-0': aPeer('og-demo-0', { instance: 'stopped', mayLead: false }) };
    assert.equal(proof({ peers }, { holder: '' }), 'its agent says stopped');
  });
  test('is the word of the operator where a pod with other data bears the name by now', () => {
    const word = (state: Partial<PeerState>) => ({
      'og-demo-0': aPeer('og-demo-0', { instance: 'standby', mayLead: false, dataId: 'data-of-another-volume', ...state }),
    });
    const dead = { dead: 'og-demo-0' };
    const said = 'the operator says that the one before it is dead';
    assert.equal(proof({ peers: word({}) }, { holder: 'og-demo-0/uid-0/inc-0' }, dead), said);
    assert.equal(proof({ peers: word({}) }, { holder: 'og-demo-2/uid-2/inc-2' }, dead), said);
    assert.equal(proof({ peers: word({}) }, {}), undefined);
    for (const state of [{ dataId: alone.dataId }, { mayLead: true }, { leaseTerm: 6 }])
      assert.equal(proof({ peers: word(state) }, {}, dead), undefined);
  });
  test('is not proven, whatever the operator says, while a member has promised it something', () => {
    const promised = { holder: 'og-demo-0/uid-0/inc-0', term: 7 };
    const bound = { 'og-demo-2': aPeer('og-demo-2', { promised } as Partial<PeerState>) };
    assert.equal(proof({ peers: bound }, {}, { dead: 'og-demo-0' }), undefined);
    const own = { 'og-demo-0': aPeer('og-demo-0', { instance: 'stopped', mayLead: false }) };
    assert.equal(proof({ peers: { ...bound, ...own } }, { holder: 'og-demo-2/uid-2/inc-2' }), undefined);
    assert.equal(
      proof({ peers: {}, promised: { ...promised, until: now + 1000 } as View['promised'] }, {}, { dead: 'og-demo-0' }),
      undefined,
    );
    assert.notEqual(proof({ peers: {} }, {}, { dead: 'og-demo-0' }), undefined);
  });
  test('is proven by the kubelet for exactly the container that holds the lease', () => {
    const pods = (id: string, state: 'running' | 'terminated', uid = 'uid-0') =>
      known([aPod('og-demo-0', { uid, container: { id, state, ...(state === 'terminated' ? { ended: [id] } : {}) } })], now);
    assert.equal(proof({ peers: {}, pods: pods('c1', 'terminated') }, { containerId: 'c1' }), 'its container has ended');
    assert.equal(proof({ peers: {}, pods: pods('c1', 'running') }, { containerId: 'c1' }), undefined);
    assert.equal(proof({ peers: {}, pods: pods('c2', 'terminated') }, { containerId: 'c1' }), undefined);
    assert.equal(proof({ peers: {}, pods: pods('c1', 'terminated', 'uid-9') }, { containerId: 'c1' }), undefined);
    assert.equal(proof({ peers: {}, pods: known([], now) }, { containerId: 'c1' }), undefined, 'a deleted pod proves nothing');
  });
  test('is proven by whoever has declared the machine off that held the lease, unless it was heard of since', () => {
    const sight = { outOfService: true, ready: false };
    const holderNode = { holder: 'og-demo-0/uid-0/inc-0', name: 'node-0', sight, at: now - 100 };
    const lease = known(aSeen({}, { firstSeenAt: now - 60_000 }), now);
    assert.equal(proof({ peers: {}, holderNode, lease }), 'its machine was declared off');
    const other = { ...holderNode, holder: 'og-demo-2/uid-2/inc-2' };
    assert.equal(proof({ peers: {}, holderNode: other, lease }), undefined);
    const bound = { promised: { holder: 'og-demo-0/uid-0/inc-0', term: 7, until: now + 1000 } };
    assert.equal(proof({ peers: {}, holderNode, lease, ...bound }), undefined, 'it was promised something moments ago');
  });
});

test('what may be lost names positions, the entry, and whose acknowledgements cannot be seen', () => {
  const entry = { term: 7, primary: 'og-demo-0', dataId: 'data-0', names: ['og-demo-1', 'og-demo-2'], w: 1 };
  const peers = { 'og-demo-0': { ...aPrimaryPeer('og-demo-0', { written: lsn('0/5100100') }), at: now - 30_000 } };
  assert.equal(
    lossText(aView({ peers }), aStandby(), [entry], [{ name: 'og-demo-1', dataId: 'data-1' }]),
    'og-demo-1 is at 0/5000100 of term 7; in term 7 og-demo-0 acknowledged with any 1 of og-demo-1, og-demo-2, and what og-demo-2 acknowledged cannot be seen; og-demo-0 was at 0/5100100 of term 7, 1 MiB ahead, 30 s ago; og-demo-2 has not been heard of',
  );
});

test('a position that nobody has told is not made up', () => {
  const down = { instance: 'stopped', role: 'Unknown', received: undefined, replayed: undefined } as const;
  const peers = { 'og-demo-0': aPeer('og-demo-0', down) };
  const text = lossText(aView({ peers }), aStandby(), [alone], [{ name: 'og-demo-1', dataId: 'data-1' }]);
  assert.match(text, /og-demo-0 did not tell where it is, 0 s ago$/);
  assert.doesNotMatch(text, /0\/0/);
});

describe('a reinit', () => {
  const running = { kind: 'reinit', phase: 'running', options: { dataId: 'data-1' } } as const;
  const others = [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: ['og-demo-2'], w: 1 }];
  /** og-demo-1, out of the synchronous set, asked to throw its data away. */
  function asked(part: Partial<View> = {}): View {
    return aView({ lease: known(aSeen({ entries: others }), now), request: aRequest(running), ...part });
  }
  test('begins beside a primary of the own cluster', () => {
    assert.deepEqual(decide(asked()).instance, { do: 'build', mode: 'full', from: 'og-demo-0' });
  });
  for (const [why, part] of [
    ['the record rests on this member', { lease: known(aSeen(), now) }],
    ['an older entry rests on it', { lease: known(aSeen({ entries: [...aRecord().entries, ...others] }), now) }],
    ['the lease cannot be read', { lease: unknown({ of: 'kube', kind: 'timeout', done: 'no', detail: '' }) }],
    ['the primary does not answer', { peers: {} }],
    ['the primary is of another cluster', { peers: { 'og-demo-0': aPrimaryPeer('og-demo-0', { systemId: '43' }) } }],
    ['the own data is of another cluster', { instance: aStandby({ data: someData({ systemId: '43' }) }) }],
    ['the state of the cluster cannot be read', { facts: unknown({ of: 'kube', kind: 'timeout', done: 'no', detail: '' }) }],
    ['the data has been copied already', { instance: aStandby({ data: someData({ dataId: 'data-9' }) }) }],
    ['its time has passed', { request: aRequest({ ...running, deadline: past }) }],
    ['nobody has taken it up', { request: aRequest({ ...running, phase: 'open' }) }],
  ] as [string, Partial<View>][]) {
    test(`does not begin when ${why}`, () => {
      assert.notEqual(decide(asked(part)).instance.do, 'build');
    });
  }

  const wish = { kind: 'reinit', target: 'og-demo-2' } as const;
  const leading = (state: Partial<PeerState>, part: Partial<View> = {}) =>
    decide(
      aLeadingView({
        request: aRequest(wish),
        peers: { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2', state) },
        ...part,
      }),
    ).answer;
  test('is taken up by the primary with the data that is to go', () => {
    const answer = leading({});
    assert.deepEqual([answer?.phase, answer?.options], ['running', { dataId: 'data-2' }]);
  });
  for (const [why, state, says] of [
    ['has more than the primary', { replayed: lsn('0/6000000') }, /WAL that the primary does not have/],
    ['holds the data of another cluster', { systemId: '43' }, /another cluster/],
    ['has a directory that cannot be used', { instance: 'unusable' }, /cannot be used/],
    ['is paused', { paused: true }, /is paused/],
  ] as [string, Partial<PeerState>, RegExp][]) {
    test(`of a member that ${why} is refused by the primary`, () => {
      const answer = leading(state);
      assert.deepEqual([answer?.phase, says.test(answer?.result ?? '')], ['refused', true], answer?.result);
    });
  }
  test('of a member on which an older entry rests is refused by the primary', () => {
    const older = { term: 6, primary: 'og-demo-0', dataId: 'data-0', names: ['og-demo-1', 'og-demo-2'], w: 1 };
    const last = { term: 7, primary: 'og-demo-1', dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 };
    const lease = known(aSeen({ holder: 'og-demo-1/uid-1/inc-1', entries: [older, last] }), now);
    assert.match(leading({}, { lease, syncBarrier: undefined })?.result ?? '', /may be on og-demo-2 alone/);
  });
  test('of the only synchronous standby in strict is refused by the primary', () => {
    const entries = [{ term: 7, primary: 'og-demo-1', dataId: 'data-1', names: ['og-demo-2'], w: 1 }];
    const lease = known(
      aSeen({
        holder: 'og-demo-1/uid-1/inc-1',
        entries,
        syncMode: 'strict',
        promoting: { member: 'og-demo-1', term: 7, dataId: 'data-1' },
      }),
      now,
    );
    const pods = known(
      ['og-demo-1', 'og-demo-2'].map((name) => aPod(name)),
      now,
    );
    const instance = aPrimary({ syncNames: 'ANY 1 ("og-demo-2")', senders: aPrimary().senders.slice(1) });
    const config = aConfig({ sync: { ...aConfig().sync, mode: 'strict' } });
    assert.equal(leading({}, { lease, pods, instance, config })?.phase, 'refused');
  });
  test('takes its member out of the synchronous set while it still streams', () => {
    const view = aLeadingView({ request: aRequest({ ...wish, phase: 'running', options: { dataId: 'data-2' } }) });
    const step = syncStep(view, aPrimary());
    assert.deepEqual(step.do === 'record' ? step.entries.at(-1)?.names : step, ['og-demo-0']);
  });
});

describe('a member fenced by hand', () => {
  test('leaves the synchronous set while it still streams', () => {
    const annotations = { 'opengauss.agent/fenced': 'true' };
    const pods = known([aPod('og-demo-0', { annotations }), aPod('og-demo-1'), aPod('og-demo-2')], now);
    const step = syncStep(aLeadingView({ pods }), aPrimary());
    assert.deepEqual(step.do === 'record' ? step.entries.at(-1)?.names : step, ['og-demo-2']);
  });
  test('hands over before its server is stopped, and releases the lease after', () => {
    const hand = { ...noHand, fenced: true };
    const begin = decide(aLeadingView({ hand }));
    assert.deepEqual([begin.reason, begin.instance.do, begin.lease.do], ['fenced', 'begin-switchover', 'renew']);
    const exit = { process: { pid: 11, startTime: '111' }, role: 'Primary', at: now } as const;
    const down = { is: 'stopped', data: someData({ promotedTerm: 7 }), exit } as const;
    const end = decide(aLeadingView({ hand, instance: down }));
    assert.deepEqual([end.instance.do, end.lease.do], ['nothing', 'release']);
  });
  test('that was asked to promote is killed, as the promotion may still happen', () => {
    const promotion = { term: 8, process: { pid: 11, startTime: '111' }, recordedAt: now, settled: false };
    assert.equal(decide(aTakingView({ hand: { ...noHand, fenced: true }, promotion })).instance.do, 'fence');
  });
});

describe('a request that comes while nothing may be done', () => {
  const cluster = { paused: true, hand: { ...noHand, cluster: true } };
  const answer = (view: View) => decide(view).answer;
  for (const kind of ['switchover', 'reinit'] as const) {
    test(`is refused by a paused primary, in words (${kind})`, () => {
      const said = answer(aLeadingView({ ...cluster, request: aRequest({ kind, target: 'og-demo-2' }) }));
      assert.deepEqual([said?.phase, said?.hint], ['refused', 'Run agent resume first.']);
      assert.match(said?.result ?? '', /^the cluster is paused/);
    });
  }
  for (const kind of ['restart', 'failover'] as const) {
    test(`is refused by the member that it names, paused alone or fenced (${kind})`, () => {
      const request = aRequest({ kind, target: 'og-demo-1' });
      const paused = answer(aView({ paused: true, hand: { ...noHand, member: true }, request }));
      assert.deepEqual([paused?.phase, paused?.hint], ['refused', 'Run agent resume og-demo-1 first.']);
      const down = { is: 'stopped', data: someData(), exit: undefined } as const;
      const fenced = answer(aView({ hand: { ...noHand, fenced: true }, instance: down, request }));
      assert.deepEqual([fenced?.phase, fenced?.hint], ['refused', 'Run agent unfence og-demo-1 first.']);
      assert.equal(answer(aView({ ...cluster, request: aRequest({ kind, target: 'og-demo-2' }) })), undefined);
    });
  }
  test('is left to the primary by the others, and to its time when it is planned for later', () => {
    assert.equal(answer(aView({ ...cluster, request: aRequest({ kind: 'switchover' }) })), undefined);
    const later = aRequest({ kind: 'switchover', options: { at: '2026-11-21T01:00:00Z' } });
    assert.equal(answer(aLeadingView({ ...cluster, request: later })), undefined);
  });
  test('is not refused when it runs already', () => {
    assert.equal(answer(aLeadingView({ ...cluster, request: aRequest({ kind: 'reinit', phase: 'running' }) })), undefined);
  });
  test('is refused for a fenced member whose data is to be copied anew', () => {
    const pods = ['og-demo-0', 'og-demo-1', 'og-demo-2'].map((name) =>
      aPod(name, name === 'og-demo-2' ? { annotations: { 'opengauss.agent/fenced': 'true' } } : {}),
    );
    const view = aLeadingView({ pods: known(pods, now), request: aRequest({ kind: 'reinit', target: 'og-demo-2' }) });
    const entries = [{ term: 7, primary: 'og-demo-1', dataId: 'data-1', names: ['og-demo-0'], w: 1 }];
    const record = { holder: 'og-demo-1/uid-1/inc-1', entries, promoting: { member: 'og-demo-1', term: 7, dataId: 'data-1' } };
    const primary = aPrimary({ syncNames: 'ANY 1 ("og-demo-0")' });
    const said = answer({ ...view, lease: known(aSeen(record), now), instance: primary });
    assert.deepEqual([said?.phase, said?.hint], ['refused', 'Run agent unfence og-demo-2 first.']);
  });
});

test('a standby is restarted once for each process that was written down', () => {
  const asked = (process: string) => aView({ request: aRequest({ kind: 'restart', phase: 'running', options: { process } }) });
  assert.equal(decide(asked('11/111')).instance.do, 'stop');
  const done = decide(asked('10/100'));
  assert.deepEqual([done.instance.do, done.answer?.phase], ['nothing', 'done']);
});
