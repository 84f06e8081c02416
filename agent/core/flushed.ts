/**
 * What the standbys have on disk, as far as that is certain. The primary's rows tell it once a sender is known to have had
 * an acknowledgement; until then a row holds nothing, and a standby's own word does as well: a member whose WAL carries
 * the term of this promotion has it from this primary alone, so that its position is one in the same history.
 */
import type { Lsn } from './lsn.ts';
import type { MemberName, PrimaryInstance } from './model.ts';
import { positionOf } from './position.ts';
import type { View } from './view.ts';

export function isStreaming(me: PrimaryInstance, name: MemberName): boolean {
  return me.senders.some((sender) => sender.name === name && sender.state === 'Streaming');
}

/** How many of the names have flushed that position. A member counts once, however many connections it has left behind. */
export function flushedBy(
  view: Pick<View, 'peers' | 'promotion'>,
  me: PrimaryInstance,
  names: MemberName[],
  barrier: Lsn,
): number {
  return names.filter((name) => isStreaming(me, name) && (isShown(me, name, barrier) || isTold(view, name, barrier))).length;
}

function isShown(me: PrimaryInstance, name: MemberName, barrier: Lsn): boolean {
  return me.senders.some((sender) => sender.name === name && sender.flushed !== undefined && sender.flushed >= barrier);
}

function isTold(view: Pick<View, 'peers' | 'promotion'>, name: MemberName, barrier: Lsn): boolean {
  const state = view.peers[name]?.state;
  const term = view.promotion?.term;
  if (state === undefined || state.instance !== 'standby' || state.term !== term) return false;
  return positionOf(state).lsn >= barrier;
}

/** Whether asking those standbys themselves may tell more: one streams, and its row holds nothing. */
export function areUnheard(view: View, me: PrimaryInstance, names: MemberName[], barrier: Lsn): boolean {
  return names.some((name) => isStreaming(me, name) && !isTold(view, name, barrier) && !isKnown(me, name));
}

function isKnown(me: PrimaryInstance, name: MemberName): boolean {
  return me.senders.some((sender) => sender.name === name && sender.flushed !== undefined);
}
