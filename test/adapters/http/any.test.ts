/**
 * Whatever a cycle may see, the surfaces have an answer: the status document is made and is JSON, the table and the
 * metrics are printed, the probes have a verdict. Views are put together at random from every shape of their parts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBoard } from '../../../agent/adapters/http/board.ts';
import { createMetrics } from '../../../agent/adapters/http/metrics.ts';
import { statusDocument } from '../../../agent/adapters/http/status.ts';
import { statusTable } from '../../../agent/cli/table.ts';
import type { Instance, VolumeUse } from '../../../agent/core/model.ts';
import { type Observed, known, unknown } from '../../../agent/core/result.ts';
import type { View } from '../../../agent/core/view.ts';
import { liveness } from '../../../probes/liveness.ts';
import { readiness, readinessModes } from '../../../probes/readiness.ts';
import {
  aLeadingView,
  aPeer,
  aPermit,
  aPod,
  aPrimary,
  aPrimaryPeer,
  aSeen,
  aSender,
  aStandby,
  me,
  now,
  someData,
} from '../../core/builders.ts';
import { shot } from '../../cli/support.ts';

const process = { pid: 11, startTime: '111' };
const instances: Instance[] = [
  { is: 'empty' },
  { is: 'unusable', detail: 'odd', hint: 'Mend it.' },
  { is: 'unfinished', mode: 'full' },
  { is: 'stopped', data: someData(), exit: undefined },
  { is: 'starting', process, since: now, data: undefined },
  { is: 'hung', process, since: now, last: 'Primary', data: someData() },
  { is: 'pending', process, role: 'Pending', state: 'Normal', detail: '', data: someData() },
  aPrimary(),
  aPrimary({
    written: undefined,
    senders: [aSender('og-demo-9', { sent: undefined, flushed: undefined, replayed: undefined, sync: 'Unknown' })],
    readOnly: true,
    writable: false,
  }),
  aStandby(),
  aStandby({
    received: undefined,
    replayed: undefined,
    receiver: undefined,
    data: someData({ systemId: '43', dataId: undefined }),
  }),
];
const build = { mode: 'incremental', ratio: undefined, startedAt: '' } as const;
const peers = [
  aPeer('og-demo-0'),
  aPrimaryPeer('og-demo-0'),
  aPrimaryPeer('og-demo-2', { written: undefined, syncObserved: ['og-demo-7'] }),
  aPeer('og-demo-2', { received: undefined, replayed: undefined, build, state: 'Need repair' }),
  { ...aPeer('og-demo-2'), at: now - 60_000 },
];

const fault = { of: 'kube', kind: 'timeout', done: 'maybe', detail: 'no answer' } as const;
function observed<T>(...values: T[]): fc.Arbitrary<Observed<T>> {
  return fc.constantFrom(unknown<T>(fault), ...values.map((value) => known(value, now)));
}

const views: fc.Arbitrary<View> = fc
  .record({
    instance: fc.constantFrom(...instances),
    lease: observed(aSeen(), aSeen({ holder: '' }), aSeen({ garbage: 'x', entries: [] }), {
      record: undefined,
      firstSeenAt: 0,
      confirmedAt: 0,
    }),
    permit: fc.constantFrom(undefined, aPermit(), aPermit({ sentAt: 0 })),
    pods: observed(
      [],
      [aPod(me)],
      [aPod(me, { labels: { 'opengauss.role': 'primary', 'opengauss.readable': 'true' } }), aPod('og-demo-0', { ip: undefined })],
    ),
    facts: observed(
      { systemId: undefined, history: [], resourceVersion: undefined },
      { systemId: '42', history: [], resourceVersion: '1' },
    ),
    seen: fc.subarray(peers),
    paused: fc.boolean(),
    job: fc.constantFrom(
      undefined,
      { kind: 'build', startedAt: now, progress: build } as const,
      { kind: 'promote', startedAt: now, progress: undefined } as const,
    ),
    volumes: fc.constantFrom<VolumeUse[]>(
      [],
      [{ mount: 'data', capacityBytes: 0, availableBytes: 0, usedRatio: 0 }],
      [{ mount: 'log', capacityBytes: 9, availableBytes: 0, usedRatio: 1, stalled: true }],
    ),
  })
  .map(({ seen, ...part }) =>
    aLeadingView({ ...part, peers: Object.fromEntries(seen.map((sight) => [sight.state.name, sight])) }),
  );

test('every view has a status document that is JSON, and a table', () => {
  fc.assert(
    fc.property(views, (view) => {
      const status = statusDocument(shot(view), now + 100);
      assert.deepEqual(JSON.parse(JSON.stringify(status)), status);
      for (const wide of [true, false])
        assert.ok(!/undefined|NaN|\[object/.test(statusTable(status, { wide, headers: true, now: 0 })));
      assert.ok(status.warnings.every((warning) => warning.message !== '' && /[.]$/.test(warning.hint)));
    }),
    { numRuns: 1000 },
  );
});

test('every view has a verdict, and never is a member fit as a primary without a permit', () => {
  fc.assert(
    fc.property(views, fc.constantFrom(...readinessModes), (view, mode) => {
      assert.equal(liveness(shot(view), now).ok, true);
      const verdict = readiness(shot(view), now, { mode, lag: undefined });
      assert.notEqual(verdict.reason, '');
      if (mode !== 'query' && view.instance.is === 'primary' && verdict.ok)
        assert.ok(view.permit !== undefined && now < view.permit.until);
    }),
    { numRuns: 1000 },
  );
});

test('every view can be scraped, one after the other', async () => {
  const board = createBoard();
  const metrics = createMetrics({ version: '0', cluster: 'demo', pod: me, board, clock: { now: () => now } });
  await fc.assert(
    fc.asyncProperty(views, async (view) => {
      board.show(shot(view));
      assert.ok(!/ (NaN|undefined)$/m.test((await metrics.render()).replace(/^nodejs_.*$/gm, '')));
    }),
    { numRuns: 200 },
  );
});
