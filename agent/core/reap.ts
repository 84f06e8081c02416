/**
 * A lease is never released over a server that may still become primary by a promotion that was asked for: the next holder
 * would promote beside it. The server goes first, and the lease in a later cycle that shows no process (I1, I9). It stands
 * between all rules and their effect, so that none of them has to think of it.
 */
import { renewing } from './decision.ts';
import { recordOf } from './lease.ts';
import type { ServerProcess } from './model.ts';
import type { Decision, View } from './view.ts';

/** The decision, or the end of the server that has to come before it. */
export function reapFirst(view: View, decision: Decision): Decision {
  if (decision.lease.do !== 'release' || !mayBePromoting(view)) return decision;
  return renewing(view, decision.reason, {
    instance: { do: 'fence' },
    note: `${decision.note === undefined ? '' : `${decision.note}; `}a promotion may be under way`,
  });
}

function mayBePromoting(view: View): boolean {
  const process = 'process' in view.instance ? view.instance.process : undefined;
  if (process === undefined) return false;
  // What an agent before this one asked of the server that it left running, only the record tells.
  const asked = recordOf(view.lease)?.promoting?.member === view.self.name && isSame(view.found, process);
  return asked || isSame(view.promotion?.process, process);
}

function isSame(a: ServerProcess | undefined, b: ServerProcess): boolean {
  return a !== undefined && a.pid === b.pid && a.startTime === b.startTime;
}
