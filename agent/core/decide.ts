/**
 * The whole policy: a pure function from what was seen to what is done about the lease and about the local server,
 * with one reason. Safety first, then stopping and pausing, then long work, then one switch over the shapes a
 * server can have. It promises: no primary without a valid permit (I1), nothing decided on the unknown (I2), no step
 * that relies on another one of the same cycle (I3). It does not promise that an effect happens; the next view tells.
 */
import { isHungPrimary, isPastRecord, isStranger, mayAcknowledge, processOf } from './acting.ts';
import { whenFenced, whenPaused } from './byhand.ts';
import { whenLeaderStopped, whenStarting } from './crash.ts';
import { only, renewing } from './decision.ts';
import { bestHeir, unaskedHeir } from './election.ts';
import { whenEmpty, whenPending, whenStandby, whenStopped, whenUnfinished } from './follower.ts';
import { endOf, takeLead, whenLeading, whenStoppingAsLeader } from './leader.ts';
import { lostVolume, whenKilled, whenMute } from './hang.ts';
import { holds, leads, mending, recordOf, vanished } from './lease.ts';
import type { Instance } from './model.ts';
import { ordered } from './orders.ts';
import { isValid } from './permit.ts';
import { reapFirst } from './reap.ts';
import type { Decision, View } from './view.ts';

export function decide(view: View): Decision {
  return reapFirst(view, policy(view));
}

function policy(view: View): Decision {
  const unsafe = fenceFirst(view) ?? mendLease(view);
  if (unsafe !== undefined) return unsafe;
  if (view.stopping) return whenStopping(view);
  if (view.paused) return whenPaused(view);
  if (view.job !== undefined) return renewing(view, jobReason(view));
  // The lease may still name us from before a restart of the agent: renew first, act in a cycle that shows it.
  if (holds(view) && !isValid(view.permit, view.now)) return renewing(view, 'lease-claimed-back');
  if (view.hand.fenced) return whenFenced(view);
  return ordered(view) ?? byShape(view, view.instance);
}

function byShape(view: View, instance: Instance): Decision {
  const permit = holds(view) && isValid(view.permit, view.now) ? view.permit : undefined;
  switch (instance.is) {
    case 'empty':
      return whenEmpty(view);
    case 'unusable':
      return permit === undefined
        ? only('data-unusable', { note: instance.detail })
        : only('data-unusable', { lease: { do: 'release', heir: unaskedHeir(view) }, note: instance.detail });
    case 'unfinished':
      return whenUnfinished(view);
    case 'stopped':
      return permit === undefined || foreign(view, instance) ? whenStopped(view, instance) : whenLeaderStopped(view, instance);
    case 'starting':
      // Found running, and not heard yet: it may be a primary that has no session left for the agent.
      return isStranger(view) ? whenMute(view, instance.since) : whenStarting(view, instance);
    case 'hung':
      return instance.killed === true ? whenKilled(view) : whenMute(view, instance.since);
    case 'pending':
      return permit === undefined ? whenPending(view) : takeLead(view, instance, permit);
    case 'standby':
      return permit === undefined ? whenStandby(view, instance) : takeLead(view, instance, permit);
    case 'primary':
      if (permit === undefined) return only('permit-lost', { instance: { do: 'fence' } });
      return lostVolume(view) ?? whenLeading(view, instance, permit);
  }
}

function foreign(view: View, instance: Extract<Instance, { is: 'stopped' }>): boolean {
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  return systemId !== undefined && systemId !== instance.data.systemId;
}

/**
 * I1: a server that is primary, or may become it by a promotion already asked for, without a valid permit is killed,
 * whatever else is true, even when paused. An agent that has just restarted holds no permit yet; PID 1 guards the
 * server by the last deadline meanwhile, and the lease decides whether it may be claimed back.
 */
function fenceFirst(view: View): Decision | undefined {
  if (!mayAcknowledge(view)) return undefined;
  const record = recordOf(view.lease);
  const fence = { do: 'fence' } as const;
  if (leads(view)) {
    const note = 'it is primary by no promotion that the lease records';
    return isPastRecord(view) ? only('not-eligible', { instance: fence, note }) : undefined;
  }
  if (view.lease.known && record?.holder !== view.self.identity) {
    return only(record === undefined ? 'lease-absent' : 'other-holder', { instance: fence });
  }
  if (view.permit !== undefined || !view.self.guarded) return only('permit-lost', { instance: fence });
  if (record?.garbage !== undefined) return mendLease(view);
  return view.lease.known ? only('lease-claimed-back', { lease: { do: 'renew' } }) : only('lease-unknown');
}

/**
 * A Lease that was deleted or damaged under its holder is written again from what the holder knows. One who does not
 * know, an agent that has just started, writes nothing: a renewal would put an empty list in the place of the entries.
 */
function mendLease(view: View): Decision | undefined {
  const gone = vanished(view);
  if (gone !== undefined) return only('lease-mended', { lease: { do: 'recreate', record: gone }, note: 'it was deleted' });
  const garbage = holds(view) ? recordOf(view.lease)?.garbage : undefined;
  if (garbage === undefined) return undefined;
  if (view.held === undefined) return only('lease-garbage', { note: garbage });
  return only('lease-mended', { lease: { do: 'renew', change: mending(view.held) }, note: garbage });
}

function jobReason(view: View): 'building' | 'initialising' | 'promoting' | 'switchover' | 'stopping' | 'fenced' | 'restarting' {
  switch (view.job?.kind) {
    case 'build':
      return 'building';
    case 'initialise':
      return 'initialising';
    case 'promote':
      return 'promoting';
    case 'stop':
      return view.stopping ? 'stopping' : view.hand.fenced ? 'fenced' : 'restarting';
    default:
      return 'switchover';
  }
}

/** SIGTERM: hand over first, stop second, release last; the process ends when a view shows all of it done. */
function whenStopping(view: View): Decision {
  const { instance } = view;
  if (view.job !== undefined && view.job.kind !== 'build') return renewing(view, 'stopping');
  if (instance.is === 'primary' && isValid(view.permit, view.now) && holds(view)) {
    return whenStoppingAsLeader(view, instance, view.permit);
  }
  if (processOf(instance) !== undefined) {
    const end = isHungPrimary(instance) ? endOf(view) : ({ do: 'stop' } as const);
    return renewing(view, 'stopping', { instance: end });
  }
  if (!holds(view)) return only('stopped');
  const heir = view.switchover?.handedOver === true ? view.switchover.target : bestHeir(view)?.name;
  return only('stopping', { lease: { do: 'release', heir } });
}
