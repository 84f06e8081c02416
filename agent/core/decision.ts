/** Short ways to write decisions down; no rule lives here. */
import { holds } from './lease.ts';
import type { Reason } from './reasons.ts';
import type { Decision, InstanceIntent, LeaseIntent, View } from './view.ts';

const nothing = { do: 'nothing' } as const;

/** A reason and what goes with it; what is not named is left alone. */
export function only(reason: Reason, parts: { lease?: LeaseIntent; instance?: InstanceIntent; note?: string } = {}): Decision {
  const decision: Decision = { lease: parts.lease ?? nothing, instance: parts.instance ?? nothing, reason };
  if (parts.note !== undefined) decision.note = parts.note;
  return decision;
}

/** The same for a member that may be the holder: it renews whatever else it does, busy and paused cycles included. */
export function renewing(view: View, reason: Reason, parts: { instance?: InstanceIntent; note?: string } = {}): Decision {
  return only(reason, { ...parts, lease: holds(view) ? { do: 'renew' } : nothing });
}
