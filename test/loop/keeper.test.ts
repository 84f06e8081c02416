/**
 * Goal: the right that promises give ends a fence after they were asked for, whatever the answers' way took, covers
 * every record that the Lease may hold, and never comes back once it has ended. Method: the keeper alone, over peers
 * that answer when the test says.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PromiseAsk } from '../../agent/core/model.ts';
import { clockRate, permitFrom, stopLatencySeconds } from '../../agent/core/permit.ts';
import { failed, ok } from '../../agent/core/result.ts';
import type { Context } from '../../agent/loop/context.ts';
import { keepFailsafe } from '../../agent/loop/failsafe.ts';
import { emptyMemory } from '../../agent/loop/memory.ts';
import { aPeer, aPrimary, aRecord, identity, me } from '../core/builders.ts';
import { createVirtualClock } from './clock.ts';

interface Bench {
  ctx: Context;
  deadlines: number[];
  asked: PromiseAsk[];
  run(ms: number): Promise<void>;
  now(): number;
}

/** A primary og-demo-1 of three, last renewed at the beginning; each peer answers after so long, refuses (below 0), or never answers. */
function bench(answerMs: Record<string, number>): Bench {
  const clock = createVirtualClock();
  const deadlines: number[] = [];
  const quiet = () => {};
  const memory = emptyMemory({ granted: 0, freeze: undefined, build: undefined });
  const entries = [{ term: 7, primary: me, dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 }];
  Object.assign(memory, {
    held: aRecord({ holder: identity, entries }),
    instance: aPrimary(),
    permit: permitFrom(clock.now(), 7, 6),
    renewedAt: clock.now(),
    roster: ['og-demo-0', me, 'og-demo-2'],
  });
  const asked: PromiseAsk[] = [];
  const promise = async (member: string, ask: PromiseAsk, deadlineMs: number) => {
    asked.push(ask);
    const takes = answerMs[member] ?? Number.POSITIVE_INFINITY;
    await clock.until(clock.now() + Math.min(Math.abs(takes), deadlineMs));
    if (takes > deadlineMs || takes < 0) return failed({ of: 'peer', kind: 'timeout', done: 'maybe', detail: 'no answer' });
    return ok(aPeer(member).state);
  };
  const arm = (_process: unknown, deadline: number) => {
    deadlines.push(deadline);
    return ok();
  };
  const ports = { clock, peers: { promise }, fence: { present: true, arm, echo: quiet }, instance: { kill: async () => ok() } };
  const log = { info: quiet, warn: quiet, error: quiet, debug: quiet };
  const tally = { fenced: quiet };
  const ctx = { ports, memory, log, tally, self: { identity, name: me }, nudge: quiet, event: quiet } as unknown as Context;
  void keepFailsafe(ctx, new AbortController().signal);
  return { ctx, deadlines, asked, run: (ms) => clock.run(ms), now: clock.now };
}

test('the right of a promise counts from the question, not from the answer', async () => {
  const { ctx, deadlines, run, now } = bench({ 'og-demo-0': 400 });
  const startedAt = now();
  await run(3600);
  const askedAt = startedAt + 3000;
  assert.ok(ctx.memory.permit !== undefined && ctx.memory.permit.until > startedAt + 6000, 'it was extended');
  assert.ok(ctx.memory.permit.until <= askedAt + 6000, `${ctx.memory.permit.until - askedAt} ms after the question`);
  assert.equal(deadlines.at(-1), ctx.memory.permit.until, 'PID 1 knows the same end');
});

test('nothing is asked while renewals come, and a member that never answers delays nobody', async () => {
  const { ctx, run, now } = bench({ 'og-demo-2': 1 });
  const startedAt = now();
  await run(2900);
  assert.deepEqual(ctx.memory.promises, {});
  await run(200);
  assert.ok((ctx.memory.permit?.until ?? 0) > startedAt + 6000, 'one answer is enough, at once');
});

test('without enough promises the permit ends as it was', async () => {
  const { ctx, run, now } = bench({});
  const startedAt = now();
  await run(20_000);
  assert.equal(ctx.memory.permit?.until, startedAt + 6000);
});

test('a promise that comes after the end of the permit does not revive it', async () => {
  const answers: Record<string, number> = { 'og-demo-0': -10, 'og-demo-2': -10 };
  const { ctx, run, now } = bench(answers);
  const startedAt = now();
  await run(5600);
  answers['og-demo-0'] = 450;
  await run(10_000);
  assert.equal(ctx.memory.permit?.until, startedAt + 6000);
});

test('a record that was written and never answered has to be held too', async () => {
  const { ctx, run, now } = bench({ 'og-demo-0': 1 });
  const narrow = { term: 7, primary: me, dataId: 'data-1', names: ['og-demo-2'], w: 1 };
  ctx.memory.unanswered = [{ entries: [narrow], syncMode: 'quorum', over: '100' }];
  const startedAt = now();
  await run(5000);
  assert.equal(ctx.memory.permit?.until, startedAt + 6000);
});

test('without a list of the members nobody is thought to be alone', async () => {
  const { ctx, run, now } = bench({});
  ctx.memory.roster = [];
  ctx.memory.held = aRecord({ holder: identity, entries: [], syncMode: 'off' });
  const startedAt = now();
  await run(10_000);
  assert.equal(ctx.memory.permit?.until, startedAt + 6000);
});

test('a promise outlives the right that it gives by the margin of the lease, with clocks that disagree by two per cent', async () => {
  for (const recorded of [8, 15]) {
    const { ctx, asked, run, now } = bench({ 'og-demo-0': 1 });
    const { fenceSeconds, stopSeconds } = ctx.memory.config.lease;
    ctx.memory.held = aRecord({ ...ctx.memory.held, holder: identity, durationSeconds: recorded });
    const startedAt = now();
    await run(3100);
    const first = asked[0];
    assert.ok(first !== undefined && (ctx.memory.permit?.until ?? 0) > startedAt + 6000);
    const killedBy = (fenceSeconds + stopSeconds + stopLatencySeconds) * 1000 * (1 + clockRate);
    assert.ok(first.durationMs * (1 - clockRate) > killedBy, `${first.durationMs} ms`);
    assert.deepEqual([first.holder, first.term, first.durationMs], [identity, 7, recorded * 1000]);
  }
});
