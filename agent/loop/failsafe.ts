/**
 * How a primary keeps its permit while it cannot renew its lease: it asks every member for a promise, again and again,
 * and goes on for as long as those it has leave nobody a vote set (core/failsafe.ts). It runs beside the cycles, which
 * spend an outage waiting for an API server that does not answer. A promise extends a permit that is still valid and
 * never revives one that has ended: by then the server is being killed. Each answer counts when it arrives, so a member
 * that is dead or slow holds up nobody.
 */
import { processOf } from '../core/acting.ts';
import { heldUntil } from '../core/failsafe.ts';
import type { LeaseRecord, MemberName, Mono } from '../core/model.ts';
import { isValid, permitFrom } from '../core/permit.ts';
import { onTurn } from '../core/turns.ts';
import type { Context } from './context.ts';
import { diskView } from './diskview.ts';
import { givePermit } from './permit.ts';
import { forgetEnded } from './promised.ts';

/** How often it is looked whether a renewal is overdue, and how long a member may take to promise. */
const lookMs = { overdue: 250, rest: 1_000 };
const peerDeadlineMs = 500;

/** Runs until the signal; waits, and asks for promises while they are needed. */
export async function keepFailsafe(ctx: Context, signal: AbortSignal): Promise<void> {
  const { clock } = ctx.ports;
  let askedAt = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    void forgetEnded(ctx);
    const startedAt = clock.now();
    const record = ctx.memory.held;
    if (record !== undefined && isOverdue(ctx)) {
      if (startedAt - askedAt >= pauseMs(ctx)) {
        askedAt = startedAt;
        await askAll(ctx, record);
      }
    } else if (ctx.memory.failsafe !== undefined && !mayAct(ctx)) await giveBack(ctx);
    await clock.until(nextLook(ctx, startedAt), signal);
  }
}

/** A renewal that is not overdue yet cannot be before its time; settings may change, so that it is no long sleep. */
function nextLook(ctx: Context, now: Mono): Mono {
  const { memory } = ctx;
  const rest = onTurn(now + lookMs.rest, now, Date.parse(ctx.ports.clock.wall()));
  if (memory.failsafe === undefined && !mayAct(ctx)) return rest;
  const { renewSeconds, requestTimeoutSeconds } = memory.config.lease;
  const due = memory.failsafe === undefined ? memory.renewedAt + (renewSeconds + requestTimeoutSeconds) * 1000 : now;
  return Math.max(now + lookMs.overdue, Math.min(rest, due));
}

/** With room for a second question before the end: as often as the lease is renewed, at once while it is not enough. */
function pauseMs(ctx: Context): number {
  const { memory, ports } = ctx;
  const { renewSeconds, fenceSeconds } = memory.config.lease;
  const left = (memory.permit?.until ?? 0) - ports.clock.now();
  return left > (fenceSeconds - renewSeconds) * 1000 ? renewSeconds * 1000 : 0;
}

/** The server is primary, or may become it by a promotion that was asked for. */
function mayAct(ctx: Context): boolean {
  const { memory } = ctx;
  return processOf(memory.instance) !== undefined && (memory.instance.is === 'primary' || memory.promotion !== undefined);
}

/** The last renewal should have been followed by another one by now: the API server is away, or says no. */
export function isOverdue(ctx: Context): boolean {
  const { memory, ports } = ctx;
  const { renewSeconds, requestTimeoutSeconds } = memory.config.lease;
  const now = ports.clock.now();
  if (!mayAct(ctx) || !isValid(memory.permit, now)) return false;
  if (now - memory.renewedAt < (renewSeconds + requestTimeoutSeconds) * 1000) return false;
  // A primary on a volume that hangs or is broken lets its lease go on purpose (K14): nobody is asked to wait for it.
  const disk = diskView(memory, ports.volumes?.seen() ?? [], now);
  return disk.stuck === undefined && disk.broken === undefined;
}

async function askAll(ctx: Context, record: LeaseRecord): Promise<void> {
  const { memory, ports, self } = ctx;
  // Both from the same settings: they may change while an answer is on its way.
  const { durationSeconds, fenceSeconds } = memory.config.lease;
  const own = ports.clock.now() + fenceSeconds * 1000;
  const ask = { holder: self.identity, term: record.term, durationMs: Math.max(durationSeconds, record.durationSeconds) * 1000 };
  const members = memory.roster.filter((name) => name !== self.name);
  extend(ctx, record.term, own, fenceSeconds);
  await Promise.all(
    members.map(async (member) => {
      const answer = await ports.peers.promise(member, ask, peerDeadlineMs);
      if (answer.ok) {
        memory.promises[member] = { term: record.term, until: own };
        extend(ctx, record.term, own, fenceSeconds);
      } else ctx.log.debug('a member did not promise', { member, fault: answer.fault });
    }),
  );
}

/** The permit goes to the end of the earliest promise that is needed, under every record that the Lease may hold. */
function extend(ctx: Context, term: number, own: Mono, fenceSeconds: number): void {
  const { memory, ports, self } = ctx;
  const { held } = memory;
  const now = ports.clock.now();
  // Without a list of the members anybody could be one.
  if (memory.roster.length === 0 || held === undefined || held.term !== term || !isValid(memory.permit, now) || !mayAct(ctx))
    return;
  const others = memory.roster.filter((name) => name !== self.name);
  const until = (member: MemberName) => {
    const promise = memory.promises[member];
    return promise?.term === term ? promise.until : undefined;
  };
  const end = heldUntil([held, ...memory.unanswered], { self: self.name, others, until, own });
  if (end === undefined || end <= memory.permit.until) return;
  givePermit(ctx, permitFrom(end - fenceSeconds * 1000, term, fenceSeconds));
  const promisers = others.filter((member) => (until(member) ?? 0) > now).sort();
  if (memory.failsafe === undefined) begin(ctx, promisers);
  memory.failsafe = { since: memory.failsafe?.since ?? now, promisers };
}

function begin(ctx: Context, promisers: MemberName[]): void {
  const by = promisers.length === 0 ? 'nobody else may lead' : `promised by ${promisers.join(', ')}`;
  ctx.log.warn('the lease cannot be renewed; this primary goes on by promises', { reason: 'failsafe', promisers });
  ctx.event({ reason: 'FailsafeStarted', type: 'Warning', action: 'Renew', note: `the lease cannot be renewed; ${by}` });
  ctx.nudge();
}

/** A renewal has been confirmed: the permit is the lease's again. */
export function endFailsafe(ctx: Context): void {
  const { memory, ports } = ctx;
  const { failsafe } = memory;
  memory.promises = {};
  if (failsafe === undefined) return;
  memory.failsafe = undefined;
  const seconds = Math.round((ports.clock.now() - failsafe.since) / 1000);
  ctx.log.info('the lease is renewed again', { failsafeSeconds: seconds });
  const note = `the lease is renewed again; this primary went on by promises for ${seconds} s`;
  ctx.event({ reason: 'FailsafeEnded', type: 'Normal', action: 'Renew', note });
}

/** Without a server there is nothing to protect, and the others would wait for the end of their promises in vain. */
async function giveBack(ctx: Context): Promise<void> {
  const { memory, ports, self } = ctx;
  const promises = Object.entries(memory.promises);
  memory.permit = undefined;
  memory.failsafe = undefined;
  memory.promises = {};
  ctx.log.warn('the server is gone and the lease cannot be released; the promises are given back', {});
  await Promise.all(
    promises.map(([member, { term }]) =>
      ports.peers.promise(member, { holder: self.identity, term, durationMs: 0 }, peerDeadlineMs),
    ),
  );
}
