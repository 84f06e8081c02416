/**
 * Goal: a freeze ends when it has done its work, is found when it was forgotten, and is never built over or lifted for
 * an older primary. Method: views of a frozen member and of the primary that looks for such, one call, the decision.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aLeadingView, aPeer, aPrimaryPeer, aSeen, aStandby, aView, now } from './builders.ts';

function intends(view: View, intent: string): void {
  const decision = decide(view);
  assert.equal(decision.instance.do, intent, `${decision.reason} ${decision.note ?? ''}`);
}

function frozenFor(term: number, candidate = 'og-demo-2') {
  return { granted: term, freeze: { term, candidate, host: '10.0.0.12', port: 5433 }, build: undefined };
}

const lockedAt = (host: string) => ({ mode: 'specify_connection', host, port: 5433, redoFinished: true }) as const;

describe('a frozen member', () => {
  const astray = aStandby({ receiver: undefined, state: 'Need repair', detail: 'Connecting...', lock: lockedAt('10.0.0.12') });
  test('points itself at a primary of the term of its freeze or a later one, and at no older one', () => {
    intends(aView({ instance: astray, records: frozenFor(7) }), 'repoint');
    intends(aView({ instance: astray, records: frozenFor(6) }), 'repoint');
    intends(aView({ instance: astray, records: frozenFor(8) }), 'nothing');
  });
  test('points itself at the holder whose later promotion the lease records, though it is not primary yet', () => {
    const peers = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') };
    intends(aView({ instance: astray, records: frozenFor(6), peers }), 'repoint');
    intends(aView({ instance: astray, records: frozenFor(7), peers }), 'nothing');
    const free = known(aSeen({ holder: '', heir: 'og-demo-2' }), now);
    intends(aView({ instance: astray, records: frozenFor(6), peers, lease: free }), 'nothing');
  });
  test('is unlocked once it streams from that primary and carries its term', () => {
    const instance = aStandby({ lock: lockedAt('10.0.0.10') });
    intends(aView({ instance, records: frozenFor(7, 'og-demo-0') }), 'unlock');
    intends(aView({ instance: { ...instance, term: 6 }, records: frozenFor(7, 'og-demo-0') }), 'nothing');
    intends(aView({ instance: { ...instance, receiver: undefined }, records: frozenFor(7, 'og-demo-0') }), 'nothing');
  });
  test('is not built from a primary older than its freeze', () => {
    const instance = aStandby({ receiver: undefined, state: 'Need repair', detail: 'WAL segment removed' });
    intends(aView({ instance, records: frozenFor(8) }), 'nothing');
    intends(aView({ instance, records: frozenFor(7) }), 'build');
    intends(aView({ instance: { is: 'empty' }, records: frozenFor(8) }), 'nothing');
    intends(aView({ instance: { is: 'empty' }, records: frozenFor(7) }), 'build');
  });
});

describe('a primary', () => {
  const seeing = (part: object, promoted = now - 60_000) =>
    aLeadingView({
      peers: { 'og-demo-0': aPeer('og-demo-0', { streamingFrom: '10.0.0.11:5433' }), 'og-demo-2': aPeer('og-demo-2', part) },
      promotion: { term: 7, process: { pid: 11, startTime: '111' }, recordedAt: promoted, settled: true, finished: true },
    });
  test('points members at itself that are frozen for an older term, or for it, and do not stream', () => {
    intends(seeing({ frozenFor: { term: 6, candidate: 'og-demo-0' } }), 'gather');
    intends(seeing({ frozenFor: { term: 7, candidate: 'og-demo-1' } }), 'gather');
    intends(seeing({ frozenFor: { term: 7, candidate: 'og-demo-1' }, streamingFrom: '10.0.0.11:5433' }), 'nothing');
    intends(seeing({}), 'nothing');
    intends(seeing({ frozenFor: { term: 7, candidate: 'og-demo-1' } }, now - 4000), 'nothing');
  });
  test('asks members to forget a freeze for a term that nobody has, also when no server runs there', () => {
    for (const instance of ['standby', 'empty', 'stopped'] as const)
      intends(seeing({ instance, frozenFor: { term: 8, candidate: 'og-demo-0' } }), 'unfreeze');
  });
  test('that is no leader points nobody', () => {
    const view = seeing({ frozenFor: { term: 6, candidate: 'og-demo-0' } });
    intends({ ...view, permit: undefined, self: { ...view.self, guarded: false } }, 'fence');
    assert.notEqual(decide(aView({ peers: { 'og-demo-0': aPrimaryPeer() } })).instance.do, 'gather');
  });
});
