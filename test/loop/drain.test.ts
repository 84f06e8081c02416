/**
 * Goal: the read-only switch is set for a hand-over only on a server that runs, and with its mark. Method: the drain alone,
 * over an instance that says what the test wants.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BrakeMark, Instance } from '../../agent/core/model.ts';
import { known, ok } from '../../agent/core/result.ts';
import { drainClients } from '../../agent/loop/brake.ts';
import type { Context } from '../../agent/loop/context.ts';
import { emptyMemory } from '../../agent/loop/memory.ts';
import { aLeadingView, aPrimary, someData } from '../core/builders.ts';
import { createVirtualClock } from './clock.ts';

/** A leading primary by its lease; `instance` is what its server turns out to be. */
function bench(instance: Instance) {
  const clock = createVirtualClock();
  const done: string[] = [];
  const view = aLeadingView();
  const memory = emptyMemory(view.records);
  const now = clock.now();
  const lease = view.lease.known ? known(view.lease.value, now) : view.lease;
  const permit = { ...view.permit, until: now + 60_000 };
  const promotion = { term: 7, process: aPrimary().process, recordedAt: now, settled: true };
  Object.assign(memory, { lease, permit, promotion, instance: aPrimary(), facts: known({ systemId: '42', history: [] }, now) });
  let shown = instance;
  const ports = {
    clock,
    peers: { seen: () => ({}) },
    brake: {
      save: async (mark: BrakeMark) => {
        done.push(`mark ${mark.owner}`);
        return ok();
      },
    },
    instance: {
      observe: async () => shown,
      setReadOnly: async (on: boolean) => {
        done.push(`switch ${on ? 'on' : 'off'}`);
        if (shown.is === 'primary') shown = { ...shown, readOnly: on };
        return ok();
      },
    },
  };
  const quiet = () => {};
  const log = { info: quiet, warn: quiet, error: quiet, debug: quiet };
  const ctx = { ports, memory, log, self: view.self, nudge: quiet, event: quiet } as unknown as Context;
  memory.brake.mark = { term: 7, owner: undefined };
  return { ctx, done };
}

test('a primary is drained with the mark first', async () => {
  const { ctx, done } = bench(aPrimary());
  assert.ok((await drainClients(ctx)).ok);
  assert.deepEqual(done, ['mark switchover', 'switch on']);
});

test('one that a human has set read-only has its sessions cut all the same', async () => {
  const { ctx, done } = bench(aPrimary({ readOnly: true }));
  ctx.memory.brake.mark = { term: 7, owner: 'human' };
  assert.ok((await drainClients(ctx)).ok);
  assert.deepEqual(done, ['switch on']);
});

test('a server that has ended meanwhile is left as it is', async () => {
  const { ctx, done } = bench({ is: 'stopped', data: someData({ promotedTerm: 7 }), exit: undefined });
  assert.equal((await drainClients(ctx)).ok, false);
  assert.deepEqual(done, []);
});
