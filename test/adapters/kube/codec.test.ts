/**
 * Goal: what is in a Lease comes back as it was written, and nothing that cannot be understood is guessed. Method:
 * round trips by fast-check, and a table of damages.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeLease, encodeLease } from '../../../agent/adapters/kube/lease.ts';
import { decodePod } from '../../../agent/adapters/kube/pods.ts';
import { microTime, type Wire } from '../../../agent/adapters/kube/wire.ts';
import type { V1Lease } from '@kubernetes/client-node';
import type { LeaseWrite } from '../../../agent/ports/kube.ts';
import { aWrite } from './cluster.ts';

const at = { name: 'og-demo-leader', namespace: 'default', labels: {} };
const wall = '2026-11-21T07:12:03.123Z';

function encoded(write: LeaseWrite): Wire<V1Lease> {
  const lease = encodeLease(write, at, wall);
  if (typeof lease === 'string') throw new Error(lease);
  return structuredClone(lease);
}

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
const plain = { noNullPrototype: true };
const term = fc.nat(0x7fffffff);
const entry = fc
  .record({ term, primary: name, dataId: name, names: fc.uniqueArray(name, { maxLength: 8 }) }, plain)
  .map(({ names, ...rest }) => ({ ...rest, names: names.filter((one) => one !== rest.primary) }))
  .chain((rest) => fc.nat(rest.names.length).map((w) => ({ ...rest, w })));
const record = fc.record(
  {
    holder: fc.oneof(
      fc.constant(''),
      fc.tuple(name, name, name).map((parts) => parts.join('/')),
    ),
    term,
    durationSeconds: fc.integer({ min: 1, max: 3600 }),
    entries: fc.array(entry, { maxLength: 4 }),
    syncMode: fc.constantFrom('off', 'quorum', 'strict'),
    promoting: fc.option(fc.record({ member: name, term, dataId: name }, plain), { nil: undefined }),
    heir: fc.option(name, { nil: undefined }),
    containerId: fc.option(name, { nil: undefined }),
    written: fc.record(
      { term, from: fc.bigInt({ min: 1n, max: 1n << 63n }), lsn: fc.bigInt({ min: 1n, max: 1n << 63n }) },
      plain,
    ),
  },
  plain,
) as fc.Arbitrary<LeaseWrite['record']>;

test('every record comes back from its Lease as it was', () => {
  fc.assert(
    fc.property(record, fc.option(name, { nil: undefined }), (part, releasedBy) => {
      const written = releasedBy === undefined ? part : { ...part, releasedBy };
      const back = decodeLease(encoded({ over: '7', record: written }));
      const expected = { ...written, renewTime: '2026-11-21T07:12:03.123000Z', resourceVersion: '7', garbage: undefined };
      assert.deepEqual({ ...back }, expected);
    }),
  );
});

test('MicroTime has six fractional digits, whatever came in', () => {
  assert.equal(microTime('2026-11-21T07:12:03.123Z'), '2026-11-21T07:12:03.123000Z');
  assert.equal(microTime('2026-11-21T07:12:03Z'), '2026-11-21T07:12:03.000000Z');
  assert.equal(microTime('2026-11-21T07:12:03.123456789Z'), '2026-11-21T07:12:03.123456Z');
});

const damages: [string, (lease: Wire<V1Lease>) => void][] = [
  ['no annotations at all', (lease) => delete lease.metadata?.annotations],
  ['entries missing', (lease) => delete lease.metadata?.annotations?.['opengauss.agent/entries']],
  ['entries not JSON', annotate('entries', '[{')],
  ['entries not a list', annotate('entries', '{}')],
  ['an entry without names', annotate('entries', '[{"term":1,"primary":"a","dataId":"d","w":0}]')],
  ['an entry that names its primary', annotate('entries', '[{"term":1,"primary":"a","dataId":"d","names":["a"],"w":1}]')],
  [
    'an entry that waits for more than there are',
    annotate('entries', '[{"term":1,"primary":"a","dataId":"d","names":["b"],"w":2}]'),
  ],
  ['a negative term', annotate('entries', '[{"term":-1,"primary":"a","dataId":"d","names":["b"],"w":1}]')],
  ['the same name twice', annotate('entries', '[{"term":1,"primary":"a","dataId":"d","names":["b","b"],"w":1}]')],
  ['mode unknown', annotate('sync-mode', 'maybe')],
  ['mode missing', (lease) => delete lease.metadata?.annotations?.['opengauss.agent/sync-mode']],
  ['promoting half', annotate('promoting', '{"member":"a"}')],
  ['promoting null', annotate('promoting', 'null')],
  ['far too much', annotate('container-id', 'x'.repeat(9000))],
  ['a holder of another form', (lease) => Object.assign(lease.spec ?? {}, { holderIdentity: 'og-demo-0' })],
  ['no duration', (lease) => delete lease.spec?.leaseDurationSeconds],
  ['a term beyond the limit', (lease) => Object.assign(lease.spec ?? {}, { leaseTransitions: 2 ** 31 })],
  ['no spec', (lease) => delete lease.spec],
];

function annotate(key: string, text: string): (lease: Wire<V1Lease>) => void {
  return (lease) => Object.assign(lease.metadata?.annotations ?? {}, { [`opengauss.agent/${key}`]: text });
}

for (const [what, damage] of damages) {
  test(`a Lease is garbage with ${what}`, () => {
    const lease = encoded(aWrite('7', { entries: [{ term: 1, primary: 'a', dataId: 'd', names: ['b'], w: 1 }] }));
    assert.equal(decodeLease(lease).garbage, undefined);
    damage(lease);
    const back = decodeLease(lease);
    assert.notEqual(back.garbage, undefined);
    assert.equal(back.resourceVersion, '7');
  });
}

test('a Pod tells where its container has which claim', () => {
  const volumes = [
    { name: 'data', persistentVolumeClaim: { claimName: 'data-og-demo-0' } },
    { name: 'run', emptyDir: {} },
  ];
  const volumeMounts = [
    { name: 'data', mountPath: '/var/lib/opengauss' },
    { name: 'run', mountPath: '/run/opengauss-agent' },
  ];
  const containers = [
    { name: 'sidecar', volumeMounts: [{ name: 'data', mountPath: '/backup' }] },
    { name: 'og', volumeMounts },
  ];
  assert.deepEqual(decodePod({ spec: { containers, volumes } }).claims, [
    { path: '/var/lib/opengauss', claim: 'data-og-demo-0' },
  ]);
  assert.equal(decodePod({ spec: { containers } }).claims, undefined);
  assert.equal(decodePod({}).claims, undefined);
});

test('a position beside the lease that cannot be understood is not known, and makes no record garbage', () => {
  for (const text of [
    '7',
    '{}',
    '{"term":1,"from":"0/1"}',
    '{"term":-1,"from":"0/1","lsn":"0/2"}',
    '{"term":1,"from":"1","lsn":"0/2"}',
  ]) {
    const lease = encoded(aWrite('7', { written: { term: 1, from: 1n, lsn: 2n } }));
    assert.deepEqual(decodeLease(lease).written, { term: 1, from: 1n, lsn: 2n });
    annotate('written', text)(lease);
    const back = decodeLease(lease);
    assert.deepEqual([back.written, back.garbage], [undefined, undefined], text);
  }
});

test('annotations and labels of others do no harm', () => {
  const lease = encoded(aWrite('7'));
  Object.assign(lease.metadata?.annotations ?? {}, { 'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(20_000) });
  assert.equal(decodeLease(lease).garbage, undefined);
});
