/**
 * Goal: a standby counts as having flushed only on evidence, and an idle cluster has evidence enough. Method: the
 * functions on views of a primary, and the step of the synchronous set that rests on them.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { areUnheard, flushedBy } from '../../agent/core/flushed.ts';
import type { PeerState, Sender } from '../../agent/core/model.ts';
import { known } from '../../agent/core/result.ts';
import { nobody, syncStep } from '../../agent/core/sync.ts';
import type { View } from '../../agent/core/view.ts';
import { aLeadingView, aPeer, aPrimary, aSeen, aSender, identity, lsn, me, now } from './builders.ts';

const barrier = lsn('0/5000100');
/** As the adapter tells a sender that was not seen to have acknowledged anything. */
const mute: Partial<Sender> = { flushed: undefined, replayed: undefined };

function leading(
  row: Partial<Sender>,
  word: Partial<PeerState> | undefined,
): { view: View; server: ReturnType<typeof aPrimary> } {
  const server = aPrimary({ senders: [aSender('og-demo-0', row)], syncNames: nobody });
  const peers = word === undefined ? {} : { 'og-demo-0': aPeer('og-demo-0', word) };
  const entries = [
    { term: 6, primary: 'og-demo-0', dataId: 'data-0', names: [me], w: 1 },
    { term: 7, primary: me, dataId: 'data-1', names: ['og-demo-0'], w: 1 },
  ];
  const lease = known(aSeen({ holder: identity, entries, promoting: { member: me, term: 7, dataId: 'data-1' } }), now);
  return { view: aLeadingView({ instance: server, peers, lease, syncBarrier: barrier }), server };
}

function counts(row: Partial<Sender>, word?: Partial<PeerState>): boolean {
  const { view, server } = leading(row, word);
  return flushedBy(view, server, ['og-demo-0'], barrier) === 1;
}

describe('a standby has flushed a position', () => {
  test('when its row is believed and says so, while it streams', () => {
    assert.equal(counts({}), true);
    assert.equal(counts({ flushed: lsn('0/5000000') }), false);
    assert.equal(counts(mute), false);
    assert.equal(counts({ state: 'Catchup' }), false);
  });

  test('when it says so itself and its WAL carries the term of this promotion', () => {
    assert.equal(counts(mute, {}), true);
    assert.equal(counts(mute, { received: undefined }), true, 'replayed is enough');
    assert.equal(counts(mute, { term: 6 }), false, 'a position in another history');
    assert.equal(counts(mute, { term: 8 }), false);
    assert.equal(counts(mute, { received: lsn('0/5000000'), replayed: lsn('0/5000000') }), false);
    assert.equal(counts(mute, { instance: 'stopped' }), false);
    assert.equal(counts({ ...mute, state: 'Catchup' }, {}), false, 'not of this stream');
  });
});

test('an idle standby whose row never tells anything lets a new primary set its names by its own word', () => {
  const silent = leading(mute, { received: undefined, replayed: undefined });
  assert.equal(syncStep(silent.view, silent.server).do, 'nothing');
  const told = leading(mute, {});
  const step = syncStep(told.view, told.server);
  assert.equal(step.do === 'set' && step.names, 'ANY 1 ("og-demo-0")');
});

test('a standby is asked itself only while its row holds nothing and its own word is not there yet', () => {
  const asks = (row: Partial<Sender>, word?: Partial<PeerState>): boolean => {
    const { view, server } = leading(row, word);
    return areUnheard(view, server, ['og-demo-0'], barrier);
  };
  assert.equal(asks(mute), true);
  assert.equal(asks(mute, { term: 6 }), true);
  assert.equal(asks(mute, {}), false);
  assert.equal(asks({ flushed: lsn('0/5000000') }), false);
  assert.equal(asks({ ...mute, state: 'Catchup' }), false);
});
