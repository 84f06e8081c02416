/** Pods in the last listing; undefined while the pods are unknown as well, so that absence proves nothing here. */
import type { MemberName, PodSight } from './model.ts';
import type { View } from './view.ts';

type Listed = Pick<View, 'pods'>;

export function podOf({ pods }: Listed, name: MemberName): PodSight | undefined {
  return pods.known ? pods.value.find((pod) => pod.name === name) : undefined;
}

/** That very pod: one that was made again under the same name has another UID. */
export function exactPod({ pods }: Listed, of: { name: MemberName; uid: string | undefined }): PodSight | undefined {
  return pods.known ? pods.value.find((pod) => pod.name === of.name && pod.uid === of.uid) : undefined;
}
