/**
 * Servers that live and do nothing. One that answers nothing is killed after `hangSeconds`; one whose volume does not
 * answer either has hung for as long as that, and is not waited for a second time. What was killed and is held in the
 * kernel by a dead volume acknowledges nothing any more, so that the lease need not wait for its end (ha-semantics F4,
 * F57). Standing still for less costs nothing.
 */
import { only, renewing } from './decision.ts';
import { unaskedHeir } from './election.ts';
import { holds } from './lease.ts';
import type { Mono } from './model.ts';
import type { Decision, View } from './view.ts';

/** A server that has not answered since that moment. */
export function whenMute(view: View, since: Mono): Decision {
  const stuck = view.disk?.stuck;
  // Without a renewal the permit ends, whatever becomes of the kill (K14).
  if (stuck !== undefined && holds(view)) return only('hung', { instance: { do: 'fence' }, note: stuck });
  if (view.now - since < view.config.hangSeconds * 1000) return renewing(view, 'hung', { note: 'waiting for an answer' });
  return renewing(view, 'hung', { instance: { do: 'fence' } });
}

/** When a server that answers nothing now will have hung for long enough. */
export function hungAt(view: View): Mono | undefined {
  const { instance } = view;
  return instance.is === 'hung' && instance.killed !== true ? instance.since + view.config.hangSeconds * 1000 : undefined;
}

/**
 * A primary whose volume hangs or is broken acknowledges nothing more; where a standby can take over it is killed. Its
 * lease is not renewed any more: a process that waits for the volume may be killed and still be there (K14).
 */
export function lostVolume(view: View): Decision | undefined {
  const { stuck, broken } = view.disk ?? {};
  const why = stuck ?? (/read-only|failed/.test(broken ?? '') ? broken : undefined);
  if (why === undefined || unaskedHeir(view) === undefined) return undefined;
  return only(stuck === undefined ? 'volume-failed' : 'hung', { instance: { do: 'fence' }, note: why });
}

/** SIGKILL is on its way through a process that is stuck in the kernel. */
export function whenKilled(view: View): Decision {
  const note = 'it was killed and is not gone yet';
  if (!holds(view)) return only('hung', { note });
  return only('hand-over', { lease: { do: 'release', heir: unaskedHeir(view) }, note });
}
