/**
 * Goal: a member that votes and may not lead never makes the lease go to and fro. Method: views of a holder whose votes are
 * in and whose redo has finished; og-demo-2 may not lead and has more.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import type { LeaseRecord, PeerState, Request } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aPeer, aPod, aSeen, aStandby, aTakingView, identity, lsn, me, now } from './builders.ts';

const more = { received: lsn('0/5000900'), replayed: lsn('0/5000900'), redoFinished: true };
const level = { redoFinished: true };
const paused: Partial<PeerState> = { eligible: false, paused: true, reason: 'paused by hand' };

/** og-demo-1 has frozen and heard these members for term 8. */
function compared(record: Partial<LeaseRecord>, votes: Record<string, Partial<PeerState>>, part: Partial<View> = {}): View {
  const peers = Object.fromEntries(Object.entries(votes).map(([name, state]) => [name, aPeer(name, state)]));
  return aTakingView({
    lease: known(aSeen({ holder: identity, term: 8, ...record }), now - 500),
    instance: aStandby({
      receiver: undefined,
      lock: { mode: 'specify_connection', host: '10.0.0.11', port: 5433, redoFinished: true },
    }),
    pods: known(
      ['og-demo-0', 'og-demo-1', 'og-demo-2', 'og-demo-3'].map((name) => aPod(name)),
      now,
    ),
    takeover: { term: 8, startedAt: now - 1000, votes: peers },
    peers,
    ...part,
  });
}

const any1 = (...names: string[]) => ({ term: 7, primary: 'og-demo-0', dataId: 'data-0', names, w: 1 });

describe('a member that is ahead and may not lead', () => {
  test('is passed over where the others are a vote set without it', () => {
    const notCounted = { entries: [any1(me)] };
    assert.equal(decide(compared(notCounted, { 'og-demo-2': { ...more, ...paused } })).reason, 'recording-promotion');
    const two = { entries: [{ ...any1(me, 'og-demo-2', 'og-demo-3'), w: 2 }] };
    const votes = { 'og-demo-2': { ...more, ...paused }, 'og-demo-3': level };
    assert.equal(decide(compared(two, votes)).reason, 'recording-promotion');
  });

  test('keeps the lease where it is when its vote is needed, and people are told whom to let lead', () => {
    const decision = decide(compared({ entries: [any1(me, 'og-demo-2')] }, { 'og-demo-2': { ...more, ...paused } }));
    assert.equal(decision.reason, 'best-may-not-lead');
    assert.deepEqual([decision.lease, decision.instance], [{ do: 'renew' }, { do: 'nothing' }]);
    assert.match(decision.blocked ?? '', /og-demo-2 .*paused by hand/);
  });

  test('gets the lease as soon as it may lead, by its latest word', () => {
    const record = { entries: [any1(me, 'og-demo-2')] };
    const view = compared(record, { 'og-demo-2': { ...more, ...paused } });
    const decision = decide({ ...view, peers: { 'og-demo-2': aPeer('og-demo-2', more) } });
    assert.deepEqual(decision.lease, { do: 'release', heir: 'og-demo-2' });
  });

  test('does not hide one that is ahead and may lead', () => {
    const record = { entries: [any1(me, 'og-demo-2', 'og-demo-3')] };
    const votes = { 'og-demo-2': { ...more, ...paused }, 'og-demo-3': { ...level, received: lsn('0/5000200') } };
    assert.deepEqual(decide(compared(record, votes)).lease, { do: 'release', heir: 'og-demo-3' });
  });

  test('is given up when people accept what only it has, and its primary is known to have ended', () => {
    const request = (phase: Request['phase'], more: Record<string, string> = {}): View['request'] => {
      const options = { allowDataLoss: 'true', dead: 'og-demo-0', ...more };
      const rest = { deadline: undefined, result: undefined, hint: undefined, resourceVersion: '1' };
      return known({ id: 'a', kind: 'failover', target: me, options, phase, ...rest }, now);
    };
    const view = (asked: View['request']): View =>
      compared({ entries: [any1(me, 'og-demo-2')] }, { 'og-demo-2': { ...more, ...paused } }, { request: asked });
    const taken = decide(view(request('open')));
    assert.equal(taken.answer?.phase, 'running');
    assert.match(taken.answer?.options?.['lost'] ?? '', /og-demo-2/);
    assert.equal(decide(view(request('running', taken.answer?.options))).reason, 'recording-promotion');
  });
});
