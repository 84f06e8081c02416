/** Pods in the last listing; undefined while the pods are unknown as well, so that absence proves nothing here. */
import type { MemberName, PodSight } from './model.ts';
import type { View } from './view.ts';

type Listed = Pick<View, 'pods'>;

export function podOf({ pods }: Listed, name: MemberName): PodSight | undefined {
  return pods.known ? pods.value.find((pod) => pod.name === name) : undefined;
}

/**
 * Whether the own container has too little time left for that: its pod was deleted by force, which leaves it two seconds and a
 * token that the API server refuses before long, or with a shorter grace. A list that is not known cuts nothing short.
 */
export function isCutShort(view: Pick<View, 'pods' | 'self'>, neededSeconds: number): boolean {
  if (!view.pods.known) return false;
  const own = exactPod(view, view.self);
  return own === undefined || (own.terminating && (own.graceSeconds ?? neededSeconds) < neededSeconds);
}

/** That very pod: one that was made again under the same name has another UID. */
export function exactPod({ pods }: Listed, of: { name: MemberName; uid: string | undefined }): PodSight | undefined {
  return pods.known ? pods.value.find((pod) => pod.name === of.name && pod.uid === of.uid) : undefined;
}
