/**
 * Every right that the adapter uses at the API server, and nothing more: the Role in manifests/ holds exactly these
 * rules, and a test sees to it. Watching one named object is a right on that name, as the field selector names it.
 */
import { objectNames } from './names.ts';

/** A rule as RBAC has it. */
export interface Right {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

/**
 * The rules of the ClusterRole of the component `out-of-service`, for those who give that right. Nodes lie in no namespace,
 * so that no Role can name them; it is left out unless somebody wants it.
 */
export const nodeRights: Right[] = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }];

/** Members 0 to 8. */
const members = 9;

/** The rules of the Role of a cluster's members. */
export function rights(cluster: string): Right[] {
  const names = objectNames(cluster);
  const podNames = Array.from({ length: members }, (_, index) => `og-${cluster}-${index}`);
  return [
    {
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      verbs: ['get', 'update', 'watch'],
      resourceNames: [names.lease],
    },
    // A name cannot be checked before the object exists.
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['patch'], resourceNames: podNames },
    // The configuration belongs to people; it is patched by their commands (`agent pause`, `config edit`) alone.
    {
      apiGroups: [''],
      resources: ['configmaps'],
      verbs: ['get', 'patch', 'watch'],
      resourceNames: [names.config, names.request, names.state],
    },
    { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
    { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
  ];
}
