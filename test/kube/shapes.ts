/**
 * The fields of each kind, as deep as this server checks them. Big specs (pods, services, stateful sets) are stored
 * as they come below their top level.
 */
import type { Shape } from './schema.ts';
import { LABEL_SELECTOR, METADATA, objectShape, REFERENCE } from './schema.ts';

/** Metadata checked, spec and status stored as they come. */
export const LOOSE: Shape = objectShape({ spec: { '*': 'any' }, status: { '*': 'any' } });

export const CONFIG_MAP: Shape = objectShape({ data: { '*': 'string' }, binaryData: { '*': 'base64' }, immutable: 'bool' });

export const SECRET: Shape = objectShape({
  data: { '*': 'base64' },
  stringData: { '*': 'string' },
  immutable: 'bool',
  type: 'string',
});

export const NAMESPACE: Shape = objectShape({ spec: { finalizers: ['string'] }, status: { phase: 'string', conditions: 'any' } });

export const SERVICE_ACCOUNT: Shape = objectShape({
  secrets: [REFERENCE],
  imagePullSecrets: [{ name: 'string' }],
  automountServiceAccountToken: 'bool',
});

export const LEASE: Shape = objectShape({
  spec: {
    holderIdentity: 'string',
    leaseDurationSeconds: 'int32',
    acquireTime: 'microtime',
    renewTime: 'microtime',
    leaseTransitions: 'int32',
    strategy: 'string',
    preferredHolder: 'string',
  },
});

const SERIES: Shape = { count: 'int32', lastObservedTime: 'microtime' };
const SOURCE: Shape = { component: 'string', host: 'string' };

export const CORE_EVENT: Shape = objectShape({
  involvedObject: REFERENCE,
  reason: 'string',
  message: 'string',
  source: SOURCE,
  firstTimestamp: 'time',
  lastTimestamp: 'time',
  count: 'int32',
  type: 'string',
  eventTime: 'microtime',
  series: SERIES,
  action: 'string',
  related: REFERENCE,
  reportingComponent: 'string',
  reportingInstance: 'string',
});

export const EVENT: Shape = objectShape({
  eventTime: 'microtime',
  series: SERIES,
  reportingController: 'string',
  reportingInstance: 'string',
  action: 'string',
  reason: 'string',
  regarding: REFERENCE,
  related: REFERENCE,
  note: 'string',
  type: 'string',
  deprecatedSource: SOURCE,
  deprecatedFirstTimestamp: 'time',
  deprecatedLastTimestamp: 'time',
  deprecatedCount: 'int32',
});

export const ENDPOINT_SLICE: Shape = objectShape({
  addressType: 'string',
  endpoints: [
    {
      addresses: ['string'],
      conditions: { ready: 'bool', serving: 'bool', terminating: 'bool' },
      hostname: 'string',
      targetRef: REFERENCE,
      deprecatedTopology: { '*': 'string' },
      nodeName: 'string',
      zone: 'string',
      hints: 'any',
    },
  ],
  ports: [{ name: 'string', protocol: 'string', port: 'int32', appProtocol: 'string' }],
});

const RULE: Shape = {
  verbs: ['string'],
  apiGroups: ['string'],
  resources: ['string'],
  resourceNames: ['string'],
  nonResourceURLs: ['string'],
};

export const ROLE: Shape = objectShape({ rules: [RULE] });

export const ROLE_BINDING: Shape = objectShape({
  subjects: [{ kind: 'string', apiGroup: 'string', name: 'string', namespace: 'string' }],
  roleRef: { apiGroup: 'string', kind: 'string', name: 'string' },
});

/** A shape for bodies that are no stored kind: options and reviews. */
export const ANYTHING: Shape = { '*': 'any', metadata: METADATA };

export { LABEL_SELECTOR };
