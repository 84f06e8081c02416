/** The labels by which a member's pod is found: by its peers, the Services, the StatefulSet, the budget. Data only. */

/** `primary`, which the write Service selects, or `standby`; absent while the member is neither, or not fit. */
export const roleLabel = 'opengauss.role';
/** `true` on those that the read Service selects. */
export const readableLabel = 'opengauss.readable';

/** What every object of a cluster carries. */
export function clusterLabels(cluster: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'opengauss',
    'app.kubernetes.io/instance': cluster,
    'app.kubernetes.io/component': 'database',
    'opengauss.cluster': cluster,
  };
}
