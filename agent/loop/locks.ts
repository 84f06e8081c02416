/**
 * Whom the own server streams from: the record on disk and the server's lock, changed together and one change after
 * the other. Each change looks at the record as it is when its turn has come: between a decision and its turn somebody
 * may have been granted a higher term, and a freeze that is lifted for an older reason is an acknowledgement that no
 * winner has compared. A freeze never ends by time.
 */
import { granted, lockAtStart, refusal, staysFrozen } from '../core/grant.ts';
import { memberOf } from '../core/lease.ts';
import type { LocalRecords, MemberName, ServerProcess } from '../core/model.ts';
import { type Fault, failed, ok, type Result } from '../core/result.ts';
import type { FreezeAsk } from '../ports/others.ts';
import type { Context } from './context.ts';
import { observeAfresh } from './local.ts';
import { amend } from './records.ts';
import { adoptLease } from './sight.ts';

const sqlDeadlineMs = 1000;

type Freeze = NonNullable<LocalRecords['freeze']>;

/** Says why a change may not be made on these records. */
export type Objection = (records: LocalRecords) => Fault | undefined;

const turns = new WeakMap<Context, Promise<unknown>>();

/** Every part of a change has a deadline, so that turns come. */
function inTurn<T>(ctx: Context, work: () => Promise<Result<T>>): Promise<Result<T>> {
  const next = (turns.get(ctx) ?? Promise.resolve()).then(work);
  turns.set(
    ctx,
    next.catch(() => undefined),
  );
  return next;
}

/** Remembers, on disk and before anything else, for whom this member is frozen; unless something speaks against it by then. */
function grant(ctx: Context, ask: FreezeAsk, objection: Objection): Promise<Result<void>> {
  return amend(ctx, (before) => {
    const fault = objection(before);
    return fault === undefined ? granted(before, ask) : failed(fault);
  });
}

/** Grants, then takes the own server away from whom it streams from; it follows that address and nobody else. */
export function point(ctx: Context, ask: FreezeAsk, objection: Objection = () => undefined): Promise<Result<void>> {
  return inTurn(ctx, async () => {
    const given = await grant(ctx, ask, objection);
    if (!given.ok) return given;
    // Looked at within the turn: a lock that was there before may have been taken away since.
    await observeAfresh(ctx);
    const { instance } = ctx.memory;
    // Without a server, or with one that does not stream, there is nothing to cut; a lock is written before each start.
    if (!('process' in instance) || instance.is === 'pending') return ok();
    if (instance.is !== 'standby') return failed(refusal(`the instance is ${instance.is}`));
    const { lock } = instance;
    if (lock?.mode === 'specify_connection' && lock.host === ask.host && lock.port === ask.haPort) return ok();
    const pointed = await ctx.ports.instance.pointAt({ host: ask.host, haPort: ask.haPort }, sqlDeadlineMs);
    if (pointed.ok) ctx.log.info('frozen', { term: ask.term, candidate: ask.candidate });
    ctx.memory.observedAt = Number.NEGATIVE_INFINITY;
    return pointed;
  });
}

/** Removes the freeze that was decided upon, and no other. */
export function unlock(ctx: Context, decidedOn: Freeze | undefined): Promise<Result<void>> {
  return inTurn(ctx, async () => {
    if (JSON.stringify(ctx.memory.records.freeze) !== JSON.stringify(decidedOn))
      return failed(refusal('the freeze is another one by now'));
    return await forget(ctx);
  });
}

/**
 * Removes the freeze for a change that its asker has given up. Only the holder of the lease may ask, by a reading
 * that is taken now: an old one may name a holder who has been succeeded, and whom the freeze is there to silence.
 */
export function unfreeze(ctx: Context, term: number, from: string): Promise<Result<void>> {
  return inTurn(ctx, async () => {
    const bound = staysFrozen(ctx.memory.records, term, from);
    if (bound !== undefined) return failed(bound);
    const sentAt = ctx.ports.clock.now();
    const read = await ctx.ports.kube.readLease(ctx.memory.config.lease.requestTimeoutSeconds * 1000);
    if (!read.ok) return failed(refusal('whether the asker holds the lease cannot be read'));
    adoptLease(ctx, read.value, sentAt);
    if (memberOf(read.value?.holder ?? '') !== from) return failed(refusal(`${from} does not hold the lease`));
    return await forget(ctx, from);
  });
}

async function forget(ctx: Context, undoneBy?: MemberName): Promise<Result<void>> {
  const { memory, ports } = ctx;
  // The lock of a stopped server is only its file, which the next look after its start finds.
  const unlocked = 'process' in memory.instance ? await ports.instance.unlock(sqlDeadlineMs) : ok();
  if (!unlocked.ok) return unlocked;
  memory.observedAt = Number.NEGATIVE_INFINITY;
  return await amend(ctx, (records) => {
    if (undoneBy !== undefined) return ok({ ...records, freeze: undefined, undone: { term: records.granted, by: undoneBy } });
    return ok(records.freeze === undefined ? records : { ...records, freeze: undefined });
  });
}

/** Starts the server frozen as the record says, in any mode: a build deletes the server's own record of its lock. */
export function startFrozen(ctx: Context, mode: 'standby' | 'pending'): Promise<Result<ServerProcess>> {
  return inTurn(ctx, async () => await ctx.ports.instance.start(mode, lockAtStart(ctx.memory.records)));
}
