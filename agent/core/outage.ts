/**
 * What a primary does that cannot renew its lease and goes on by promises: it keeps what there is. Whether it may go on
 * is arithmetic, and stands in failsafe.ts; here nothing extends a permit.
 */
import { renewing } from './decision.ts';
import type { PrimaryInstance } from './model.ts';
import type { LeaderPermit } from './permit.ts';
import { syncStep } from './sync.ts';
import type { Decision, Failsafe, View } from './view.ts';

/**
 * While the lease cannot be renewed nothing is begun that the record has to know of: no change of the set, no degrading,
 * no hand-over. Names that the record has already are set all the same, as commits wait for them.
 */
export function withoutApiServer(view: View, me: PrimaryInstance, permit: LeaderPermit, failsafe: Failsafe): Decision {
  const note = failsafe.promisers.length === 0 ? 'nobody else may lead' : `promised by ${failsafe.promisers.join(', ')}`;
  if (view.switchover !== undefined) {
    const why = 'the API server does not answer';
    return renewing(view, 'failsafe', { instance: { do: 'undo-switchover', permit, why }, note });
  }
  const step = syncStep(view, me);
  if (step.do !== 'set') return renewing(view, 'failsafe', { note });
  const { names, mostAvailable } = step;
  return renewing(view, 'failsafe', { instance: { do: 'set-sync', permit, names, mostAvailable }, note });
}
