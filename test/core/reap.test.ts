/**
 * Goal: no lease is left to another member while a server runs that may become primary all the same. Method: a holder that
 * has a reason to give its lease away, one call, the decision.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { noHand } from '../../agent/core/hand.ts';
import type { Reason } from '../../agent/core/reasons.ts';
import { fenceReasons } from '../../agent/core/reap.ts';
import { known } from '../../agent/core/result.ts';
import type { View } from '../../agent/core/view.ts';
import { aPeer, aPod, aSeen, aStandby, aTakingView, identity, me, now, someData } from './builders.ts';

const process = { pid: 11, startTime: '111' };
const promoting = { member: me, term: 8, dataId: 'data-1' };

/** og-demo-1 holds the lease and may not lead: people have said so. */
function unwilling(part: Partial<View> = {}): View {
  const pods = ['og-demo-0', me, 'og-demo-2'].map((name) =>
    aPod(name, name === me ? { annotations: { 'opengauss.agent/never-primary': 'true' } } : {}),
  );
  return aTakingView({
    lease: known(aSeen({ holder: identity, term: 8, promoting }), now),
    pods: known(pods, now),
    peers: { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') },
    ...part,
  });
}

test('every reason for which the code kills a server or gives a lease away is one that is counted from zero', () => {
  const files = new URL('../../agent/core/', import.meta.url);
  const words = readdirSync(files).flatMap((name) => {
    const text = readFileSync(new URL(name, files), 'utf8');
    const acts = /(?:only|renewing)\((?:view, )?'([a-z-]+)',\s*\{[^}]*(?:do: 'fence'|do: 'release')/g;
    return [...text.matchAll(acts)].map(([, word]) => word);
  });
  assert.ok(words.length >= 10, words.join());
  for (const word of words) assert.ok(fenceReasons.includes(word as Reason & (typeof fenceReasons)[number]), word);
});

describe('a holder that gives its lease away', () => {
  test('kills a server first of which an agent before this one may have asked a promotion', () => {
    const { lease, instance } = decide(unwilling());
    assert.deepEqual([lease.do, instance.do], ['renew', 'fence']);
  });
  test('kills a server first that takes too long to start and ran before this agent did', () => {
    const starting = { is: 'starting', process, since: now - 60_000, data: someData() } as const;
    const { lease, instance } = decide(unwilling({ instance: starting }));
    assert.notEqual(lease.do, 'release');
    assert.equal(instance.do, 'fence');
  });
  test('releases at once over a server that it has started itself', () => {
    assert.equal(decide(unwilling({ startedHere: process })).lease.do, 'release');
    assert.equal(decide(unwilling({ startedHere: { pid: 10, startTime: '100' } })).lease.do, 'renew');
  });
  test('releases at once when the record names somebody else as the last promoted', () => {
    const lease = known(aSeen({ holder: identity, term: 8 }), now);
    assert.equal(decide(unwilling({ lease })).lease.do, 'release');
  });
  test('releases when the server is gone', () => {
    const instance = { is: 'stopped', data: someData(), exit: undefined } as const;
    assert.equal(decide(unwilling({ instance, lastExit: { process, role: 'Primary', at: now } })).lease.do, 'release');
  });
  test('keeps it from everybody while it cannot tell whether a server runs, and lets it end', () => {
    const instance = { is: 'unusable', detail: 'too many open files', hint: '' } as const;
    assert.equal(decide(unwilling({ instance })).lease.do, 'release');
    for (const part of [{}, { stopping: true }, { hand: { ...noHand, fenced: true } }]) {
      const { lease, note } = decide(unwilling({ instance: { ...instance, blind: true }, ...part }));
      assert.deepEqual([lease.do, note], ['nothing', 'too many open files']);
    }
  });
  test('kills a server first that people have fenced while its promotion was under way', () => {
    const promotion = { term: 8, process, recordedAt: now - 100, settled: false };
    const { lease, instance } = decide(
      unwilling({ promotion, startedHere: process, instance: aStandby({ receiver: undefined }) }),
    );
    assert.deepEqual([lease.do, instance.do], ['renew', 'fence']);
  });
  test('releases over a server that was killed in its promotion and is held by a dead volume', () => {
    const promotion = { term: 8, process, recordedAt: now - 100, settled: false };
    const instance = { is: 'hung', process, since: now, last: 'Standby', data: someData(), killed: true } as const;
    assert.equal(decide(unwilling({ promotion, instance })).lease.do, 'release');
  });
});
