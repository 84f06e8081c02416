/**
 * The single job slot: long work that runs beside the loop, which goes on renewing or fencing. A job never touches the
 * lease. When it ends, well or badly, the loop is nudged and the next view shows what became of it.
 */
import { isSame, processOf } from '../core/acting.ts';
import { flushedBy } from '../core/flushed.ts';
import { formatLsn, lsnOrNull } from '../core/lsn.ts';
import type { BuildProgress, Job } from '../core/model.ts';
import { isValid, type LeaderPermit } from '../core/permit.ts';
import { failed, ok, type Result } from '../core/result.ts';
import { inForceOf } from './barrier.ts';
import { drainClients, releaseDrained } from './brake.ts';
import { configure } from './configure.ts';
import type { Context } from './context.ts';
import { noteFailure } from './memory.ts';
import { observeInstance } from './local.ts';
import { viewOf } from './observe.ts';
import { isOverdue } from './failsafe.ts';
import { armFence } from './permit.ts';
import { settle } from './settle.ts';
import { amend } from './records.ts';

const echoDeadlineMs = 500;
const stopDeadlineMs = 20_000;
/** How long the target may take to reach the drained primary's position; under load it takes milliseconds. */
const equalDeadlineMs = 2000;

const rebuilt = { of: 'command', kind: 'exited', done: 'maybe', detail: 'built incrementally, not streaming yet' } as const;

const buildHint = 'It is tried again by itself; the logs of the agent and of the server say more.';

/** Undefined: the work goes on in the slot. */
export type Started = Result<void> | undefined;

function run(ctx: Context, kind: Job['kind'], work: (abort: AbortController) => Promise<Result<unknown>>): Started {
  const { memory, ports } = ctx;
  if (memory.job !== undefined) return undefined;
  const startedAt = ports.clock.now();
  const abort = new AbortController();
  memory.job = { kind, startedAt, progress: undefined, abort };
  const finish = async (): Promise<void> => {
    const result = await work(abort);
    const durationMs = Math.round(ports.clock.now() - startedAt);
    if (result.ok) {
      delete memory.failures[kind];
      ctx.log.info('job done', { job: kind, durationMs });
    } else {
      noteFailure(memory, kind, result.fault, ports.clock.now());
      ctx.log.warn('job failed', { job: kind, durationMs, fault: result.fault });
    }
    memory.job = undefined;
    memory.observedAt = Number.NEGATIVE_INFINITY;
    ctx.nudge();
  };
  void finish();
  return undefined;
}

/** The fence is armed for the server's process, and PID 1 has said so, before the promotion is asked for. */
export function runPromotion(ctx: Context, permit: LeaderPermit, names: string): Started {
  const { memory, ports } = ctx;
  return run(ctx, 'promote', async () => {
    const guarded = await awaitEcho(ctx);
    if (!guarded.ok) return guarded;
    const startedAt = ports.clock.now();
    if (!isValid(permit, startedAt)) return failed({ of: 'fence', kind: 'refused', done: 'no', detail: 'the permit has ended' });
    // Read again meanwhile: a watch that has missed whom the last primary labelled would leave two behind the write Service.
    memory.stale.add('pods');
    ctx.nudge();
    ctx.log.info('promoting', { term: permit.term });
    ctx.event({ reason: 'Promoting', type: 'Normal', action: 'Promote', note: `term ${permit.term}` });
    const deadline = startedAt + memory.config.primaryStartTimeoutSeconds * 1000;
    const promoted = await ports.instance.promote({ permit, names, deadline });
    if (!promoted.ok) return promoted;
    ctx.tally.promoted((ports.clock.now() - (memory.troubleAt ?? startedAt)) / 1000, kindOf(ctx));
    memory.troubleAt = undefined;
    ctx.event({ reason: 'Promoted', type: 'Normal', action: 'Promote', note: `term ${permit.term}` });
    // In force and looked at before the promotion was asked for, so that the next look may give the barrier.
    memory.inForce = inForceOf(names, false);
    await settle(ctx, permit);
    return ok();
  });
}

/** A start: nobody else led before. A switchover: somebody asked for this very member. */
function kindOf(ctx: Context): 'failover' | 'switchover' | 'start' {
  const { entries = [] } = (ctx.memory.lease.known ? ctx.memory.lease.value.record : undefined) ?? {};
  if (entries.every((entry) => entry.primary === ctx.self.name)) return 'start';
  const request = ctx.memory.request.known ? ctx.memory.request.value : undefined;
  const asked = request?.kind === 'switchover' && request.phase === 'running' && request.target === ctx.self.name;
  return asked ? 'switchover' : 'failover';
}

/** An echo of an older deadline says that PID 1 lived then, and nothing about now. */
async function awaitEcho(ctx: Context): Promise<Result<void>> {
  const { memory, ports } = ctx;
  if (!ports.fence.present) return ok();
  armFence(ctx);
  const process = processOf(memory.instance);
  const end = ports.clock.now() + echoDeadlineMs;
  while (ports.clock.now() < end) {
    const echo = ports.fence.echo();
    if (
      echo !== undefined &&
      process !== undefined &&
      isSame(echo.process, process) &&
      // PID 1 counts in hundredths of a second, rounded down.
      echo.deadline > (memory.permit?.until ?? Number.POSITIVE_INFINITY) - 10
    )
      return ok();
    await ports.clock.until(ports.clock.now() + 5);
  }
  return failed({
    of: 'fence',
    kind: 'timeout',
    done: 'no',
    detail: 'PID 1 does not echo the fence deadline; nothing is promoted without it',
    hint: 'Check that the container runs entrypoint.sh and that its run directory is a tmpfs.',
  });
}

export function runInitialise(ctx: Context): Started {
  return run(ctx, 'initialise', async (abort) => {
    const configured = await configure(ctx);
    return configured.ok ? await ctx.ports.instance.initialise(abort.signal) : configured;
  });
}

/** The marker is outside the data directory and on disk before the build begins: an interrupted build must be seen. */
export function runBuild(ctx: Context, mode: 'full' | 'incremental', from: string): Started {
  const { memory, ports } = ctx;
  const address = ctx.addressOf(from);
  if (address === undefined) return failed({ of: 'kube', kind: 'absent', done: 'no', detail: `no address of ${from}` });
  const startedAt = ports.clock.wall();
  return run(ctx, 'build', async (abort) => {
    // The built server is configured by what was last said, which a member that never had data has not heard yet.
    const configured = await configure(ctx);
    if (!configured.ok) return configured;
    const saved = await amend(ctx, (records) => ok({ ...records, build: { mode, startedAt } }));
    if (!saved.ok) return saved;
    ctx.log.info('build started', { mode, from });
    ctx.event({ reason: 'BuildStarted', type: 'Normal', action: 'Build', note: `${mode} build from ${from}` });
    const onProgress = (progress: BuildProgress) => {
      if (memory.job?.kind === 'build') memory.job.progress = progress;
    };
    const built = await ports.instance.build({ mode, from: address, onProgress, signal: abort.signal });
    ctx.tally.built(mode, built.ok ? 'completed' : 'failed');
    if (!built.ok) {
      ctx.event({
        reason: 'BuildFailed',
        type: 'Warning',
        action: 'Build',
        note: `${mode}: ${built.fault.detail.slice(0, 700)}. ${built.fault.hint ?? buildHint}`,
      });
      return built;
    }
    // Should the server report divergence again, the next step of the ladder is a full build.
    if (mode === 'incremental') noteFailure(memory, 'rebuilt', rebuilt, ports.clock.now());
    const done = await amend(ctx, (records) => ok({ ...records, build: undefined }));
    ctx.event({ reason: 'BuildCompleted', type: 'Normal', action: 'Build', note: `${mode} build from ${from}` });
    return done;
  });
}

export function runStop(ctx: Context, kill: boolean): Started {
  const { instance } = ctx.ports;
  return run(ctx, 'stop', async () => await (kill ? instance.kill(stopDeadlineMs) : instance.stop(stopDeadlineMs)));
}

/**
 * Drain, wait until the target is at the same position, kill. The brake is for speed, not for safety; a fast stop
 * would write a checkpoint that makes the others diverge, so the server is killed.
 */
export function handOver(ctx: Context, permit: LeaderPermit, target: string): Started {
  const { memory, ports } = ctx;
  // A lease that cannot be renewed cannot be released either: the server would be gone and nobody could follow it.
  const overdue = { of: 'kube', kind: 'timeout', done: 'no', detail: 'the lease is not renewed' } as const;
  if (isOverdue(ctx)) return failed(overdue);
  memory.draining = true;
  return run(ctx, 'hand-over', async () => {
    const drained = await drainClients(ctx);
    const equal = drained.ok ? await reachEqual(ctx, target) : drained;
    if (!equal.ok || !isValid(permit, ports.clock.now()) || isOverdue(ctx)) {
      memory.draining = false;
      const fault = equal.ok ? overdue : equal.fault;
      if (memory.switchover !== undefined) memory.switchover = { ...memory.switchover, failed: fault.detail };
      return failed(fault);
    }
    const killed = await ports.instance.kill(memory.config.lease.stopSeconds * 1000);
    if (!killed.ok) return killed;
    if (memory.switchover !== undefined) memory.switchover = { ...memory.switchover, handedOver: true };
    // The brake lies in the file; the server comes back as a standby without it. Nobody waits for that: the lease does.
    void releaseDrained(ctx);
    return ok();
  });
}

async function reachEqual(ctx: Context, target: string): Promise<Result<void>> {
  const { memory, ports } = ctx;
  const end = ports.clock.now() + equalDeadlineMs;
  let last = 'nothing was heard of it';
  while (ports.clock.now() < end) {
    await observeInstance(ctx, 0);
    const own = memory.instance.is === 'primary' ? memory.instance.written : undefined;
    if (memory.instance.is === 'primary' && own !== undefined) {
      if (flushedBy(viewOf(ctx), memory.instance, [target], own) === 1) return ok();
      const sender = memory.instance.senders.find((one) => one.name === target);
      last = `${target} is at ${lsnOrNull(sender?.flushed) ?? 'an unknown position'}, the primary at ${formatLsn(own)}`;
    }
    await ports.clock.until(ports.clock.now() + 10);
  }
  return failed({ of: 'peer', kind: 'timeout', done: 'no', detail: `the target did not reach the primary's position: ${last}` });
}
