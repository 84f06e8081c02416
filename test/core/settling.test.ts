/**
 * Goal: after a promotion clients wait for nothing that could be done later, and nothing that was put off is forgotten.
 * Method: views of a new primary and of the one before it, one call, the decision.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../agent/core/decide.ts';
import { known } from '../../agent/core/result.ts';
import { nobody } from '../../agent/core/sync.ts';
import type { View } from '../../agent/core/view.ts';
import { aLeadingView, aPeer, aPod, aPrimary, aView, now, someData } from './builders.ts';

function intends(view: View, intent: string): void {
  const decision = decide(view);
  assert.equal(decision.instance.do, intent, `${decision.reason} ${decision.note ?? ''}`);
}

const process = { pid: 11, startTime: '111' };

describe('a new primary', () => {
  const settling = (part: object = {}) =>
    aLeadingView({ promotion: { term: 7, process, recordedAt: now - 500, settled: true, finished: false, ...part } });
  const instance = aPrimary({ syncNames: nobody });
  test('writes its term before anything else', () => {
    intends(settling({ settled: false }), 'settle');
  });
  test('sets the names before it does what nobody waits for', () => {
    intends({ ...settling(), instance }, 'set-sync');
    intends({ ...settling(), instance, syncBarrier: undefined }, 'nothing');
    intends(settling(), 'finish');
  });
  test('does not let names that are long in coming hold up the work that is left', () => {
    intends({ ...settling({ recordedAt: now - 3001 }), instance, syncBarrier: undefined }, 'finish');
  });
  test('tries again what it could not finish, a little later', () => {
    const fault = { of: 'sql', kind: 'timeout', done: 'maybe', detail: 'no answer' } as const;
    const failing = (retryAt: number) => ({ ...settling(), failures: { finish: { what: 'finish', fault, count: 1, retryAt } } });
    intends(failing(now + 500), 'nothing');
    intends(failing(now), 'finish');
  });
});

describe('a server that was primary moments ago', () => {
  const former = (at: number): View =>
    aView({
      instance: { is: 'stopped', data: someData(), exit: undefined },
      lastExit: { process, role: 'Primary', at },
      peers: { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') },
    });
  test('comes back once its successor is primary, or after a while', () => {
    intends(former(now - 2999), 'nothing');
    intends(former(now - 3000), 'start');
    const labelled = aPod('og-demo-0', { labels: { 'opengauss.role': 'primary' } });
    intends({ ...former(now - 100), pods: known([labelled, aPod('og-demo-1')], now) }, 'start');
    intends({ ...former(now - 100), peers: aView().peers }, 'start');
  });
});
