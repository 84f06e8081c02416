/** A Pod as a PodSight: what the loop needs of it and nothing else. Never fails; what is missing is undefined. */
import type { V1ContainerState, V1Pod } from '@kubernetes/client-node';
import type { PodSight } from '../../core/model.ts';
import type { Wire } from './wire.ts';

/** The container that runs server and agent. */
const ownContainer = 'og';

/** What a Pod tells. */
export function decodePod(pod: Wire<V1Pod>): PodSight {
  const { metadata = {}, spec, status } = pod;
  const container = status?.containerStatuses?.find((one) => one.name === ownContainer);
  return {
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    ip: status?.podIP || undefined,
    resourceVersion: metadata.resourceVersion ?? '',
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    terminating: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    createdAt: metadata.creationTimestamp ?? '',
    node: spec?.nodeName || undefined,
    container: { id: container?.containerID || undefined, state: stateOf(container?.state) },
  };
}

function stateOf(state: Wire<V1ContainerState> | undefined): PodSight['container']['state'] {
  if (state?.running) return 'running';
  if (state?.terminated) return 'terminated';
  if (state?.waiting) return 'waiting';
  return 'unknown';
}
