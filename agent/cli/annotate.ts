/**
 * Annotations on the pod of one member, on behalf of a person. The pod is named by its uid and version as they were
 * read: an annotation meant for a pod that has been replaced meanwhile does not land on the next one.
 */
import { complain, exit, type Io } from './io.ts';
import type { KubeAccess } from './kube.ts';

const deadlineMs = 3000;
const tries = 3;

/** Sets (text) or removes (null) annotations; the value is the exit code. */
export async function annotate(
  io: Io,
  { kube, settings }: KubeAccess,
  member: string,
  annotations: Record<string, string | null>,
): Promise<number> {
  for (let turn = 1; ; turn += 1) {
    const pods = await kube.listPods(deadlineMs);
    if (!pods.ok) return complain(io, exit.failed, `the pods could not be listed: ${pods.fault.detail}`, pods.fault.hint);
    const pod = pods.value.find((one) => one.name === member);
    if (pod === undefined) {
      const names = pods.value.map((one) => one.name).join(', ') || 'none';
      return complain(io, exit.refused, `${member} is not a member of ${settings.cluster}`, `The members are ${names}.`);
    }
    const same = Object.entries(annotations).every(([key, value]) => (pod.annotations[key] ?? null) === value);
    if (same) return exit.done;
    const patched = await kube.patchPod(pod, { annotations }, deadlineMs);
    if (patched.ok) return exit.done;
    // Agents label the same pods; another look is all that a conflict needs.
    if (patched.fault.kind === 'conflict' && turn < tries) continue;
    return complain(io, exit.failed, `${member} could not be annotated: ${patched.fault.detail}`, patched.fault.hint);
  }
}
