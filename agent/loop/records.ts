/**
 * The one way to change the agent's own records: one change after the other, each decided on what the one before left,
 * on disk before it counts. Two changes that were each made from the same old records would lose one of them, and a
 * lost grant or promise is a second leader (I11). What a change refuses is refused on records that nobody else is
 * changing at that moment.
 */
import type { LocalRecords } from '../core/model.ts';
import { failed, ok, type Result } from '../core/result.ts';
import type { Context } from './context.ts';

/** Changes that may wait for the volume; more are refused at once. */
const waitingMax = 16;

interface Queue {
  last: Promise<unknown>;
  waiting: number;
  /** The last save may have happened or not: what the disk says is not known until the next one that is confirmed. */
  unsure: boolean;
}

const queues = new WeakMap<Context, Queue>();

/** What the records become, or why they may not; the very same object means that nothing is to be written that is not on disk for certain. */
export type Change = (records: LocalRecords) => Result<LocalRecords>;

/** Changes the records; the answer comes after the fsync. A save that failed may be on disk all the same. */
export function amend(ctx: Context, change: Change): Promise<Result<void>> {
  const queue = queues.get(ctx) ?? { last: Promise.resolve(), waiting: 0, unsure: false };
  queues.set(ctx, queue);
  if (queue.waiting >= waitingMax)
    return Promise.resolve(failed({ of: 'disk', kind: 'throttled', done: 'no', detail: 'the records wait for the volume' }));
  queue.waiting += 1;
  const mine = queue.last.then(() => save(ctx, queue, change));
  queue.last = mine.finally(() => {
    queue.waiting -= 1;
  });
  return mine;
}

async function save(ctx: Context, queue: Queue, change: Change): Promise<Result<void>> {
  const { memory, ports } = ctx;
  const changed = change(memory.records);
  if (!changed.ok) return changed;
  if (changed.value === memory.records && !queue.unsure) return ok();
  const saved = await ports.records.save(changed.value);
  queue.unsure = saved.ok ? false : queue.unsure || saved.fault.done === 'maybe';
  if (saved.ok) memory.records = changed.value;
  return saved;
}
