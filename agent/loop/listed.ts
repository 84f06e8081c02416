/**
 * Keeps the own pod where the others look for it. Without its labels a member that is alive is no member any more to its
 * peers, the Services and the StatefulSet, which takes a pod that it does not select for nobody's. What somebody else has put in
 * place of a label stays; only what decides who the members are is set right. It never touches another pod.
 */
import { clusterLabels } from '../core/labels.ts';
import type { PodSight } from '../core/model.ts';
import type { Context } from './context.ts';
import { changePod } from './readings.ts';

/** What the peers select by. */
const memberLabel = 'opengauss.cluster';
/** Those whose pod was deleted while they run: there is nothing to put a label on. */
const deleted = new WeakSet<Context>();

/** Puts back what is missing on the own pod; true when there was something, so that the rest is done on the next look. */
export async function staysListed(ctx: Context, own: PodSight | undefined): Promise<boolean> {
  if (deleted.has(ctx)) return false;
  const { memory, self } = ctx;
  const wanted = clusterLabels(self.cluster);
  const missing = Object.entries(wanted).filter(([key]) =>
    own === undefined ? key === memberLabel : own.labels[key] === undefined,
  );
  if (missing.length === 0) return false;
  const labels = Object.fromEntries(missing);
  const patched = await changePod(ctx, { name: self.name, uid: self.uid }, { labels });
  if (patched.ok) ctx.log.warn('labels of the own pod were missing and are put back', { labels });
  // Gone, or made anew under the same name.
  else if (patched.fault.kind === 'absent' || patched.fault.code === '422') deleted.add(ctx);
  if (!patched.ok) return false;
  memory.stale.add('pods');
  ctx.nudge();
  return true;
}
