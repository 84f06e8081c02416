/**
 * Events: one object in two forms, strict in the new one.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Dict } from './json.ts';
import { listAt, textAt } from './json.ts';
import { core, event } from './samples.ts';
import type { Subject } from './subject.ts';
import { startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

function events(namespace: string): string {
  return `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
}

test('an event of events.k8s.io/v1 is read as core/v1, under its old names', async () => {
  const namespace = await subject.namespace();
  const made = await subject.admin.post(events(namespace), event(namespace));
  assert.equal(made.code, 201, made.text);
  const read = await subject.admin.get(`${core(namespace, 'events')}/og-0.1`);
  assert.equal(read.body['message'], 'og-0 is primary in term 2');
  assert.equal(read.body['reportingComponent'], 'opengauss-agent');
  assert.equal(textAt(read.body, 'involvedObject', 'name'), 'og-0');
  assert.equal(read.body['firstTimestamp'], null);
  assert.equal(read.body['note'], undefined);
});

test('an event of core/v1 is read as events.k8s.io/v1, under its new names', async () => {
  const namespace = await subject.namespace();
  const old = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'old' },
    involvedObject: { kind: 'Pod', name: 'og-0', namespace },
    reason: 'Started',
    message: 'Started container',
    type: 'Normal',
    count: 3,
    firstTimestamp: '2026-11-21T09:00:00Z',
    lastTimestamp: '2026-11-21T09:00:01Z',
    source: { component: 'kubelet' },
  };
  assert.equal((await subject.admin.post(core(namespace, 'events'), old)).code, 201);
  const read = await subject.admin.get(`${events(namespace)}/old`);
  assert.equal(read.body['note'], 'Started container');
  assert.equal(read.body['deprecatedCount'], 3);
  assert.deepEqual(read.body['deprecatedSource'], { component: 'kubelet' });
  assert.equal(read.body['eventTime'], null);
});

test('events are selected by what they are about', async () => {
  const namespace = await subject.namespace();
  await subject.admin.post(events(namespace), event(namespace));
  const count = async (path: string, selector: string): Promise<number> =>
    listAt((await subject.admin.get(`${path}?fieldSelector=${encodeURIComponent(selector)}`)).body, 'items').length;
  assert.equal(
    await count(
      core(namespace, 'events'),
      `involvedObject.name=og-0,involvedObject.namespace=${namespace},involvedObject.uid=u-1`,
    ),
    1,
  );
  assert.equal(await count(core(namespace, 'events'), 'involvedObject.name=og-1'), 0);
  assert.equal(await count(events(namespace), 'regarding.name=og-0,reason=Promoted,type=Normal'), 1);
  assert.equal(await count(events(namespace), 'reportingController=other'), 0);
});

test('a series may be added to an event, and nothing else may change', async () => {
  const namespace = await subject.namespace();
  await subject.admin.post(events(namespace), event(namespace));
  const path = `${events(namespace)}/og-0.1`;
  const series = { count: 2, lastObservedTime: '2026-11-21T09:01:00.000000Z' };
  assert.equal((await subject.admin.patch(path, 'merge', { series })).code, 200);
  const changed = await subject.admin.patch(path, 'merge', { note: 'something else' });
  assert.equal(changed.code, 422);
  assert.equal(
    changed.body['message'],
    'Event "og-0.1" is invalid: message: Invalid value: "something else": field is immutable',
  );
});

const REFUSED: { name: string; fields: Dict; words: string }[] = [
  { name: 'without a time', fields: { eventTime: undefined }, words: 'eventTime: Required value' },
  { name: 'of an odd type', fields: { type: 'Odd' }, words: 'type: Invalid value: "": has invalid value: Odd' },
  { name: 'without an action', fields: { action: undefined }, words: 'action: Required value' },
  {
    name: 'with a note that is too long',
    fields: { note: 'x'.repeat(1025) },
    words: 'message: Invalid value: "": can have at most 1024 characters',
  },
  {
    name: 'about nothing',
    fields: { regarding: undefined },
    words: 'involvedObject.namespace: Invalid value: "": does not match event.namespace',
  },
];

for (const { name, fields, words } of REFUSED) {
  test(`an event ${name} is invalid`, async () => {
    const namespace = await subject.namespace();
    const reply = await subject.admin.post(events(namespace), event(namespace, fields));
    assert.equal(reply.code, 422);
    assert.equal(reply.body['message'], `Event "og-0.1" is invalid: ${words}`);
  });
}
