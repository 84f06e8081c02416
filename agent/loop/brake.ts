/**
 * Carries out what brake.ts says about the server's read-only switch, one act at a time, for the loop, the hand-over
 * and the watch over the volumes alike. The mark is on the volume before the switch is on (I19): an agent that dies in
 * between leaves a mark without effect, never a switch that nobody would take back.
 */
import { type BrakeSight, type BrakeStep, brakeStep, carriedBy } from '../core/brake.ts';
import { leads } from '../core/lease.ts';
import type { BrakeMark } from '../core/model.ts';
import { failed, known, ok, type Result, unknown } from '../core/result.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';
import { noteFailure } from './memory.ts';
import { observeInstance } from './local.ts';
import { viewOf } from './observe.ts';

const setDeadlineMs = 3000;
const clearDeadlineMs = 1000;
/** Steps of one turn; more would mean that two sides pull at the switch. */
const stepsMax = 4;
/** Between two tries of a switch that could not be set: an overfull volume has no room for it, and is full of looks. */
const againMs = 200;
/** How long what a human set has to be off before he counts as having taken it back: a session may lag behind a reload. */
const offMs = 1000;
const reaction = { least: 200, most: 30_000, decay: 0.9 };

/** Brings the switch in step with what is wanted; waits for a turn under way and takes its own after it. */
export async function keepBrake(ctx: Context): Promise<Result<void>> {
  const { brake } = ctx.memory;
  while (brake.busy !== undefined) await brake.busy;
  brake.busy = turn(ctx).finally(() => {
    brake.busy = undefined;
  });
  return await brake.busy;
}

async function turn(ctx: Context): Promise<Result<void>> {
  const { failedAt } = ctx.memory.brake;
  const before = ctx.memory.failures['brake'];
  const soon = failedAt !== undefined && ctx.ports.clock.now() - failedAt < againMs;
  if (soon && before !== undefined && !ctx.memory.draining) return failed(before.fault);
  for (let count = 0; count < stepsMax; count += 1) {
    const sight = await lookAtSwitch(ctx);
    if (sight === undefined) return ok();
    const step = brakeStep(sight);
    if (step.do === 'nothing' || (isLift(step, sight) && !liftLasts(ctx))) return ok();
    const done = await carryOut(ctx, step);
    if (!done.ok) {
      ctx.memory.brake.failedAt = ctx.ports.clock.now();
      noteFailure(ctx.memory, 'brake', done.fault, ctx.memory.brake.failedAt);
      const told = before?.fault.kind === done.fault.kind && before.fault.code === done.fault.code;
      ctx.log[told ? 'debug' : 'warn']('the read-only switch was not changed', { step: step.do, fault: done.fault });
      return done;
    }
    delete ctx.memory.failures['brake'];
  }
  return ok();
}

/** Undefined unless this member leads and its server has said how the switch stands since it was last changed. */
async function lookAtSwitch(ctx: Context): Promise<BrakeSight | undefined> {
  const { memory } = ctx;
  for (let tries = 0; tries < 2 && memory.observedAt <= memory.brake.changedAt; tries += 1) await observeInstance(ctx, 0);
  const { instance, promotion } = memory;
  if (instance.is !== 'primary' || promotion === undefined) return undefined;
  const view = viewOf(ctx);
  if (!leads(view)) return undefined;
  if (memory.observedAt <= memory.brake.changedAt) return undefined;
  if (instance.readOnly) memory.brake.offSince = undefined;
  return {
    self: ctx.self.name,
    shown: instance.readOnly,
    mark: memory.brake.mark,
    term: promotion.term,
    carried: view.facts.known ? known(view.facts.value.readOnly, view.facts.at) : unknown(view.facts.fault),
    before: promotedBefore(view, promotion.term),
    pressed: memory.disk.on,
    draining: memory.draining,
  };
}

function promotedBefore(view: View, term: number): string | undefined {
  const history = view.facts.known ? view.facts.value.history : [];
  return history.filter((line) => line.term < term).at(-1)?.primary;
}

function isLift(step: BrakeStep, sight: BrakeSight): boolean {
  return step.do === 'adopt' && sight.mark?.owner === 'human' && sight.mark.term === sight.term && !sight.shown;
}

function liftLasts(ctx: Context): boolean {
  const { brake } = ctx.memory;
  const now = ctx.ports.clock.now();
  brake.offSince ??= now;
  return now - brake.offSince >= offMs;
}

async function carryOut(ctx: Context, step: Exclude<BrakeStep, { do: 'nothing' }>): Promise<Result<void>> {
  switch (step.do) {
    case 'adopt':
      if (step.mark.owner === 'human') ctx.log.warn('a human has set the server read-only', { reason: 'read-only' });
      return await record(ctx, step.mark);
    case 'set':
      return await set(ctx, step.mark);
    case 'clear': {
      const cleared = await ctx.ports.instance.setReadOnly(false, false, clearDeadlineMs);
      changed(ctx);
      if (!cleared.ok) return cleared;
      ctx.log.info('the server takes writes again', { owner: step.was });
      if (step.was !== 'switchover') {
        const note = step.was === 'agent' ? 'there is room again' : 'it was left from before; the cluster is not read-only';
        ctx.event({ reason: 'ReadOnlyCleared', type: 'Normal', action: 'Watch', note });
      }
      return await record(ctx, step.mark);
    }
  }
}

async function record(ctx: Context, mark: BrakeMark): Promise<Result<void>> {
  const saved = (await ctx.ports.brake?.save(mark)) ?? ok();
  if (saved.ok) ctx.memory.brake.mark = mark;
  return saved;
}

async function set(ctx: Context, mark: BrakeMark): Promise<Result<void>> {
  const { memory, ports } = ctx;
  const startedAt = ports.clock.now();
  const recorded = await record(ctx, mark);
  if (!recorded.ok) {
    // A volume that takes no writes any more would lose more by going on; a human has to take it back then.
    ctx.log.error('who sets the server read-only could not be recorded', { fault: recorded.fault });
    memory.brake.mark = mark;
  }
  const done = await ports.instance.setReadOnly(true, true, setDeadlineMs);
  changed(ctx);
  if (!done.ok) {
    if (/ENOSPC/.test(`${done.fault.code} ${done.fault.detail}`)) await ports.reserves?.['data']?.release();
    return done;
  }
  if (mark.owner === 'switchover') return ok();
  const tookMs = Math.round(ports.clock.now() - startedAt);
  const measured = Math.max(tookMs, memory.brake.reactionMs * reaction.decay);
  memory.brake.reactionMs = Math.min(reaction.most, Math.max(reaction.least, measured));
  const why = mark.owner === 'agent' ? (memory.disk.why ?? '') : 'a human had set it before the change of primary';
  ctx.log.warn('the server is read-only', { reason: 'read-only', owner: mark.owner, note: why, durationMs: tookMs });
  ctx.event({ reason: 'ReadOnlySet', type: 'Warning', action: 'Watch', note: why.slice(0, 900) });
  return ok();
}

function changed(ctx: Context): void {
  ctx.memory.brake.changedAt = ctx.ports.clock.now();
  ctx.nudge();
}

/** Before a hand-over: no ordinary session writes any more, and who is still there has to come again. */
export async function drainClients(ctx: Context): Promise<Result<void>> {
  const { memory, ports } = ctx;
  memory.draining = true;
  const before = memory.brake.changedAt;
  const kept = await keepBrake(ctx);
  if (!kept.ok || memory.brake.changedAt !== before) return kept;
  // A server that is down has no sessions, and a switch without a mark would lie in its file for ever.
  if (memory.instance.is !== 'primary' || !memory.instance.readOnly)
    return failed({ of: 'sql', kind: 'refused', done: 'no', detail: `the instance is ${memory.instance.is}` });
  // It was read-only already, by the agent or a human; its sessions are cut all the same.
  return await ports.instance.setReadOnly(true, true, clearDeadlineMs);
}

/** After a hand-over the brake lies in the file of a server that is down; what others want on stays on. */
export async function releaseDrained(ctx: Context): Promise<void> {
  const { memory, ports } = ctx;
  const { mark } = memory.brake;
  if (mark?.owner !== 'switchover') return;
  const cleared = await ports.instance.setReadOnly(false, false, clearDeadlineMs);
  if (!cleared.ok) noteFailure(memory, 'brake', cleared.fault, ports.clock.now());
  else await record(ctx, { term: mark.term, owner: undefined });
}

/** The leader tells the cluster that a human set it read-only, or took that back, so that the next primary knows. */
export async function carryBrake(ctx: Context, view: View): Promise<void> {
  const { memory, ports } = ctx;
  const { mark } = memory.brake;
  if (!leads(view) || !memory.facts.known || mark === undefined || mark.term !== memory.promotion?.term) return;
  const wanted = carriedBy(mark, ctx.self.name);
  const { readOnly: before, ...facts } = memory.facts.value;
  if (before?.member === wanted?.member && before?.term === wanted?.term) return;
  const change = { ...facts, ...(wanted === undefined ? {} : { readOnly: wanted }) };
  const written = await ports.kube.writeFacts(change, memory.config.lease.requestTimeoutSeconds * 1000);
  memory.stale.add('facts');
  if (written.ok) memory.facts = known(written.value, ports.clock.now());
}
