/** How far a standby is: the term that its WAL carries first, then the place in it. */
import type { Lsn } from './lsn.ts';
import type { StandbyInstance, Term } from './model.ts';

export interface Position {
  term: Term;
  lsn: Lsn;
}

/** What a standby has, received or replayed: the receive location is empty soon after the stream ended. */
export function positionOf(standby: Pick<StandbyInstance, 'term' | 'received' | 'replayed'>): Position {
  const received = standby.received ?? 0n;
  const replayed = standby.replayed ?? 0n;
  return { term: standby.term, lsn: received > replayed ? received : replayed };
}

/** Negative when `a` is ahead. */
export function comparePositions(a: Position, b: Position): number {
  if (a.term !== b.term) return b.term - a.term;
  return a.lsn === b.lsn ? 0 : a.lsn > b.lsn ? -1 : 1;
}
