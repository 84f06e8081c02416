/**
 * The crash policy (ha-semantics 7.3): a holder that sees its server gone gives the lease to an heir at once when a vote
 * set answers, and restarts in place otherwise, for a bounded time and once in five minutes. A member whose server has
 * just ended as primary lets another one go first, and one that ends again and again right after its promotion waits
 * ever longer: what kills it may well be what all members share. The lease is never given away while a promotion that
 * was asked of a living server may still happen. Where failover is manual it stays here: only people ask another one.
 */
import { only, renewing } from './decision.ts';
import { reportedHeir } from './cutoff.ts';
import { bestHeir, unaskedHeir } from './election.ts';
import { holds, recordOf } from './lease.ts';
import type { Instance, MemberName, Mono } from './model.ts';
import { isVoteSet } from './sync.ts';
import type { Decision, View } from './view.ts';

/** Crashes longer ago than this are forgotten. */
const windowMs = 5 * 60_000;
/** After so many in the window nothing is restarted in place any more. */
const restartsMax = 1;
/** A server that was primary for less than this has not proven that it can be one. */
const shortReignMs = 3000;
const shortReignsMax = 2;
const longestWaitMs = 60_000;

/** The holder's server is gone. */
export function whenLeaderStopped(view: View, instance: Extract<Instance, { is: 'stopped' }>): Decision {
  if (view.switchover?.handedOver === true) {
    return only('switchover', { lease: { do: 'release', heir: view.switchover.target } });
  }
  const heir = otherFor(view);
  if (heir !== undefined) return only('hand-over', { lease: { do: 'release', heir }, note: `heir ${heir}` });
  const why = othersMayStand(view) ? tooMuch(view) : undefined;
  if (why !== undefined) return only('hand-over', { lease: { do: 'release', heir: undefined }, note: why });
  if (view.disk?.noRoom !== undefined) return renewing(view, 'disk-full', { note: view.disk.noRoom });
  const held = heldOff(view);
  if (held !== undefined) return renewing(view, 'held-off', { note: held });
  const failure = view.failures['start'];
  if (failure !== undefined && view.now < failure.retryAt) return renewing(view, 'start-failed', { note: failure.fault.detail });
  const record = recordOf(view.lease);
  const alone = record !== undefined && isVoteSet(record, [{ name: view.self.name, dataId: instance.data.dataId }]);
  // Who needs the others' votes freezes and compares first, which takes a standby.
  return renewing(view, 'restart-in-place', { instance: { do: 'start', mode: alone ? 'pending' : 'standby' } });
}

/** Recovery may take long; others that this member does not see may be able to go on meanwhile. */
export function whenStarting(view: View, instance: Extract<Instance, { is: 'starting' }>): Decision {
  const age = view.now - instance.since;
  if (!holds(view) || age <= view.config.primaryStartTimeoutSeconds * 1000 || !othersMayStand(view))
    return renewing(view, 'starting');
  if (view.promotion !== undefined) return renewing(view, 'promotion-stalled', { instance: { do: 'fence' } });
  const note = 'the server takes too long to start';
  return only('hand-over', { lease: { do: 'release', heir: unaskedHeir(view) }, note });
}

/** Somebody who can take over, and may without being asked by a person. */
function otherFor(view: View): MemberName | undefined {
  return view.config.failover === 'manual' ? undefined : (bestHeir(view)?.name ?? reportedHeir(view));
}

/** Others that this member does not see may be able to go on; not where only people make a standby take over. */
function othersMayStand(view: View): boolean {
  if (view.config.failover === 'manual') return false;
  return !view.pods.known || view.pods.value.some((pod) => pod.name !== view.self.name);
}

/** Why the lease is not kept for another try here. */
function tooMuch(view: View): string | undefined {
  const crashes = recent(view).length;
  if (crashes > restartsMax) return `the server has ended ${crashes} times in ${windowMs / 60_000} minutes`;
  const late = view.downSince !== undefined && view.now - view.downSince > view.config.primaryStartTimeoutSeconds * 1000;
  return late ? 'the server could not be started in time' : undefined;
}

/**
 * Why this member does not stand now although it could; bounded. An heir need not let another one go first, but it waits
 * as well when promotions end at once: naming each other as heirs is how two members would go to and fro.
 */
export function heldOff(view: View, heir = false): string | undefined {
  const crashes = recent(view);
  const last = crashes.at(-1);
  if (last === undefined) return undefined;
  const short = crashes.filter((crash) => crash.reignMs < shortReignMs).length;
  const waitMs = short > shortReignsMax ? Math.min(longestWaitMs, 1000 * 2 ** (short - shortReignsMax)) : 0;
  if (view.now < last.at + waitMs)
    return `${short} promotions ended at once; the next one waits ${seconds(last.at + waitMs, view.now)} s`;
  const turnEnds = last.at + view.config.lease.durationSeconds * 1000;
  const other = !heir && view.now < turnEnds ? otherFor(view) : undefined;
  return other === undefined ? undefined : `${other} goes first for ${seconds(turnEnds, view.now)} s`;
}

function recent(view: View) {
  return (view.crashes ?? []).filter((crash) => view.now - crash.at < windowMs);
}

function seconds(end: Mono, now: Mono): number {
  return Math.ceil((end - now) / 1000);
}
