/** Pods in the last listing; undefined while the pods are unknown as well, so that absence proves nothing here. */
import type { MemberName, PodSight } from './model.ts';
import type { View } from './view.ts';

type Listed = Pick<View, 'pods'>;

export function podOf({ pods }: Listed, name: MemberName): PodSight | undefined {
  return pods.known ? pods.value.find((pod) => pod.name === name) : undefined;
}

/** The pod of this very agent: one that was made again under the same name has another UID. */
export function ownPod({ pods }: Listed, self: { name: MemberName; uid: string }): PodSight | undefined {
  return pods.known ? pods.value.find((pod) => pod.name === self.name && pod.uid === self.uid) : undefined;
}
