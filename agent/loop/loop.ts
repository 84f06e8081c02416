/**
 * The control loop: observe, decide, execute, publish, remember, every period or when nudged. It holds no policy
 * (core/ has it) and no I/O of its own (the ports have it), so the same code runs against simulated ports. A cycle
 * that did something is followed by the next one at once; nothing waits in here without a deadline.
 */
import { decide } from '../core/decide.ts';
import { only } from '../core/decision.ts';
import { nextLook } from '../core/follower.ts';
import { hungAt } from '../core/hang.ts';
import { recordOf } from '../core/lease.ts';
import { nobody, sameNames } from '../core/sync.ts';
import { onTurn } from '../core/turns.ts';
import type { Decision, Self, Snapshot, View } from '../core/view.ts';
import type { PeerHandler } from '../ports/others.ts';
import type { Tally } from '../ports/telemetry.ts';
import type { ConfigParser, Context, LoopLog, Ports } from './context.ts';
import { askUnheard } from './confirm.ts';
import { configure } from './configure.ts';
import { keepDisk, watchDisk } from './disk.ts';
import { executeInstance } from './execute.ts';
import { keepFailsafe } from './failsafe.ts';
import { createHandler } from './handler.ts';
import { executeLease, type Outcome, renewalDue } from './lease.ts';
import { noteExit } from './exit.ts';
import { instanceDeadlineMs } from './local.ts';
import { emptyMemory } from './memory.ts';
import { tellMilestones } from './milestones.ts';
import { observe, viewOf } from './observe.ts';
import { onHint } from './readings.ts';
import { nextReportLook } from './report.ts';
import { bindAgain } from './promised.ts';
import { meetPeersAgain } from './roster.ts';
import { answerFirst, logChange, publish } from './publish.ts';
import { isRenewalOwed, nextLeaseRead } from './sight.ts';
import { tellBlocked, tellPause } from './tell.ts';

export interface LoopOptions {
  ports: Ports;
  self: Self;
  log: LoopLog;
  tally: Tally;
  parseConfig: ConfigParser;
  /** At which port peers reach the others' replication. */
  haPort: number;
}

export interface Loop {
  /** Runs until a stop is asked for and done. */
  run(): Promise<void>;
  /** Hands over, stops the server, releases the lease; run() ends afterwards. */
  stop(): void;
  nudge(): void;
  /** Everything that the API server holds is read again in the next cycle. */
  reread(): void;
  handler: PeerHandler;
}

/** Between two cycles that wait for something that changes within milliseconds. */
const hurryMs = 25;
/** After a step that failed, so that nothing spins. */
const failedMs = 200;
/** While the server starts or a hand-over settles. */
const soonMs = 100;

export function createLoop(options: LoopOptions): Loop {
  const { ports, self } = options;
  let wake = new AbortController();
  let nudged = false;
  const ctx: Context = {
    ports,
    self,
    memory: emptyMemory({ granted: 0, freeze: undefined, build: undefined }),
    log: options.log,
    tally: options.tally,
    parseConfig: options.parseConfig,
    nudge() {
      nudged = true;
      wake.abort();
    },
    addressOf(name) {
      if (name === self.name) return { name, host: self.ip, haPort: self.haPort };
      const pods = ctx.memory.pods.known ? ctx.memory.pods.value : [];
      const ip = pods.find((pod) => pod.name === name)?.ip;
      return ip === undefined ? undefined : { name, host: ip, haPort: options.haPort };
    },
    event: (note) => ports.kube.event(note),
    last: undefined,
  };

  async function run(): Promise<void> {
    if (!(await loadRecords(ctx))) return;
    ports.instance.onExit((exit) => {
      noteExit(ctx, exit);
      ctx.memory.observedAt = Number.NEGATIVE_INFINITY;
      options.log.warn('server exited', { pid: exit.process.pid, role: exit.role });
      ctx.nudge();
    });
    const watch = ports.kube.watch((hint) => onHint(ctx, hint));
    const ended = new AbortController();
    void keepFailsafe(ctx, ended.signal);
    const disk = await watchDisk(ctx);
    try {
      for (;;) {
        nudged = false;
        wake = new AbortController();
        const { decision, outcome } = await cycle(ctx);
        if (ctx.memory.stopping && decision.reason === 'stopped') return;
        if (!nudged) await ports.clock.until(nextCycleAt(ctx, decision, outcome), wake.signal);
      }
    } finally {
      watch.stop();
      ended.abort();
      disk.stop();
    }
  }

  return {
    run,
    stop() {
      ctx.memory.stopping = true;
      ctx.memory.job?.kind === 'build' && ctx.memory.job.abort.abort();
      ctx.nudge();
    },
    nudge: ctx.nudge,
    reread: () => onHint(ctx, { of: 'resync' }),
    handler: createHandler(ctx),
  };
}

/** Without its own records a member could grant twice; it waits for them rather than assume that there are none. */
async function loadRecords(ctx: Context): Promise<boolean> {
  for (;;) {
    const loaded = await ctx.ports.records.load();
    if (loaded.ok) {
      ctx.memory.records = loaded.value;
      bindAgain(ctx);
      meetPeersAgain(ctx);
      return true;
    }
    ctx.log.error('the records could not be read', { fault: loaded.fault });
    await ctx.ports.clock.until(ctx.ports.clock.now() + 1000);
    if (ctx.memory.stopping) return false;
  }
}

export async function cycle(ctx: Context): Promise<{ decision: Decision; outcome: Outcome }> {
  const startedAt = ctx.ports.clock.now();
  const view = await observe(ctx);
  const decision = decideWhenReady(ctx, view);
  logChange(ctx, view, decision);
  tellMilestones(ctx, view, decision);
  tellPause(ctx, view);
  tellBlocked(ctx, decision);
  const shown = show(ctx, view, decision);
  askUnheard(ctx, view);
  const lease = await executeLease(ctx, view, decision);
  // Labels and the instance wait for each other's nothing: a new primary is routed to while it settles.
  const after = viewOf(ctx);
  const isAsked = await answerFirst(ctx, after, decision);
  const done = isAsked ? executeInstance(ctx, after, decision) : ('failed' as const);
  const [instance] = await Promise.all([done, publish(ctx, after, decision)]);
  await keepDisk(ctx, after);
  if (decision.instance.do === 'nothing' && ctx.memory.job === undefined) await keepConfigured(ctx, view);
  ctx.last = shown;
  ctx.tally.cycle(decision.reason, (ctx.ports.clock.now() - startedAt) / 1000);
  return { decision, outcome: worst(lease, instance) };
}

function decideWhenReady(ctx: Context, view: View): Decision {
  if (ctx.memory.configKnown && ctx.memory.ownAnnotations !== undefined) return decide(view);
  // Before the first reading of the configuration and of the own pod's annotations only safety is decided: defaults could be wrong for this cluster.
  const decision = decide({ ...view, paused: true });
  return decision.reason === 'paused' ? only('settings-unknown') : decision;
}

function show(ctx: Context, view: View, decision: Decision): Snapshot {
  ctx.memory.cycle += 1;
  const snapshot = { view, decision, cycle: ctx.memory.cycle, at: ctx.ports.clock.wall() };
  ctx.ports.board.show(snapshot);
  return snapshot;
}

async function keepConfigured(ctx: Context, view: View): Promise<void> {
  if (view.paused || (view.instance.is !== 'primary' && view.instance.is !== 'standby')) return;
  const applied = await configure(ctx);
  if (!applied.ok) ctx.log.warn('server configuration not applied', { fault: applied.fault });
}

/** The look that finds a server hung for long enough ends just after that moment; until it is killed it is looked at again. */
function beforeHung(view: View, { instance }: Decision): number | undefined {
  const end = instance.do === 'nothing' ? hungAt(view) : undefined;
  return end === undefined ? undefined : Math.max(view.now + hurryMs, end - instanceDeadlineMs + hurryMs);
}

function worst(a: Outcome, b: Outcome): Outcome {
  if (a === 'failed' || b === 'failed') return 'failed';
  return a === 'done' || b === 'done' ? 'done' : 'nothing';
}

function nextCycleAt(ctx: Context, decision: Decision, outcome: Outcome): number {
  const { memory, ports } = ctx;
  const now = ports.clock.now();
  if (outcome === 'failed') return now + failedMs;
  const waits: string[] = ['freezing', 'comparing', 'no-vote-set', 'promoting'];
  const view = viewOf(ctx);
  // A job says when it has ended; looking meanwhile would only slow the server that it works on.
  const waiting = waits.includes(decision.reason) && memory.job === undefined;
  if (waiting && recordOf(view.lease)?.holder === ctx.self.identity) return now + hurryMs;
  if (outcome === 'done') return now;
  const unsettled = view.instance.is === 'primary' && sameNames(view.instance.syncNames, nobody);
  const between = (recordOf(view.lease)?.entries.length ?? 0) > 1 && view.instance.is === 'primary';
  if (unsettled || between) return now + hurryMs;
  if (view.switchover !== undefined || view.instance.is === 'starting' || view.instance.is === 'pending') return now + soonMs;
  if (decision.reason === 'no-primary' && view.instance.is === 'stopped') return now + soonMs;
  const renewMs = memory.config.lease.renewSeconds * 1000;
  // Counted from the last renewal, not from this cycle: nudges in between must not put the next one off.
  const held = recordOf(view.lease)?.holder === ctx.self.identity;
  const due = held ? Math.max(now + hurryMs, Math.min(now + renewMs, renewalDue(ctx))) : now + renewMs;
  const period = onTurn(due, now, Date.parse(ports.clock.wall()));
  const reads = !view.lease.known || isRenewalOwed(ctx, view);
  const usual = reads ? Math.min(period, Math.max(now + 1, nextLeaseRead(ctx, view))) : period;
  const looks = [nextLook(view), nextReportLook(view), beforeHung(view, decision)].filter((at) => at !== undefined && at > now);
  return Math.min(usual, ...looks.map((at) => Math.max(now + 1, at ?? usual)));
}
