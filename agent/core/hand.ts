/**
 * What people ask of members without a request: to be paused (all of them by the configuration, one by an annotation)
 * and to be fenced (one, by an annotation). Reading only; what is done about it stands in byhand.ts. An annotation that
 * cannot be understood counts as set: unknown is never taken for absent (I2).
 */
import type { DynamicConfig } from './config.ts';
import type { PodSight } from './model.ts';
import type { Hand } from './view.ts';

export const pausedAnnotation = 'opengauss.agent/paused';
export const fencedAnnotation = 'opengauss.agent/fenced';
export const neverPrimaryAnnotation = 'opengauss.agent/never-primary';

type Annotations = PodSight['annotations'];

/** Nobody has asked for anything. */
export const noHand: Hand = { cluster: false, member: false, until: undefined, fenced: false };

/** What is asked of a member now, by the configuration and by what its pod was last seen annotated with. */
export function handOf(config: DynamicConfig, annotations: Annotations, wall: string): Hand {
  const cluster = config.paused && !isPast(config.pausedUntil, wall);
  const text = annotations[pausedAnnotation];
  const member = isSet(text) && !isPast(text, wall);
  if (!cluster && !member) return { ...noHand, fenced: isFencedByHand(annotations) };
  const ends = [...(cluster ? [config.pausedUntil] : []), ...(member ? [text] : [])];
  return { cluster, member, until: lastOf(ends), fenced: isFencedByHand(annotations) };
}

export function isFencedByHand(annotations: Annotations): boolean {
  return isSet(annotations[fencedAnnotation]);
}

export function isNeverPrimary(annotations: Annotations): boolean {
  return isSet(annotations[neverPrimaryAnnotation]);
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== '' && text !== 'false';
}

/** The moment at which the last of several pauses ends; undefined when one of them has no end. */
function lastOf(ends: (string | undefined)[]): string | undefined {
  const times = ends.map((end) => Date.parse(end ?? ''));
  if (times.length === 0 || times.some((time) => Number.isNaN(time))) return undefined;
  return new Date(Math.max(...times)).toISOString();
}

/** People write a time down with a wall clock, so a wall clock ends it. A time that cannot be read never comes. */
function isPast(until: string | undefined, wall: string): boolean {
  const end = Date.parse(until ?? '');
  return !Number.isNaN(end) && end <= Date.parse(wall);
}
