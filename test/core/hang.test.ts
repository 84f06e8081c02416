/** Goal: a server that lives and does nothing is neither trusted nor killed too early. Method: a view that differs in one thing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import { aLeadingView, aPeer, aPermit, aPod, aSeen, aView, identity, now } from './builders.ts';

const process = { pid: 11, startTime: '111' };
const two = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') };
const mute = { is: 'hung', process, since: now - 500, last: 'Unknown', data: undefined } as const;
const starting = { is: 'starting', process, since: now - 500, data: undefined } as const;

describe('a server that an agent found running and has not heard', () => {
  const promoting = { member: 'og-demo-1', term: 7, dataId: 'data-1' };
  const foreign = known(aSeen({ holder: 'og-demo-2/uid-2/inc-2', promoting }), now);
  for (const instance of [mute, starting]) {
    test(`is killed when another member leads and the last promotion was this member's (${instance.is})`, () => {
      assert.equal(decide(aView({ instance, lease: foreign })).instance.do, 'fence');
    });
    test(`is left alone when this agent started it (${instance.is})`, () => {
      assert.equal(decide(aView({ instance, lease: foreign, startedHere: process })).instance.do, 'nothing');
    });
    test(`is left alone when the last promotion was another member's (${instance.is})`, () => {
      assert.equal(decide(aView({ instance })).instance.do, 'nothing');
    });
    test(`keeps the lease of its holder until it has been mute for hangSeconds (${instance.is})`, () => {
      const waiting = decide(aLeadingView({ instance: { ...instance, since: now - 9000 }, promotion: undefined, peers: two }));
      assert.deepEqual([waiting.lease.do, waiting.instance.do], ['renew', 'nothing']);
      const late = decide(aLeadingView({ instance: { ...instance, since: now - 10_000 }, promotion: undefined, peers: two }));
      assert.deepEqual([late.lease.do, late.instance.do], ['renew', 'fence']);
    });
  }
});

describe('a server that was killed and is not gone', () => {
  const killed = { ...mute, last: 'Primary', killed: true } as const;
  test('is handed over by its holder', () => {
    assert.deepEqual(decide(aLeadingView({ instance: killed, peers: two })).lease, { do: 'release', heir: 'og-demo-0' });
  });
  test('is not started again, and nothing else is done', () => {
    const decision = decide(aView({ instance: killed, permit: aPermit({ sentAt: now - 7000 }) }));
    assert.deepEqual([decision.reason, decision.lease.do, decision.instance.do], ['hung', 'nothing', 'nothing']);
  });
  test('does not keep its holder from handing over when nobody can be named', () => {
    const pods = known([aPod('og-demo-1'), aPod('og-demo-2')], now);
    const decision = decide(aLeadingView({ instance: killed, peers: {}, pods, lease: known(aSeen({ holder: identity }), now) }));
    assert.deepEqual(decision.lease, { do: 'release', heir: undefined });
  });
});
