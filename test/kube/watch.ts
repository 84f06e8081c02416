/**
 * One watch: from a version on, every change of a selection as a line of JSON, in order and without gaps, or the
 * ERROR event that tells the client to list again. A change that takes an object out of the selection is a DELETED,
 * one that brings it in an ADDED. Writes to nobody but its sink.
 */
import type { Kind } from './kinds.ts';
import { groupVersion } from './kinds.ts';
import type { KubeObject } from './objects.ts';
import { expired } from './status.ts';
import type { Change, ObjectStore } from './store.ts';

export interface WatchAsk {
  kind: Kind;
  namespace: string | undefined;
  /** Undefined, "0": the present state first. */
  resourceVersion: string | undefined;
  bookmarks: boolean;
  /** Streaming list: the present state first, then a bookmark that says so. */
  sendInitialEvents: boolean;
  timeoutMs: number;
  selects(object: KubeObject): boolean;
  /** The object as this client wants it (group version, table, partial). */
  view(object: KubeObject): unknown;
}

export interface WatchSink {
  /** One event; false when the client has fallen too far behind. */
  send(event: { type: string; object: unknown }): boolean;
  end(): void;
}

/** What the server lets tests tune. */
export interface WatchTimes {
  bookmarkMs: number;
}

/** Before a watch's own timeout a last bookmark comes this early, as in Kubernetes. */
const BOOKMARK_BEFORE_END_MS = 2_000;

/** Starts a watch; the answer stops it. */
export function startWatch(store: ObjectStore, ask: WatchAsk, sink: WatchSink, times: WatchTimes): () => void {
  let done = false;
  const timers: NodeJS.Timeout[] = [];
  let unsubscribe = (): void => {};

  function stop(): void {
    if (done) return;
    done = true;
    unsubscribe();
    for (const timer of timers) clearTimeout(timer);
  }

  function send(type: string, object: unknown): void {
    if (done) return;
    if (!sink.send({ type, object })) {
      stop();
      sink.end();
    }
  }

  function bookmark(initialEnd: boolean): void {
    const annotations = initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
    const metadata = { resourceVersion: String(store.revision()), ...annotations };
    send('BOOKMARK', { kind: ask.kind.kind, apiVersion: groupVersion(ask.kind), metadata });
  }

  function inScope(object: KubeObject): boolean {
    return (ask.namespace === undefined || object.metadata.namespace === ask.namespace) && ask.selects(object);
  }

  function deliver(change: Change): void {
    if (change.storage !== ask.kind.storage) return;
    const before = change.previous !== undefined && inScope(change.previous);
    const now = change.type !== 'DELETED' && inScope(change.object);
    if (now) send(before ? 'MODIFIED' : 'ADDED', ask.view(change.object));
    else if (before) send('DELETED', ask.view(change.type === 'DELETED' ? change.object : left(change)));
  }

  const initial =
    ask.resourceVersion === undefined || ask.resourceVersion === '' || ask.resourceVersion === '0' || ask.sendInitialEvents;
  if (initial) {
    for (const object of store.list(ask.kind, ask.namespace)) if (ask.selects(object)) send('ADDED', ask.view(object));
    if (ask.sendInitialEvents && ask.bookmarks) bookmark(true);
  } else {
    const missed = store.since(ask.kind, Number(ask.resourceVersion));
    if (missed === undefined) {
      const error = expired(`too old resource version: ${ask.resourceVersion} (${store.compacted()})`);
      send('ERROR', error.body);
      sink.end();
      return stop;
    }
    for (const change of missed) deliver(change);
  }
  unsubscribe = store.subscribe(deliver);
  if (ask.bookmarks) {
    timers.push(setInterval(() => bookmark(false), times.bookmarkMs));
    if (ask.timeoutMs > BOOKMARK_BEFORE_END_MS)
      timers.push(setTimeout(() => bookmark(false), ask.timeoutMs - BOOKMARK_BEFORE_END_MS));
  }
  timers.push(
    setTimeout(() => {
      stop();
      sink.end();
    }, ask.timeoutMs),
  );
  return stop;
}

/** An object that left the selection is shown as it last was in it, at the version of the change. */
function left(change: Change): KubeObject {
  const object = change.previous ?? change.object;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(change.revision) } };
}
