/**
 * Looks at the local server, one look at a time, and keeps in the memory what follows from it: since when it is what it
 * is, whether its WAL moves, and whose promotion it is under.
 */
import { isSame, processOf } from '../core/acting.ts';
import type { Mono } from '../core/model.ts';
import { noteBarrier, noteRedo } from './barrier.ts';
import type { Context } from './context.ts';

/** How long a look at the server may take. */
export const instanceDeadlineMs = 1000;
const inFlight = new WeakMap<Context, Promise<void>>();

/** Looks at the local server unless that was done within `maxAgeMs`; one look at a time. */
export async function observeInstance(ctx: Context, maxAgeMs: number): Promise<void> {
  const { memory, ports } = ctx;
  if (ports.clock.now() - memory.observedAt <= maxAgeMs) return;
  const running = inFlight.get(ctx);
  if (running !== undefined) return running;
  const look = (async () => {
    const startedAt = ports.clock.now();
    memory.instance = await ports.instance.observe(instanceDeadlineMs);
    memory.observedAt = startedAt;
    noteProgress(ctx, startedAt);
    forgetOldPromotion(ctx);
    noteShape(ctx);
    if (memory.instance.is === 'standby' && memory.instance.state === 'Normal') {
      delete memory.failures['rebuilt'];
      memory.followedAt = startedAt;
    }
    noteBarrier(memory, startedAt);
    noteRedo(memory, startedAt);
  })();
  inFlight.set(ctx, look);
  try {
    await look;
  } finally {
    inFlight.delete(ctx);
  }
}

/** A look that begins now: one that is under way may show what was before the last change. */
export async function observeAfresh(ctx: Context): Promise<void> {
  await inFlight.get(ctx);
  ctx.memory.observedAt = Number.NEGATIVE_INFINITY;
  await observeInstance(ctx, 0);
}

/** WAL that moves shows that the volume takes writes, whatever a look at it says. */
function noteProgress({ memory }: Context, now: Mono): void {
  const { instance } = memory;
  // One that answers nothing has not shown that it writes.
  if (instance.is === 'hung') return;
  const written = instance.is === 'primary' ? instance.written : undefined;
  if (written === undefined || written !== memory.wrote.lsn) memory.wrote = { lsn: written, at: now };
}

/** Since when the server is what it is, and that a start which led to a server that answers was none that failed. */
function noteShape(ctx: Context): void {
  const { memory, ports } = ctx;
  const { instance } = memory;
  if (instance.is === 'standby' || instance.is === 'primary' || instance.is === 'pending') {
    delete memory.failures['start'];
    memory.downSince = undefined;
  } else if (instance.is === 'stopped') memory.downSince ??= ports.clock.now();
  const shape = 'role' in instance ? `${instance.role} ${instance.state}` : instance.is;
  if (memory.since?.shape !== shape) memory.since = { shape, at: ports.clock.wall() };
}

/** A promotion belongs to one server process; a running primary that this container promoted before is adopted. */
function forgetOldPromotion(ctx: Context): void {
  const { memory } = ctx;
  const { instance, promotion } = memory;
  const process = processOf(instance);
  if (promotion !== undefined && (process === undefined || !isSame(promotion.process, process))) {
    memory.promotion = undefined;
    memory.syncBarrier = undefined;
    memory.draining = false;
    if (memory.switchover?.handedOver === false && process !== undefined) memory.switchover = undefined;
  }
  // Whether or not its release and what came after it were heard of: who waits to follow, or to win again, hands nothing over.
  const waits = instance.is === 'standby' || instance.is === 'pending';
  if (memory.switchover?.handedOver === true && waits) memory.switchover = undefined;
  const record = memory.lease.known ? memory.lease.value.record : undefined;
  const adopts =
    memory.promotion === undefined &&
    instance.is === 'primary' &&
    record?.holder === ctx.self.identity &&
    record.promoting?.member === ctx.self.name &&
    record.promoting.term === instance.data.promotedTerm;
  if (adopts && record.promoting !== undefined) {
    const now = ctx.ports.clock.now();
    memory.promotion = { term: record.promoting.term, process: instance.process, recordedAt: now, settled: false };
  }
}
