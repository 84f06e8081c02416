/**
 * Watches: from a version on, in order, without gaps; what a selection sees of objects that enter and leave it.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { WatchEvent } from './client.ts';
import { at, textAt } from './json.ts';
import { configMap, core } from './samples.ts';
import type { Subject } from './subject.ts';
import { startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

function label(value: string | null): object {
  return { metadata: { labels: { role: value } } };
}

function told(event: WatchEvent): string {
  return `${event.type} ${textAt(event.object, 'metadata', 'name')} ${textAt(event.object, 'metadata', 'labels', 'role') ?? '-'}`;
}

/** A namespace with one map; a real cluster puts another there by itself, so all watches look at names that start here. */
async function place(): Promise<{ path: string; version: string }> {
  const path = core(await subject.namespace(), 'configmaps');
  const made = await subject.admin.post(path, configMap({}, { labels: { role: 'a', mine: 'yes' } }));
  return { path, version: textAt(made.body, 'metadata', 'resourceVersion') ?? '' };
}

test('a watch without a version begins with what there is', async () => {
  const { path } = await place();
  const watch = await subject.admin.watch(`${path}?watch=1&labelSelector=mine%3Dyes`);
  assert.equal(told(await watch.next()), 'ADDED config a');
  await subject.admin.patch(`${path}/config`, 'merge', label('b'));
  assert.equal(told(await watch.next()), 'MODIFIED config b');
  watch.close();
});

test('a watch from a version gets every later change once and in order', async () => {
  const { path, version } = await place();
  for (const value of ['b', 'c', 'd']) await subject.admin.patch(`${path}/config`, 'merge', label(value));
  const watch = await subject.admin.watch(`${path}?watch=1&resourceVersion=${version}&labelSelector=mine%3Dyes`);
  for (const value of ['b', 'c']) assert.equal(told(await watch.next()), `MODIFIED config ${value}`);
  await subject.admin.delete(`${path}/config`);
  const events = await watch.until((event) => event.type === 'DELETED');
  assert.deepEqual(events.map(told), ['MODIFIED config d', 'DELETED config d']);
  watch.close();
});

test('a watch that goes on from the last version it saw misses nothing', async () => {
  const { path, version } = await place();
  const first = await subject.admin.watch(`${path}?watch=1&resourceVersion=${version}&labelSelector=mine%3Dyes`);
  await subject.admin.patch(`${path}/config`, 'merge', label('b'));
  const seen = await first.next();
  first.close();
  await subject.admin.patch(`${path}/config`, 'merge', label('c'));
  await subject.admin.patch(`${path}/config`, 'merge', label('d'));
  const from = textAt(seen.object, 'metadata', 'resourceVersion');
  const second = await subject.admin.watch(`${path}?watch=1&resourceVersion=${from}&labelSelector=mine%3Dyes`);
  assert.deepEqual([told(await second.next()), told(await second.next())], ['MODIFIED config c', 'MODIFIED config d']);
  second.close();
});

test('an object that leaves a selection is deleted for its watchers, one that comes back is added', async () => {
  const { path, version } = await place();
  const watch = await subject.admin.watch(`${path}?watch=1&resourceVersion=${version}&labelSelector=role%3Da`);
  const left = await subject.admin.patch(`${path}/config`, 'merge', label('b'));
  await subject.admin.patch(`${path}/config`, 'merge', label('a'));
  const gone = await watch.next();
  assert.equal(told(gone), 'DELETED config a');
  assert.equal(textAt(gone.object, 'metadata', 'resourceVersion'), textAt(left.body, 'metadata', 'resourceVersion'));
  assert.equal(told(await watch.next()), 'ADDED config a');
  watch.close();
});

test('a watch of one name sees no other', async () => {
  const { path, version } = await place();
  const watch = await subject.admin.watch(`${path}?watch=1&resourceVersion=${version}&fieldSelector=metadata.name%3Dsecond`);
  await subject.admin.patch(`${path}/config`, 'merge', label('b'));
  await subject.admin.post(path, configMap({}, { name: 'second' }));
  assert.equal(told(await watch.next()), 'ADDED second -');
  watch.close();
});

test('a watch ends by itself after its timeout', async () => {
  const { path, version } = await place();
  const watch = await subject.admin.watch(`${path}?watch=1&resourceVersion=${version}&timeoutSeconds=1&labelSelector=mine%3Dyes`);
  assert.deepEqual(await watch.rest(), []);
});

test('a watch that asks for bookmarks gets one before its timeout, with a version and nothing else', async () => {
  const { path, version } = await place();
  const watch = await subject.admin.watch(`${path}?watch=1&resourceVersion=${version}&timeoutSeconds=8&allowWatchBookmarks=true`);
  const [bookmark] = (await watch.until((event) => event.type === 'BOOKMARK')).slice(-1);
  assert.equal(textAt(bookmark?.object, 'kind'), 'ConfigMap');
  assert.ok(Number(textAt(bookmark?.object, 'metadata', 'resourceVersion')) >= Number(version));
  watch.close();
});

test('a streaming list ends its beginning with a marked bookmark', async () => {
  const { path } = await place();
  const query =
    'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=mine%3Dyes';
  const watch = await subject.admin.watch(`${path}?${query}`);
  const events = await watch.until((event) => event.type === 'BOOKMARK');
  assert.deepEqual(
    events.map(({ type }) => type),
    ['ADDED', 'BOOKMARK'],
  );
  assert.equal(at(events[1]?.object, 'metadata', 'annotations', 'k8s.io/initial-events-end'), 'true');
  watch.close();
});

test('a watch from a version that is no longer known is told to list again', async () => {
  const { path } = await place();
  await subject.admin.patch(`${path}/config`, 'merge', label('b'));
  // A real server forgets by itself: it began after its first version.
  subject.compact?.();
  const watch = await subject.admin.watch(`${path}?watch=1&resourceVersion=1`);
  const [event, ...more] = await watch.rest();
  assert.equal(event?.type, 'ERROR');
  assert.equal(event?.object['code'], 410);
  assert.equal(event?.object['reason'], 'Expired');
  assert.match(String(event?.object['message']), /^too old resource version: \d+ \(\d+\)$/);
  assert.deepEqual(more, []);
});

test('a watch that follows a list misses nothing in between', async () => {
  const { path } = await place();
  const list = await subject.admin.get(`${path}?labelSelector=mine%3Dyes`);
  await subject.admin.patch(`${path}/config`, 'merge', label('z'));
  const from = textAt(list.body, 'metadata', 'resourceVersion');
  const watch = await subject.admin.watch(`${path}?watch=1&resourceVersion=${from}&labelSelector=mine%3Dyes`);
  assert.equal(told(await watch.next()), 'MODIFIED config z');
  watch.close();
});

test('a watch with a selector that makes no sense is refused', async () => {
  const { path } = await place();
  const reply = await subject.admin.get(`${path}?watch=1&labelSelector=x%20y`);
  assert.equal(reply.code, 400);
  assert.equal(reply.body['reason'], 'BadRequest');
});
