/**
 * Objects and paths for tests; each function takes only what differs.
 */
import type { Dict } from './json.ts';

export function leases(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
}

export function core(namespace: string, plural: string): string {
  return `/api/v1/namespaces/${namespace}/${plural}`;
}

export function slices(namespace: string): string {
  return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
}

export function lease(spec: Dict = {}, metadata: Dict = {}): Dict {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'leader', ...metadata },
    spec: {
      holderIdentity: 'a',
      leaseDurationSeconds: 8,
      leaseTransitions: 1,
      renewTime: '2026-11-21T09:00:00.123456Z',
      ...spec,
    },
  };
}

export function configMap(data: Dict = { a: '1' }, metadata: Dict = {}): Dict {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config', ...metadata }, data };
}

export function pod(metadata: Dict = {}, spec: Dict = {}): Dict {
  const container = { name: 'og', image: 'og:1', ports: [{ name: 'db', containerPort: 5432 }] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'og-0', ...metadata },
    spec: { automountServiceAccountToken: false, containers: [container], ...spec },
  };
}

export function service(spec: Dict = {}, metadata: Dict = {}): Dict {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'og', ...metadata },
    spec: { selector: { 'opengauss.role': 'primary' }, ports: [{ name: 'db', port: 5432, targetPort: 'db' }], ...spec },
  };
}

/** The status that a kubelet reports. */
export function podStatus(ip: string, ready: boolean): Dict {
  const status = ready ? 'True' : 'False';
  return { status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status }] } };
}

/** An Event about the pod og-0, as the agent writes it. */
export function event(namespace: string, fields: Dict = {}): Dict {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'og-0.1' },
    eventTime: '2026-11-21T09:00:00.000000Z',
    reportingController: 'opengauss-agent',
    reportingInstance: 'og-0',
    action: 'Promote',
    reason: 'Promoted',
    type: 'Normal',
    note: 'og-0 is primary in term 2',
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name: 'og-0', uid: 'u-1' },
    ...fields,
  };
}
