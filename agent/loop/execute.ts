/**
 * Carries out instance intents. Short ones run within the cycle under a deadline; long ones (promote, build,
 * initialise, hand over, stop) go to the single job slot while the loop goes on renewing. What needs leadership gets
 * the permit and checks it again right before acting.
 */
import type { PeerState } from '../core/model.ts';
import { failed, ok, type Result } from '../core/result.ts';
import type { Decision, InstanceIntent, PeerSight, View } from '../core/view.ts';
import { renewBarrier } from './barrier.ts';
import { keepBrake } from './brake.ts';
import { configure } from './configure.ts';
import { handOver, runBuild, runInitialise, runPromotion, runStop } from './jobs.ts';
import type { Context } from './context.ts';
import type { Outcome } from './lease.ts';
import { point, startFrozen, unlock } from './locks.ts';
import { noteFailure } from './memory.ts';
import { viewOf } from './observe.ts';
import { fence } from './permit.ts';
import { finish, settle } from './settle.ts';
import { gatherVotes } from './votes.ts';

const sqlDeadlineMs = 1000;
const peerDeadlineMs = 500;

export async function executeInstance(ctx: Context, view: View, decision: Decision): Promise<Outcome> {
  const intent = decision.instance;
  if (intent.do === 'nothing') return 'nothing';
  const result = await carryOut(ctx, view, intent, decision);
  if (result === undefined) return 'nothing';
  if (result.ok) {
    // A server whose process exists has not started yet; that is forgotten once it is up (local.ts).
    if (intent.do !== 'start') delete ctx.memory.failures[intent.do];
    return 'done';
  }
  noteFailure(ctx.memory, intent.do, result.fault, ctx.ports.clock.now());
  ctx.log.warn('step failed', { intent: intent.do, reason: decision.reason, fault: result.fault });
  return 'failed';
}

/** Undefined: handed to the job slot, or nothing to do. */
async function carryOut(
  ctx: Context,
  view: View,
  intent: InstanceIntent,
  decision: Decision,
): Promise<Result<unknown> | undefined> {
  const { memory, ports } = ctx;
  switch (intent.do) {
    case 'nothing':
      return undefined;
    case 'start':
      return await start(ctx, intent.mode);
    case 'notify-standby':
      return await ports.instance.notifyStandby(view.lease.known ? (view.lease.value.record?.term ?? 1) : 1);
    case 'fence':
      return await kill(ctx, decision.reason);
    case 'stop':
      return runStop(ctx, intent.kill === true);
    case 'freeze':
      return await freeze(ctx, intent.term, intent.members);
    case 'promote':
      return runPromotion(ctx, intent.permit, intent.names);
    case 'settle':
      return await settle(ctx, intent.permit);
    case 'finish':
      finish(ctx, intent.permit);
      return undefined;
    case 'unlock':
      return await unlock(ctx, view.records.freeze);
    case 'repoint':
      return await repoint(ctx, intent.to, intent.term);
    case 'initialise':
      return runInitialise(ctx);
    case 'build':
      return runBuild(ctx, intent.mode, intent.from);
    case 'set-sync': {
      // Before it is asked for as well: names that are in force although no answer came must not meet an old barrier.
      renewBarrier(ctx);
      const set = await ports.instance.setSync(intent, sqlDeadlineMs);
      renewBarrier(ctx);
      return set;
    }
    case 'begin-switchover': {
      const now = ports.clock.now();
      const { target, cause } = intent;
      memory.switchover = {
        target,
        cause,
        startedAt: now,
        deadline: now + intent.seconds * 1000,
        pointedAt: undefined,
        handedOver: false,
      };
      ctx.log.info('switchover started', { target, cause });
      ctx.event({ reason: 'SwitchoverStarted', type: 'Normal', action: 'Switchover', note: `to ${target} (${cause})` });
      return ok();
    }
    case 'point-others':
      return await pointOthers(ctx, view, intent.target, intent.members);
    case 'gather':
      await gather(ctx, intent.permit.term, intent.members);
      return undefined;
    case 'unfreeze':
      return await unfreeze(ctx, view, intent.members);
    case 'hand-over':
      return handOver(ctx, intent.permit, intent.target);
    case 'undo-switchover':
      return await undoSwitchover(ctx, view, intent.why);
  }
}

async function start(ctx: Context, mode: 'standby' | 'pending'): Promise<Result<unknown>> {
  const { memory } = ctx;
  const configured = await configure(ctx);
  if (!configured.ok) return configured;
  const started = await startFrozen(ctx, mode);
  if (started.ok) {
    memory.startedHere = started.value;
    ctx.log.info('server started', { mode, pid: started.value.pid });
  }
  memory.observedAt = Number.NEGATIVE_INFINITY;
  return started;
}

async function kill(ctx: Context, reason: string): Promise<Result<unknown>> {
  const { memory, ports } = ctx;
  const killed = await fence(ctx, reason);
  if (reason === 'promotion-stalled') memory.stalledAt = ports.clock.now();
  ctx.log.error('server killed', { reason });
  ctx.event({ reason: 'Fenced', type: 'Warning', action: 'Fence', note: reason });
  memory.observedAt = Number.NEGATIVE_INFINITY;
  return killed;
}

/** Takes the standbys, the own one included, away from the old primary; a dead member never delays the others. */
async function freeze(ctx: Context, term: number, members: string[]): Promise<Result<unknown>> {
  const { memory, ports, self } = ctx;
  const own = { term, candidate: self.name, host: self.ip, haPort: self.haPort };
  if (memory.takeover?.term !== term) memory.takeover = { term, startedAt: ports.clock.now(), votes: {} };
  const takeover = memory.takeover;
  const ask = async (member: string): Promise<void> => {
    const at = ports.clock.now();
    const answer = await ports.peers.freeze(member, own, peerDeadlineMs);
    if (answer.ok) takeover.votes[member] = { state: answer.value, at };
    else ctx.log.warn('a member was not frozen', { member, fault: answer.fault });
  };
  const votes = gatherVotes(ctx, viewOf(ctx), takeover, members, ask);
  const [local] = await Promise.all([point(ctx, { ...own, askedBy: self.name }), votes]);
  memory.observedAt = Number.NEGATIVE_INFINITY;
  return local;
}

async function repoint(ctx: Context, to: string, term: number): Promise<Result<unknown>> {
  const address = ctx.addressOf(to);
  if (address === undefined) return failed({ of: 'kube', kind: 'absent', done: 'no', detail: `no address of ${to}` });
  return await point(ctx, { term, candidate: to, host: address.host, haPort: address.haPort });
}

/** Points the members that are not the target at it; from now on only the old primary or the target may lead. */
async function pointOthers(ctx: Context, view: View, target: string, members: string[]): Promise<Result<unknown>> {
  const { memory, ports } = ctx;
  const address = ctx.addressOf(target);
  if (address === undefined || memory.switchover === undefined)
    return failed({ of: 'peer', kind: 'absent', done: 'no', detail: `no address of ${target}` });
  const term = (view.promotion?.term ?? 0) + 1;
  const ask = { term, candidate: target, host: address.host, haPort: address.haPort };
  const answers = await Promise.all(members.map((member) => ports.peers.freeze(member, ask, peerDeadlineMs)));
  for (const [at, answer] of answers.entries()) {
    // A member that cannot be pointed now follows the target by itself later; it only comes back less quickly.
    if (!answer.ok) ctx.log.warn('a member was not pointed at the target', { member: members[at], fault: answer.fault });
  }
  memory.switchover = { ...memory.switchover, pointedAt: ports.clock.now() };
  return ok();
}

/** Points members at this primary that cannot find it by themselves, as they see no lease or know an old address. */
async function gather(ctx: Context, term: number, members: string[]): Promise<void> {
  const { ports, self } = ctx;
  const ask = { term, candidate: self.name, host: self.ip, haPort: self.haPort };
  const answers = await Promise.all(members.map((member) => ports.peers.freeze(member, ask, peerDeadlineMs)));
  for (const [at, answer] of answers.entries()) {
    if (!answer.ok) ctx.log.info('a member was not pointed here', { member: members[at], fault: answer.fault });
  }
}

/** Asks members to forget a freeze for a change that nobody goes through with any more. */
async function unfreeze(ctx: Context, view: View, members: string[]): Promise<Result<unknown>> {
  const { ports } = ctx;
  const termOf = (member: string) => view.peers[member]?.state.frozenFor?.term ?? 0;
  const answers = await Promise.all(members.map((member) => ports.peers.unfreeze(member, termOf(member), peerDeadlineMs)));
  ctx.log.info('forgotten freezes removed', { members });
  return answers.find((answer) => !answer.ok) ?? ok();
}

async function undoSwitchover(ctx: Context, view: View, why: string): Promise<Result<unknown>> {
  const { memory, ports } = ctx;
  const plan = memory.switchover;
  memory.switchover = undefined;
  memory.draining = false;
  // Clients wait for it: also a switch that could not be set a moment ago is tried at once.
  memory.brake.failedAt = undefined;
  const brake = await keepBrake(ctx);
  const members = Object.keys(view.peers);
  await Promise.all(members.map((member) => ports.peers.unfreeze(member, (view.promotion?.term ?? 0) + 1, peerDeadlineMs)));
  ctx.tally.switched('rolled-back');
  ctx.log.warn('switchover undone', { target: plan?.target, why });
  ctx.event({ reason: 'SwitchoverRefused', type: 'Warning', action: 'Switchover', note: `undone: ${why}` });
  const request = memory.request.known ? memory.request.value : undefined;
  if (request?.phase === 'running' && (request.kind === 'switchover' || request.kind === 'restart')) {
    const answer = {
      ...request,
      phase: 'rolled-back' as const,
      result: why,
      hint: 'The old primary goes on; see agent status and try again.',
    };
    const written = await ports.kube.writeRequest(answer, sqlDeadlineMs);
    if (!written.ok) memory.stale.add('request');
  }
  return brake;
}

export type { PeerSight, PeerState };
