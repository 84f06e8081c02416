/**
 * What a member does that people have paused or fenced. A paused one begins nothing; it goes on renewing, and finishes
 * the change it was in the middle of, as commits would wait for it for as long as the pause lasts. That a primary
 * without a permit is killed comes before all of it (I1).
 */
import { isScheduled, liveRequest } from './asked.ts';
import { isOwnPast } from './death.ts';
import { only, renewing } from './decision.ts';
import { bestHeir } from './election.ts';
import { whenStoppingAsLeader } from './leader.ts';
import { holds, leads, recordOf } from './lease.ts';
import type { PrimaryInstance } from './model.ts';
import { isValid, type LeaderPermit } from './permit.ts';
import { syncStep } from './sync.ts';
import type { Decision, View } from './view.ts';

/**
 * Fenced by hand: a primary hands over first, as on SIGTERM; then the server is stopped and kept down. The lease goes
 * last, when the view shows no process, to whoever can take over.
 */
export function whenFenced(view: View): Decision {
  const { instance, permit } = view;
  if (instance.is === 'primary' && leads(view) && isValid(permit, view.now))
    return { ...whenStoppingAsLeader(view, instance, permit), reason: 'fenced' };
  if ('process' in instance) {
    // A promotion that was asked for may still happen, and a hung server stops for nobody.
    const kill = view.promotion !== undefined || instance.is === 'hung';
    return renewing(view, 'fenced', { instance: { do: kill ? 'fence' : 'stop' } });
  }
  // Also that of an earlier container of this pod: people who look for a proof that nobody leads find it free.
  const record = recordOf(view.lease);
  const past = record !== undefined && record.garbage === undefined && isOwnPast(view, record);
  if (!holds(view) && !past) return { ...only('fenced'), ...refusedIn(view, 'fenced') };
  const heir = view.switchover?.handedOver === true ? view.switchover.target : bestHeir(view)?.name;
  return only('fenced', { lease: { do: 'release', heir } });
}

/** Renews, and finishes what was begun; begins nothing. */
export function whenPaused(view: View): Decision {
  const note = view.hand.until === undefined ? undefined : `until ${view.hand.until}`;
  const { instance, job, permit } = view;
  if (job === undefined && instance.is === 'primary' && leads(view) && isValid(permit, view.now)) {
    const rest = finish(view, instance, permit);
    if (rest !== undefined) return rest;
  }
  return { ...renewing(view, 'paused', note === undefined ? {} : { note }), ...refusedIn(view, 'paused') };
}

/**
 * Nobody acts on a request meanwhile: it is refused by the one that would have taken it up, rather than left to its
 * deadline. What runs already is finished, undone or timed out by its own rules.
 */
function refusedIn(view: View, state: 'paused' | 'fenced'): Pick<Decision, 'answer'> {
  const request = liveRequest(view);
  if (request?.phase !== 'open' || isScheduled(view, request)) return {};
  const { name } = view.self;
  const own = request.kind === 'restart' || request.kind === 'failover';
  if (own ? request.target !== name : state === 'fenced' || !leads(view)) return {};
  if (state === 'fenced') {
    const result = `${name} is fenced: its server is kept down`;
    return { answer: { id: request.id, phase: 'refused', result, hint: `Run agent unfence ${name} first.` } };
  }
  const { cluster } = view.hand;
  const result = `${cluster ? 'the cluster' : name} is paused: nothing is started, stopped, promoted or demoted`;
  return { answer: { id: request.id, phase: 'refused', result, hint: `Run agent resume${cluster ? '' : ` ${name}`} first.` } };
}

function finish(view: View, me: PrimaryInstance, permit: LeaderPermit): Decision | undefined {
  if (view.promotion === undefined) return undefined;
  if (!view.promotion.settled) return renewing(view, 'paused', { instance: { do: 'settle', permit } });
  if (view.switchover?.handedOver === false) {
    return renewing(view, 'paused', { instance: { do: 'undo-switchover', permit, why: 'the cluster was paused' } });
  }
  const step = syncStep(view, me);
  if (step.do === 'set') {
    const { names, mostAvailable } = step;
    return renewing(view, 'paused', { instance: { do: 'set-sync', permit, names, mostAvailable } });
  }
  if (step.do !== 'record' || (recordOf(view.lease)?.entries.length ?? 0) < 2) return undefined;
  const change = { entries: step.entries, syncMode: step.syncMode };
  return { ...renewing(view, 'paused'), lease: { do: 'renew', change } };
}
