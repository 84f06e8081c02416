/** A Pod as a PodSight: what the loop needs of it and nothing else. Never fails; what is missing is undefined. */
import type { V1ContainerState, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import type { PodSight } from '../../core/model.ts';
import type { Wire } from './wire.ts';

/** The container that runs server and agent. */
const ownContainer = 'og';

/** What a Pod tells. */
export function decodePod(pod: Wire<V1Pod>): PodSight {
  const { metadata = {}, spec, status } = pod;
  const container = status?.containerStatuses?.find((one) => one.name === ownContainer);
  const startedAt = container?.state?.running?.startedAt;
  const ends = [container?.state?.terminated, container?.lastState?.terminated];
  // A kubelet that has lost sight of a container writes an end of it as well, and says so: that one proves nothing.
  const ended = ends.flatMap((end) => (end?.containerID && end.reason !== 'ContainerStatusUnknown' ? [end.containerID] : []));
  return {
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    ip: status?.podIP || undefined,
    resourceVersion: metadata.resourceVersion ?? '',
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    terminating: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    ...(typeof metadata.deletionGracePeriodSeconds === 'number' ? { graceSeconds: metadata.deletionGracePeriodSeconds } : {}),
    createdAt: metadata.creationTimestamp ?? '',
    node: spec?.nodeName || undefined,
    ...claimsOf(spec),
    container: {
      id: container?.containerID || undefined,
      state: stateOf(container?.state),
      ...(startedAt === undefined || startedAt === null ? {} : { startedAt }),
      ...(ended.length === 0 ? {} : { ended }),
    },
  };
}

function claimsOf(spec: Wire<V1PodSpec> | undefined): Pick<PodSight, 'claims'> {
  const container = spec?.containers?.find((one) => one.name === ownContainer);
  const claims = (container?.volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const claim = spec?.volumes?.find((volume) => volume.name === name)?.persistentVolumeClaim?.claimName;
    return claim === undefined ? [] : [{ path: mountPath, claim }];
  });
  return claims.length === 0 ? {} : { claims };
}

function stateOf(state: Wire<V1ContainerState> | undefined): PodSight['container']['state'] {
  if (state?.running) return 'running';
  if (state?.terminated) return 'terminated';
  if (state?.waiting) return 'waiting';
  return 'unknown';
}
