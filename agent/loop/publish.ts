/**
 * Makes what is true visible: labels that the Services follow, the cluster's facts, the answer to the open request,
 * and a log line whenever the decision changes. Labels are level-triggered and conditional on the pod's version, so
 * that a late write of a thawed leader fails. The safe order: a new primary takes the role label from every other
 * member before it labels itself; a member that was primary serves nobody as a standby with that label.
 */
import { isPrimaryRole } from '../core/acting.ts';
import { readableLabel, roleLabel } from '../core/labels.ts';
import { holds, leads, memberOf, recordOf } from '../core/lease.ts';
import { lsnOrNull } from '../core/lsn.ts';
import type { PodSight } from '../core/model.ts';
import { isValid } from '../core/permit.ts';
import { exactPod } from '../core/pods.ts';
import type { Decision, View } from '../core/view.ts';
import type { Context } from './context.ts';
import { staysListed } from './listed.ts';
import { wantsReaders } from './readers.ts';
import { changePod } from './readings.ts';
import { report } from './report.ts';
import { tellAnswer } from './tell.ts';

const termAnnotation = 'opengauss.agent/term';
const historyLimit = 50;
/** How long a standby without a primary keeps its labels: longer than any failover that goes well. */
const orphanMs = 20_000;
/** How long a primary whose server has ended waits for its successor: longer than most take. */
const lingerMs = 2000;
/** How many cycles a new agent may take to adopt a primary that runs. */
const adoptionCycles = 5;
/** A log in which nothing happens says this often that nothing has. */
const summaryMs = 60_000;

export async function publish(ctx: Context, view: View, decision: Decision): Promise<void> {
  await Promise.all([labels(ctx, view, decision), facts(ctx, view), answerBeside(ctx, view, decision), report(ctx, view)]);
}

/** A line when the decision changes, before it is carried out: what follows in the log follows from it; and one a minute meanwhile. */
export function logChange(ctx: Context, view: View, decision: Decision): void {
  const before = ctx.last;
  if (before !== undefined && before.decision.reason === decision.reason && before.view.instance.is === view.instance.is) {
    ctx.log.debug('cycle', { cycle: ctx.memory.cycle, reason: decision.reason });
    if (view.now - ctx.memory.summedUpAt >= summaryMs) sumUp(ctx, view, decision);
    return;
  }
  ctx.memory.summedUpAt = view.now;
  const { note, lease, instance } = decision;
  ctx.log.info('decision', { ...situation(ctx, view, decision), note, lease: lease.do, intent: instance.do });
}

/** What every line about the state of things has. */
function situation({ memory }: Context, { lease, instance }: View, { reason }: Decision) {
  const record = recordOf(lease);
  return { cycle: memory.cycle, reason, state: instance.is, term: record?.term, leaseHolder: record && memberOf(record.holder) };
}

function sumUp(ctx: Context, view: View, decision: Decision): void {
  const { permit, instance, now } = view;
  ctx.memory.summedUpAt = now;
  ctx.log.info('summary', {
    ...situation(ctx, view, decision),
    ...(permit === undefined ? {} : { permitMsLeft: Math.round(permit.until - now) }),
    ...(instance.is === 'primary' ? { lsn: lsnOrNull(instance.written) } : {}),
    ...(instance.is === 'standby' ? { replayedLsn: lsnOrNull(instance.replayed) } : {}),
  });
}

async function labels(ctx: Context, view: View, decision: Decision): Promise<void> {
  if (!view.pods.known) return;
  const own = exactPod(view, ctx.self);
  if ((await staysListed(ctx, own)) || own === undefined) return;
  const promoted = leads(view) && view.promotion !== undefined;
  const leading = promoted && view.instance.is === 'primary' && !ctx.memory.draining && view.disk?.critical !== true;
  // From the moment that its promotion is recorded nobody else is primary; clients of a Service wait for each change of it.
  if (promoted) {
    const stripped = await Promise.all(
      view.pods.value
        .filter((pod) => pod.name !== own.name && pod.labels[roleLabel] === 'primary')
        .map((pod) => relabel(ctx, view, pod, { [roleLabel]: null })),
    );
    // Two members behind the write Service would be worse than none for another cycle.
    if (stripped.includes(false)) return;
  }
  if (!leading && adopts(ctx, view, own)) return;
  const role = leading || lingers(ctx, view, own, decision) ? 'primary' : isFitStandby(ctx, view, own) ? 'standby' : null;
  const readable = wantsReaders(ctx, view, own, role);
  const change: Record<string, string | null> = {};
  if ((own.labels[roleLabel] ?? null) !== role) change[roleLabel] = role;
  if ((own.labels[readableLabel] === 'true') !== readable) change[readableLabel] = readable ? 'true' : null;
  if (Object.keys(change).length > 0) await relabel(ctx, view, own, change);
}

/**
 * An agent that was started again beside its own running primary renews in its first cycle and adopts the promotion in its
 * second. Until then the label stays: taking it away would empty the write Service although clients are being served.
 */
function adopts(ctx: Context, view: View, own: PodSight): boolean {
  if (ctx.memory.cycle > adoptionCycles || own.labels[roleLabel] !== 'primary') return false;
  return view.instance.is === 'primary' && holds(view) && !ctx.memory.draining && !view.stopping;
}

/**
 * A primary that hands over refuses writes, one whose server has just ended refuses connections, and one that does not answer this
 * moment holds them. It is led to until its successor takes the label, or it is back: without it the write Service would be
 * empty, and clients would wait for an answer (`readers.ts`). Once it is started as a standby it would answer them: the label goes with
 * the start, and only who holds the lease, and may be started to be promoted in place, keeps it until the server answers.
 */
function lingers(ctx: Context, view: View, own: PodSight, { instance: intent }: Decision): boolean {
  const { instance } = view;
  if (own.labels[roleLabel] !== 'primary') return false;
  if (instance.is === 'primary') return ctx.memory.draining && leads(view);
  if (instance.is === 'hung') return isPrimaryRole(instance.last) && view.now - instance.since < lingerMs;
  const { lastExit } = ctx.memory;
  if (lastExit === undefined || (intent.do === 'start' && intent.mode === 'standby')) return false;
  if (instance.is !== 'stopped' && (instance.is !== 'starting' || !holds(view))) return false;
  return isPrimaryRole(lastExit.role) && view.now - lastExit.at < lingerMs;
}

/** A standby that has lost its primary moments ago still serves reads; losing readers too would help nobody. */
function isFitStandby(ctx: Context, view: View, own: PodSight): boolean {
  const { instance } = view;
  if (instance.is !== 'standby' || view.records.build !== undefined || view.stopping) return false;
  if (instance.state === 'Normal') return true;
  const waits = instance.state === 'Catchup' || instance.detail === 'Connecting...' || instance.detail === 'Disconnected';
  return waits && own.labels[roleLabel] === 'standby' && view.now - ctx.memory.followedAt < orphanMs;
}

async function relabel(ctx: Context, view: View, pod: PodSight, change: Record<string, string | null>): Promise<boolean> {
  const { memory, ports } = ctx;
  if (change[roleLabel] === 'primary' && !isValid(memory.permit, ports.clock.now())) return false;
  const term = String(recordOf(view.lease)?.term ?? 0);
  const target = { name: pod.name, uid: pod.uid, resourceVersion: pod.resourceVersion };
  const annotations = change[roleLabel] === 'primary' ? { annotations: { [termAnnotation]: term } } : {};
  const patched = await changePod(ctx, target, { labels: change, ...annotations });
  if (!patched.ok) {
    ctx.log.debug('label not written', { pod: pod.name, fault: patched.fault });
    ctx.nudge();
    return false;
  }
  if (change[roleLabel] === 'primary') memory.labelledAt = ports.clock.now();
  ctx.log.info('labels changed', { target: pod.name, labels: change });
  return true;
}

/** The leader records the system id once, and a line of history per promotion. */
async function facts(ctx: Context, view: View): Promise<void> {
  const { memory, ports } = ctx;
  if (!leads(view) || !view.facts.known) return;
  const data = 'data' in view.instance ? view.instance.data : undefined;
  if (data === undefined) return;
  const before = view.facts.value;
  const systemId = before.systemId ?? data.systemId;
  if (systemId !== data.systemId) return;
  const promotion = view.instance.is === 'primary' ? view.promotion : undefined;
  const isNew = promotion !== undefined && before.history.at(-1)?.term !== promotion.term;
  if (before.systemId !== undefined && !isNew) return;
  const line = { term: promotion?.term ?? 0, primary: ctx.self.name, at: ports.clock.wall(), reason: 'promoted' };
  const history = isNew ? [...before.history, line].slice(-historyLimit) : before.history;
  const written = await ports.kube.writeFacts({ ...before, systemId, history }, memory.config.lease.requestTimeoutSeconds * 1000);
  memory.stale.add('facts');
  if (written.ok) memory.facts = { known: true, value: written.value, at: ports.clock.now() };
}

/**
 * What people ask for is begun once its answer stands: an open request would be acted on again, by the next primary too, and one
 * that was taken back meanwhile must not be acted on at all.
 */
export async function answerFirst(ctx: Context, view: View, decision: Decision): Promise<boolean> {
  return !isBegun(decision) || answer(ctx, view, decision);
}

async function answerBeside(ctx: Context, view: View, decision: Decision): Promise<void> {
  if (!isBegun(decision)) await answer(ctx, view, decision);
}

function isBegun({ instance, answer: reply }: Decision): boolean {
  return instance.do === 'begin-switchover' && reply !== undefined;
}

/** Whether it has been written. */
async function answer(ctx: Context, view: View, decision: Decision): Promise<boolean> {
  const { memory, ports } = ctx;
  const reply = decision.answer;
  const request = view.request.known ? view.request.value : undefined;
  if (reply === undefined || request === undefined || request.id !== reply.id) return false;
  const { phase, target = request.target, options = request.options, result, hint } = reply;
  const change = { ...request, phase, target, options, result, hint };
  const written = await ports.kube.writeRequest(change, memory.config.lease.requestTimeoutSeconds * 1000);
  memory.stale.add('request');
  // Said again in the next cycle, and told when it has arrived.
  if (!written.ok) return false;
  memory.request = { known: true, value: written.value, at: ports.clock.now() };
  tellAnswer(ctx, request, reply);
  return true;
}
