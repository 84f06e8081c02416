/**
 * What a leader lock stands on: compare-and-swap, the sentences of a lost race, and what the server refuses in a
 * Lease. Real requests over real sockets, against whichever server subject.ts gives.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { listAt, textAt } from './json.ts';
import { lease, leases } from './samples.ts';
import type { Subject } from './subject.ts';
import { startSubject } from './subject.ts';

const MODIFIED =
  'Operation cannot be fulfilled on leases.coordination.k8s.io "leader": the object has been modified; please apply your changes to the latest version and try again';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

test('a lease that nobody made is not found', async () => {
  const path = leases(await subject.namespace());
  const reply = await subject.admin.get(`${path}/leader`);
  assert.equal(reply.code, 404);
  assert.deepEqual(reply.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'leases.coordination.k8s.io "leader" not found',
    reason: 'NotFound',
    details: { name: 'leader', group: 'coordination.k8s.io', kind: 'leases' },
    code: 404,
  });
});

test('of two members that create the lease at once one is told that it already exists', async () => {
  const path = leases(await subject.namespace());
  const replies = await Promise.all([
    subject.admin.post(path, lease()),
    subject.admin.post(path, lease({ holderIdentity: 'b' })),
  ]);
  assert.deepEqual(replies.map((reply) => reply.code).sort(), [201, 409]);
  const loser = replies.find((reply) => reply.code === 409);
  assert.equal(loser?.body['reason'], 'AlreadyExists');
  assert.equal(loser?.body['message'], 'leases.coordination.k8s.io "leader" already exists');
});

test('of ten members that replace the same version exactly one wins', async () => {
  const path = leases(await subject.namespace());
  const made = await subject.admin.post(path, lease());
  const resourceVersion = textAt(made.body, 'metadata', 'resourceVersion');
  const members = Array.from({ length: 10 }, (_, index) => `member-${index}`);
  const replies = await Promise.all(
    members.map((holderIdentity) => subject.admin.put(`${path}/leader`, lease({ holderIdentity }, { resourceVersion }))),
  );
  assert.equal(replies.filter((reply) => reply.code === 200).length, 1);
  for (const loser of replies.filter((reply) => reply.code !== 200)) {
    assert.equal(loser.code, 409);
    assert.equal(loser.body['reason'], 'Conflict');
    assert.equal(loser.body['message'], MODIFIED);
  }
});

test('a replacement without a version is invalid', async () => {
  const path = leases(await subject.namespace());
  await subject.admin.post(path, lease());
  const reply = await subject.admin.put(`${path}/leader`, lease());
  assert.equal(reply.code, 422);
  const message =
    'leases.coordination.k8s.io "leader" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update';
  assert.equal(reply.body['message'], message);
});

test('a replacement of a lease that was deleted makes a new one, whatever version it names', async () => {
  const path = leases(await subject.namespace());
  const made = await subject.admin.post(path, lease());
  await subject.admin.delete(`${path}/leader`);
  const resourceVersion = textAt(made.body, 'metadata', 'resourceVersion');
  const reply = await subject.admin.put(`${path}/leader`, lease({}, { resourceVersion }));
  assert.equal(reply.code, 201);
  assert.notEqual(textAt(reply.body, 'metadata', 'uid'), textAt(made.body, 'metadata', 'uid'));
});

test('a replacement that names the uid of the deleted lease is a conflict', async () => {
  const path = leases(await subject.namespace());
  const made = await subject.admin.post(path, lease());
  await subject.admin.delete(`${path}/leader`);
  const { uid, resourceVersion } = made.body['metadata'] as Record<string, string>;
  const reply = await subject.admin.put(`${path}/leader`, lease({}, { uid, resourceVersion }));
  assert.equal(reply.code, 409);
  assert.equal(reply.body['reason'], 'Conflict');
});

test('a patch that names an old version is a conflict', async () => {
  const path = leases(await subject.namespace());
  await subject.admin.post(path, lease());
  const patch = { metadata: { resourceVersion: '1' }, spec: { holderIdentity: 'b' } };
  const reply = await subject.admin.patch(`${path}/leader`, 'merge', patch);
  assert.equal(reply.code, 409);
  assert.equal(reply.body['message'], MODIFIED);
});

test('a replacement without a change keeps the version', async () => {
  const path = leases(await subject.namespace());
  const made = await subject.admin.post(path, lease());
  const resourceVersion = textAt(made.body, 'metadata', 'resourceVersion');
  const reply = await subject.admin.put(`${path}/leader`, lease({}, { resourceVersion }));
  assert.equal(textAt(reply.body, 'metadata', 'resourceVersion'), resourceVersion);
});

test('versions grow with every change of any object', async () => {
  const path = leases(await subject.namespace());
  const versions: number[] = [];
  for (const name of ['one', 'two', 'three']) {
    const reply = await subject.admin.post(path, lease({}, { name }));
    versions.push(Number(textAt(reply.body, 'metadata', 'resourceVersion')));
  }
  assert.deepEqual(
    versions,
    versions.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(versions).size, 3);
});

test('an empty holder is accepted', async () => {
  const path = leases(await subject.namespace());
  await subject.admin.post(path, lease());
  const reply = await subject.admin.patch(`${path}/leader`, 'merge', { spec: { holderIdentity: '' } });
  assert.equal(reply.code, 200);
  assert.equal(textAt(reply.body, 'spec', 'holderIdentity'), '');
});

const REFUSED_SPECS = [
  {
    name: 'a duration of zero',
    spec: { leaseDurationSeconds: 0 },
    field: 'spec.leaseDurationSeconds',
    words: 'Invalid value: 0: must be greater than 0',
  },
  {
    name: 'transitions below zero',
    spec: { leaseTransitions: -1 },
    field: 'spec.leaseTransitions',
    words: 'Invalid value: -1: must be greater than or equal to 0',
  },
];

for (const { name, spec, field, words } of REFUSED_SPECS) {
  test(`${name} in a lease is invalid`, async () => {
    const path = leases(await subject.namespace());
    const reply = await subject.admin.post(path, lease(spec));
    assert.equal(reply.code, 422);
    assert.equal(reply.body['reason'], 'Invalid');
    assert.equal(reply.body['message'], `Lease.coordination.k8s.io "leader" is invalid: ${field}: ${words}`);
    assert.deepEqual(listAt(reply.body, 'details', 'causes'), [{ reason: 'FieldValueInvalid', message: words, field }]);
  });
}

const LAYOUT = '2006-01-02T15:04:05.000000Z07:00';
const REFUSED_TIMES = [
  { time: '2026-11-21T09:00:00Z', words: 'cannot parse "Z" as ".000000"' },
  { time: '2026-11-21T09:00:00.123Z', words: 'cannot parse ".123Z" as ".000000"' },
  { time: '2026-11-21T09:00:00.1234567Z', words: 'cannot parse "7Z" as "Z07:00"' },
  { time: 'soon', words: 'cannot parse "soon" as "2006"' },
];

for (const { time, words } of REFUSED_TIMES) {
  test(`the renew time ${time} is refused, as only six fractional digits are accepted`, async () => {
    const path = leases(await subject.namespace());
    const reply = await subject.admin.post(path, lease({ renewTime: time }));
    assert.equal(reply.code, 400);
    const message = `Lease in version "v1" cannot be handled as a Lease: parsing time "${time}" as "${LAYOUT}": ${words}`;
    assert.equal(reply.body['message'], message);
  });
}

test('a renew time of the wrong form in a patch is invalid', async () => {
  const path = leases(await subject.namespace());
  await subject.admin.post(path, lease());
  const reply = await subject.admin.patch(`${path}/leader`, 'merge', { spec: { renewTime: '2026-11-21T09:00:00Z' } });
  assert.equal(reply.code, 422);
  assert.match(String(reply.body['message']), /^ "" is invalid: patch: Invalid value: .*cannot parse "Z" as "\.000000"$/);
});

test('a text where a lease wants a number is refused', async () => {
  const path = leases(await subject.namespace());
  const reply = await subject.admin.post(path, lease({ leaseDurationSeconds: '8' }));
  assert.equal(reply.code, 400);
  const words = 'json: cannot unmarshal string into Go struct field LeaseSpec.spec.leaseDurationSeconds of type int32';
  assert.equal(reply.body['message'], `Lease in version "v1" cannot be handled as a Lease: ${words}`);
});
