/**
 * A lease is never released over a server that may still become primary by a promotion that was asked for: the next holder
 * would promote beside it. The server goes first, and the lease in a later cycle that shows no process (I1, I9). It stands
 * between all rules and their effect, so that none of them has to think of it. Where nobody can tell whether a server runs,
 * no lease is released at all (I2).
 */
import { isDoomed, isSame, processOf } from './acting.ts';
import { only, renewing } from './decision.ts';
import { recordOf } from './lease.ts';
import type { Reason } from './reasons.ts';
import type { Decision, View } from './view.ts';

/** What a server is killed for: by itself, or before its lease is released. */
export const fenceReasons = [
  ...(['permit-lost', 'other-holder', 'lease-absent', 'hung', 'volume-failed', 'promotion-stalled', 'cut-off'] as const),
  ...(['not-eligible', 'not-most-advanced', 'data-unusable', 'hand-over', 'switchover', 'stopping', 'fenced'] as const),
] satisfies Reason[];

/** The decision, or the end of the server that has to come before it. */
export function reapFirst(view: View, decision: Decision): Decision {
  if (decision.lease.do !== 'release') return decision;
  // Not renewed either: what may run there ends at PID 1's deadline, and the lease some time after that.
  if (view.instance.is === 'unusable' && view.instance.blind === true)
    return only(decision.reason, { note: view.instance.detail });
  if (!mayBePromoting(view)) return decision;
  return renewing(view, decision.reason, {
    instance: { do: 'fence' },
    note: `${decision.note === undefined ? '' : `${decision.note}; `}a promotion may be under way`,
  });
}

function mayBePromoting(view: View): boolean {
  const process = processOf(view.instance);
  // What was killed does nothing more, though a volume may hold it in the kernel.
  if (process === undefined || isDoomed(view.instance)) return false;
  // What an agent before this one asked of the server that it left running, only the record tells.
  const asked = recordOf(view.lease)?.promoting?.member === view.self.name && !isSame(view.startedHere, process);
  return asked || isSame(view.promotion?.process, process);
}
