/**
 * Events are stored once, in the core/v1 form, and served in two: core/v1 and events.k8s.io/v1. What a client writes
 * in one form it reads in the other, as in Kubernetes.
 */
import type { Dict } from './json.ts';
import { compact, isDict, same } from './json.ts';
import type { KubeObject } from './objects.ts';

/** Each pair: name in events.k8s.io/v1, name in core/v1. */
const RENAMED = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
] as const;

/** From events.k8s.io/v1 to the stored form. */
export function eventFromServed(event: Dict): Dict {
  const result: Dict = { ...event, apiVersion: 'v1' };
  for (const [served, stored] of RENAMED) {
    result[stored] = event[served];
    delete result[served];
  }
  // What only fills in for absence is not stored.
  if (isDict(result['source']) && Object.keys(result['source']).length === 0) delete result['source'];
  return compact(result);
}

/** Fields that Kubernetes writes even when they are not set. */
const CORE_EMPTY = {
  involvedObject: {},
  source: {},
  firstTimestamp: null,
  lastTimestamp: null,
  eventTime: null,
  reportingComponent: '',
  reportingInstance: '',
};
const SERVED_EMPTY = { deprecatedSource: {}, deprecatedFirstTimestamp: null, deprecatedLastTimestamp: null, eventTime: null };

/** The stored form as core/v1 shows it. */
export function coreEventToServed(event: KubeObject): KubeObject {
  return { ...CORE_EMPTY, ...event };
}

/** What a client sends as core/v1, without fields that only fill in for absence. */
export function coreEventFromServed(event: Dict): Dict {
  const result: Dict = { ...event };
  for (const [field, empty] of Object.entries(CORE_EMPTY)) if (same(result[field], empty)) delete result[field];
  return result;
}

/** From the stored form to events.k8s.io/v1. */
export function eventToServed(event: KubeObject): KubeObject {
  const result: KubeObject = { ...event, apiVersion: 'events.k8s.io/v1' };
  for (const [served, stored] of RENAMED) {
    result[served] = event[stored];
    delete result[stored];
  }
  return { ...SERVED_EMPTY, ...compact(result) };
}
