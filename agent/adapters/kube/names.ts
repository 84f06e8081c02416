/**
 * The names and paths of the objects that the adapter uses. Nothing is listed or watched that has a name.
 */
import { clusterLabels } from '../../core/labels.ts';

export interface ObjectNames {
  lease: string;
  config: string;
  state: string;
  request: string;
  /** Of the cluster's pods. */
  selector: string;
  /** On what the adapter creates. */
  labels: Record<string, string>;
}

/** The names in a cluster. */
export function objectNames(cluster: string): ObjectNames {
  const own = `og-${cluster}`;
  return {
    lease: `${own}-leader`,
    config: `${own}-config`,
    state: `${own}-state`,
    request: `${own}-request`,
    selector: `opengauss.cluster=${cluster}`,
    labels: clusterLabels(cluster),
  };
}

const groups = {
  leases: '/apis/coordination.k8s.io/v1',
  pods: '/api/v1',
  configmaps: '/api/v1',
  events: '/apis/events.k8s.io/v1',
  nodes: '/api/v1',
} as const;

/** These lie in no namespace. */
const clusterWide: readonly string[] = ['nodes'] satisfies (keyof typeof groups)[];

export type ResourceName = keyof typeof groups;

/** The path of a collection, or of one object in it. */
export function pathOf(namespace: string, resource: ResourceName, name?: string): string {
  const place = clusterWide.includes(resource) ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  const collection = `${groups[resource]}${place}/${resource}`;
  return name === undefined ? collection : `${collection}/${encodeURIComponent(name)}`;
}
