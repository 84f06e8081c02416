/**
 * Who of those that were frozen has the most, and may lead. A vote set holds everything that was acknowledged, so whoever is
 * level with all of one may lead. A member that votes and may not lead, one that people have paused for instance, stands in the
 * way only where no vote set is left without it; then nobody has all that it may have acknowledged, and people are told.
 */
import { candidates, comparePositions, freshPeer, isAhead } from './election.ts';
import { enoughVotes } from './loss.ts';
import { formatLsn } from './lsn.ts';
import type { LeaseRecord, MemberName, PeerState, StandbyInstance } from './model.ts';
import { positionOf } from './position.ts';
import type { View } from './view.ts';

export type Furthest =
  | { is: 'self' }
  /** Ahead, and may lead. */
  | { is: 'other'; name: string }
  /** Ahead, needed, and may not lead: why, for people. */
  | { is: 'nobody'; why: string };

/** Compares the holder with those whose redo has finished. */
export function furthest(view: View, record: LeaseRecord, me: StandbyInstance, finished: PeerState[]): Furthest {
  const ahead = aheadOf(me, finished);
  const best = ahead.find((vote) => mayLead(view, vote));
  if (best !== undefined) return { is: 'other', name: best.name };
  if (ahead.length === 0) return { is: 'self' };
  const self = { name: view.self.name, dataId: me.data.dataId };
  if (enoughVotes(view, record, [self, ...finished.filter((vote) => !ahead.includes(vote))])) return { is: 'self' };
  return { is: 'nobody', why: ahead.map((vote) => barText(view, vote)).join('; ') };
}

/**
 * Who was passed over in the taking of this lease, and has more: a holder whose own vote is enough freezes and compares nobody.
 * Nobody else is looked at, and never in a turn that was left to this member: whoever is ahead may be unable to lead.
 */
export function passedOver(view: View, me: StandbyInstance): MemberName | undefined {
  const passed = candidates(view).filter((state) => view.passedOver?.includes(state.name) === true);
  return aheadOf(me, passed)[0]?.name;
}

/** Those with more than this member, the furthest first. */
function aheadOf(me: StandbyInstance, states: PeerState[]): PeerState[] {
  return states.filter((state) => isAhead(state, me)).sort((a, b) => comparePositions(positionOf(a), positionOf(b)));
}

/** By its latest word: it may have been paused, or let go again, since it voted. */
function mayLead(view: View, vote: PeerState): boolean {
  return (freshPeer(view, vote.name) ?? vote).eligible;
}

function barText(view: View, vote: PeerState): string {
  const { name, reason } = freshPeer(view, vote.name) ?? vote;
  return `${name} is ahead of ${view.self.name}, at ${formatLsn(positionOf(vote).lsn)}, its vote is needed, and it may not lead: ${reason}`;
}
