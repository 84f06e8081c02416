/**
 * Events are stored once, in the core/v1 form, and served in two: core/v1 and events.k8s.io/v1. What a client writes
 * in one form it reads in the other, as in Kubernetes.
 */
import type { Dict } from './json.ts';
import { compact } from './json.ts';
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
  return compact(result);
}

/** From the stored form to events.k8s.io/v1. */
export function eventToServed(event: KubeObject): KubeObject {
  const result: KubeObject = { ...event, apiVersion: 'events.k8s.io/v1' };
  for (const [served, stored] of RENAMED) {
    result[served] = event[stored];
    delete result[stored];
  }
  return compact(result);
}
