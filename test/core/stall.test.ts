/**
 * Goal: a winner that does not become primary gives way to the others, and one that only has much to replay does not;
 * what a primary leaves behind when it ends is no checkpoint that nobody has. Method: one view each, one call.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import type { RedoSight, Takeover, View } from '../../agent/core/view.ts';
import { noteRedo } from '../../agent/loop/barrier.ts';
import { emptyMemory } from '../../agent/loop/memory.ts';
import {
  aLeadingView,
  anExpired,
  aPeer,
  aPermit,
  aPod,
  aSeen,
  aStandby,
  aTakingView,
  aView,
  identity,
  lsn,
  me,
  now,
} from './builders.ts';

const process = { pid: 11, startTime: '111' };

describe('a winner', () => {
  const promoting = (ago: number, redoAgo?: number): View => {
    const redo = redoAgo === undefined ? {} : { redo: { replayed: lsn('0/5000000'), at: now - redoAgo } };
    return aView({
      lease: known(aSeen({ holder: identity, term: 8, promoting: { member: me, term: 8, dataId: 'data-1' } }), now),
      permit: aPermit({ term: 8 }),
      instance: aStandby({ receiver: undefined }),
      promotion: { term: 8, process, recordedAt: now - ago, settled: false, ...redo },
    });
  };
  test('whose promotion stalls ends its server', () => {
    assert.equal(decide(promoting(4900)).reason, 'promoting');
    assert.equal(decide(promoting(5100)).reason, 'promotion-stalled');
  });
  test('whose redo goes on is given more time', () => {
    assert.equal(decide(promoting(60_000, 4900)).reason, 'promoting');
    assert.equal(decide(promoting(60_000, 5100)).reason, 'promotion-stalled');
  });
  test('whose redo stands still is not taken for one that works', () => {
    const memory = emptyMemory({ granted: 0, freeze: undefined, build: undefined });
    memory.promotion = { term: 8, process, recordedAt: 100, settled: false };
    const look = (at: number, replayed: string) => {
      memory.instance = aStandby({ replayed: lsn(replayed) });
      noteRedo(memory, at);
      return memory.promotion?.redo?.at;
    };
    assert.equal(look(200, '0/10'), 100);
    assert.equal(look(300, '0/10'), 100);
    assert.equal(look(400, '0/20'), 400);
    assert.equal(look(500, '0/20'), 400);
  });
  const lock = { mode: 'specify_connection', host: '10.0.0.11', port: 5433, redoFinished: false } as const;
  const comparing = (part: Partial<View> = {}, redo?: RedoSight): View => {
    const peers = { 'og-demo-0': aPeer('og-demo-0', { redoFinished: true }) };
    return aTakingView({
      instance: aStandby({ receiver: undefined, lock }),
      peers,
      takeover: { term: 8, startedAt: now - 60_000, votes: peers, ...(redo === undefined ? {} : { redo }) },
      ...part,
    });
  };
  test('whose own redo stands still before the comparison gives the lease to who can use it', () => {
    const decision = decide(comparing());
    assert.equal(decision.reason, 'promotion-stalled');
    assert.deepEqual(decision.lease, { do: 'release', heir: 'og-demo-0' });
    assert.equal(decide(comparing({}, { replayed: lsn('0/10'), at: now - 5100 })).lease.do, 'release');
  });
  test('whose own redo comes further, or whom nobody could replace, goes on towards the comparison', () => {
    const further = decide(comparing({}, { replayed: lsn('0/10'), at: now - 1000 }));
    assert.deepEqual([further.reason, further.lease.do], ['comparing', 'renew']);
    const barred = { 'og-demo-0': aPeer('og-demo-0', { redoFinished: true, eligible: false, paused: true }) };
    const alone = decide(comparing({ peers: barred }));
    assert.deepEqual([alone.reason, alone.lease.do], ['comparing', 'renew']);
  });
  test('whose redo stands still while it compares is seen to', () => {
    const memory = emptyMemory({ granted: 0, freeze: undefined, build: undefined });
    const takeover: Takeover = { term: 8, startedAt: 100, votes: {} };
    memory.takeover = takeover;
    const look = (at: number, replayed: string) => {
      memory.instance = aStandby({ replayed: lsn(replayed) });
      noteRedo(memory, at);
      return memory.takeover?.redo?.at;
    };
    assert.deepEqual([look(200, '0/10'), look(300, '0/10'), look(400, '0/20'), look(500, '0/20')], [100, 100, 400, 400]);
    assert.equal(memory.takeover, takeover, 'votes under way would belong to another take-over');
  });
  test('that has given up does not stand for the duration of a lease, unless nobody else could', () => {
    const standing = (stalledAt: number | undefined, part: Partial<View> = {}) =>
      decide(aView({ lease: known(anExpired(), now), stalledAt, peers: { 'og-demo-2': ahead, 'og-demo-0': last }, ...part }))
        .lease.do;
    const ahead = aPeer('og-demo-2', { received: lsn('0/4000000'), replayed: lsn('0/4000000') });
    const last = aPeer('og-demo-0', { received: lsn('0/4000000'), replayed: lsn('0/4000000') });
    assert.equal(standing(undefined), 'acquire');
    assert.equal(standing(now - 7900), 'nothing');
    assert.equal(standing(now - 8000), 'acquire');
    const narrow = [{ term: 7, primary: 'og-demo-0', dataId: 'gone', names: [me], w: 1 }];
    assert.equal(standing(now - 100, { lease: known(anExpired({ entries: narrow }), now) }), 'acquire');
  });
});

describe('a primary that has to stop and has nobody to hand over to', () => {
  const ending = (pods: string[]) => {
    const names = pods.map((name) => aPod(name));
    return decide(aLeadingView({ stopping: true, peers: {}, pods: known(names, now) })).instance;
  };
  test('is killed where others have its data, and stopped where it is alone', () => {
    assert.deepEqual(ending([me, 'og-demo-0']), { do: 'stop', kill: true });
    assert.deepEqual(ending([me]), { do: 'stop' });
  });
});
