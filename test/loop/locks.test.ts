/**
 * Goal: between a decision and its turn a member may have been frozen for somebody else; no change of its lock undoes
 * that, whichever comes first. Method: a server that is nothing but its lock, with answers held back where order matters.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instance, LeaseRecord } from '../../agent/core/model.ts';
import { failed, ok, type Result } from '../../agent/core/result.ts';
import type { Context } from '../../agent/loop/context.ts';
import { point, startFrozen, unfreeze, unlock } from '../../agent/loop/locks.ts';
import { emptyMemory } from '../../agent/loop/memory.ts';
import { observeAfresh, observeInstance } from '../../agent/loop/local.ts';
import { aRecord, aStandby } from '../core/builders.ts';

const unreachable = { of: 'kube', kind: 'unreachable', done: 'no', detail: 'no answer' } as const;

function scene() {
  const memory = emptyMemory({ granted: 0, freeze: undefined, build: undefined });
  const did: string[] = [];
  let lock: string | undefined;
  let time = 1000;
  const world = {
    lease: ok(aRecord()) as Result<LeaseRecord | undefined>,
    saves: true,
    beforeLease: Promise.resolve() as Promise<unknown>,
    instance: undefined as Instance | undefined,
  };
  const standby = () =>
    aStandby({
      receiver: undefined,
      lock: {
        mode: lock === undefined ? 'polling_connection' : 'specify_connection',
        host: lock,
        port: 5433,
        redoFinished: true,
      },
    });
  const ports = {
    clock: { now: () => (time += 1), wall: () => new Date(time).toISOString() },
    kube: {
      async readLease() {
        await world.beforeLease;
        return world.lease;
      },
    },
    records: {
      async save() {
        did.push('save');
        return world.saves ? ok() : failed({ ...unreachable, of: 'disk' as const });
      },
    },
    instance: {
      observe: async () => world.instance ?? standby(),
      async pointAt(to: { host: string }) {
        did.push(`point ${to.host}`);
        lock = to.host;
        return ok();
      },
      async unlock() {
        did.push('unlock');
        lock = undefined;
        return ok();
      },
      async start(mode: string, frozen?: { host: string }) {
        did.push(`start ${mode} ${frozen?.host ?? 'free'}`);
        return ok({ pid: 1, startTime: '1' });
      },
    },
  };
  memory.instance = standby();
  const log = { info() {}, warn() {}, error() {}, debug() {} };
  const ctx = { memory, ports, log, self: { identity: 'og-demo-1/uid-1/inc-1', name: 'og-demo-1' } } as unknown as Context;
  return { ctx, did, world, lock: () => lock };
}

function ask(term: number, host: string) {
  return { term, candidate: `member-at-${host}`, host, haPort: 5433 };
}

test('a freeze is on disk before the server is touched, and the server is left alone where the disk refuses', async () => {
  const { ctx, did, world } = scene();
  assert.ok((await point(ctx, ask(8, 'c'))).ok);
  assert.deepEqual(did, ['save', 'point c']);
  world.saves = false;
  assert.ok(!(await point(ctx, ask(9, 'd'))).ok);
  assert.deepEqual(did, ['save', 'point c', 'save']);
  assert.equal(ctx.memory.records.freeze?.term, 8);
});

test('a freeze asked for again touches nothing', async () => {
  const { ctx, did } = scene();
  await point(ctx, ask(8, 'c'));
  await point(ctx, ask(8, 'c'));
  assert.deepEqual(did, ['save', 'point c']);
});

test('a freeze is not replaced by one of a lower term', async () => {
  const { ctx, lock } = scene();
  await point(ctx, ask(9, 'c'));
  assert.ok(!(await point(ctx, ask(8, 'd'))).ok);
  assert.equal(lock(), 'c');
  assert.ok((await point(ctx, ask(10, 'd'))).ok);
  assert.equal(lock(), 'd');
});

test('a server that can be neither cut nor believed to be cut is no grant', async () => {
  const { ctx, world } = scene();
  world.instance = { is: 'starting', process: { pid: 1, startTime: '1' }, since: 0, data: undefined };
  assert.ok(!(await point(ctx, ask(8, 'c'))).ok);
});

test('an unlock that was decided on one freeze does not remove the next one', async () => {
  const { ctx, lock } = scene();
  await point(ctx, ask(8, 'c'));
  const seen = ctx.memory.records.freeze;
  const [next, late] = await Promise.all([point(ctx, ask(9, 'd')), unlock(ctx, seen)]);
  assert.ok(next.ok && !late.ok);
  assert.equal(lock(), 'd');
  assert.equal(ctx.memory.records.freeze?.term, 9);
});

test('a freeze that is asked for while another one is being lifted stands afterwards', async () => {
  const { ctx, world, lock } = scene();
  await point(ctx, ask(8, 'c'));
  let answer = (): void => undefined;
  world.beforeLease = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const lifted = unfreeze(ctx, 8, 'og-demo-0');
  const frozen = point(ctx, ask(8, 'c'));
  await new Promise((resolve) => setImmediate(resolve));
  answer();
  assert.ok((await lifted).ok && (await frozen).ok);
  assert.equal(lock(), 'c');
  assert.equal(ctx.memory.records.freeze?.term, 8);
});

test('a freeze is lifted only for whom a reading taken now shows as the holder', async () => {
  const { ctx, world, lock } = scene();
  await point(ctx, ask(8, 'c'));
  assert.ok(!(await unfreeze(ctx, 7, 'og-demo-0')).ok);
  world.lease = ok(aRecord({ holder: 'og-demo-2/uid-2/inc-2', term: 8 }));
  assert.ok(!(await unfreeze(ctx, 8, 'og-demo-0')).ok);
  world.lease = failed(unreachable);
  assert.ok(!(await unfreeze(ctx, 8, 'og-demo-0')).ok);
  assert.equal(lock(), 'c');
  world.lease = ok(aRecord());
  assert.ok((await unfreeze(ctx, 8, 'og-demo-0')).ok);
  assert.equal(lock(), undefined);
  assert.equal(ctx.memory.records.freeze, undefined);
});

test('a freeze that the candidate has asked for itself is lifted for nobody else', async () => {
  const { ctx, lock } = scene();
  await point(ctx, { ...ask(8, 'c'), askedBy: 'og-demo-0' });
  await point(ctx, { ...ask(8, 'c'), askedBy: 'member-at-c' });
  // The plan of the one before, told once more, does not make a vote a plan again.
  await point(ctx, { ...ask(8, 'c'), askedBy: 'og-demo-0' });
  assert.ok(!(await unfreeze(ctx, 8, 'og-demo-0')).ok);
  assert.equal(lock(), 'c');
  await point(ctx, { ...ask(9, 'd'), askedBy: 'og-demo-0' });
  assert.ok((await unfreeze(ctx, 9, 'og-demo-0')).ok);
});

test('a look that began before the freeze does not tell what came after it', async () => {
  const { ctx, world } = scene();
  let answer = (_: Instance): void => undefined;
  const held = new Promise<Instance>((resolve) => {
    answer = resolve;
  });
  const { instance } = ctx.ports;
  const observe = instance.observe.bind(instance);
  let looks = 0;
  instance.observe = (ms) => {
    looks += 1;
    return looks === 1 ? held : observe(ms);
  };
  const early = observeInstance(ctx, 0);
  const afresh = observeAfresh(ctx);
  answer(aStandby({ received: 1n }));
  world.instance = aStandby({ received: 2n });
  await Promise.all([early, afresh]);
  assert.deepEqual([looks, ctx.memory.instance.is === 'standby' ? ctx.memory.instance.received : undefined], [2, 2n]);
});

test('a frozen member starts frozen in every mode, its own candidate too', async () => {
  const { ctx, did } = scene();
  await startFrozen(ctx, 'standby');
  await point(ctx, { ...ask(8, 'self'), candidate: 'og-demo-1' });
  await startFrozen(ctx, 'standby');
  await startFrozen(ctx, 'pending');
  assert.deepEqual(
    did.filter((one) => one.startsWith('start')),
    ['start standby free', 'start standby self', 'start pending self'],
  );
});
