/**
 * Events do not pile up: Kubernetes forgets them after an hour, this server when there are too many.
 */
import { kindNamed } from './kinds.ts';
import type { ObjectStore } from './store.ts';

const EVENTS_MAX = 1_000;

/** Runs until stopped; the answer stops it. */
export function startEventExpiry(store: ObjectStore): () => void {
  const kind = kindNamed('events');
  return store.subscribe((change) => {
    if (change.storage !== kind.storage || change.type !== 'ADDED') return;
    const events = store.list(kind);
    if (events.length <= EVENTS_MAX) return;
    const age = (version: string): number => Number(version);
    const oldest = events.toSorted((a, b) => age(a.metadata.resourceVersion) - age(b.metadata.resourceVersion));
    for (const event of oldest.slice(0, events.length - EVENTS_MAX)) store.remove(kind, event);
  });
}
