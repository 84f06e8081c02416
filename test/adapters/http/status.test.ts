/**
 * The status document and its table. The first test is the contract's own picture; the others state one difference
 * each and look at the one place where it must show.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterStatus } from '../../../agent/adapters/http/document.ts';
import { statusDocument } from '../../../agent/adapters/http/status.ts';
import { statusTable } from '../../../agent/cli/table.ts';
import { known, unknown } from '../../../agent/core/result.ts';
import type { Snapshot, View } from '../../../agent/core/view.ts';
import {
  aLeadingView,
  aPeer,
  aPod,
  aPrimary,
  aPrimaryPeer,
  aSeen,
  aSender,
  aStandby,
  aView,
  lsn,
  me,
  now,
  someData,
} from '../../core/builders.ts';

function shot(view: View): Snapshot {
  return {
    view,
    decision: { lease: { do: 'renew' }, instance: { do: 'nothing' }, reason: 'leads' },
    cycle: 42,
    at: '2026-11-21T07:16:00.000Z',
  };
}

const nothing = { lease: { do: 'nothing' }, instance: { do: 'nothing' } } as const;

const calmDisk = { pressure: undefined, critical: false, broken: undefined, noRoom: undefined };

const clock = Date.parse('2026-11-21T07:16:03Z');

function table(status: ClusterStatus, options: { wide?: boolean; headers?: boolean } = {}): string {
  return statusTable(status, { wide: options.wide ?? false, headers: options.headers ?? true, now: clock });
}

function codes(status: ClusterStatus): string[] {
  return status.warnings.map((warning) => warning.code);
}

function unreachable(detail: string) {
  return unknown({ of: 'kube', kind: 'timeout', done: 'no', detail });
}

/** og-demo-1 leads, og-demo-0 follows, og-demo-2 is being built: the picture of the contract. */
function picture(): View {
  const volumes = (data: number, log: number) =>
    [
      ['data', data],
      ['log', log],
    ].map(([mount, used]) => ({
      mount: String(mount),
      capacityBytes: 100,
      availableBytes: 100 - Number(used),
      usedRatio: Number(used) / 100,
    }));
  const position = lsn('0/5A0031F8');
  const age = (hours: number) => new Date(clock - hours * 3_600_000).toISOString();
  return aLeadingView({
    instance: aPrimary({
      written: position,
      senders: [aSender('og-demo-0', { sent: position, flushed: position, replayed: position })],
    }),
    volumes: volumes(44, 3),
    peers: {
      'og-demo-0': aPeer('og-demo-0', { received: position, replayed: position, volumes: volumes(41, 3) }),
      'og-demo-2': aPeer('og-demo-2', {
        instance: 'stopped',
        role: 'Unknown',
        state: 'Unknown',
        received: undefined,
        replayed: undefined,
        build: { mode: 'full', ratio: 0.371, startedAt: '2026-11-21T07:12:03Z' },
        volumes: volumes(12, 1),
      }),
    },
    pods: known(
      [
        aPod('og-demo-0', { createdAt: age(12 * 24) }),
        aPod(me, { createdAt: age(3) }),
        aPod('og-demo-2', { createdAt: age(4.05 / 60) }),
      ],
      now,
    ),
  });
}

test('the picture of the contract, to the letter', () => {
  const status = statusDocument(shot(picture()), now);
  assert.equal(
    table(status),
    `CLUSTER  demo (3 members, 1 primary, 1 sync)   STATE  Healthy   TERM  7   LEASE  og-demo-1, renewed 1s ago, expires in 7s

MEMBER     ROLE      STATE      SYNC   RECEIVED     REPLAYED     LAG   DATA   LOG   AGE
og-demo-0  Standby   Normal     sync   0/5A0031F8   0/5A0031F8   0 B   41%    3%    12d
og-demo-1  Primary   Normal     -      0/5A0031F8   -            -     44%    3%    3h
og-demo-2  Standby   Building   -      -            -            -     12%    1%    4m

WARNINGS
  og-demo-2: full build at 37% since 2026-11-21T07:12:03Z
`,
  );
});

test('without headers only the members are printed', () => {
  const lines = table(statusDocument(shot(picture()), now), { headers: false }).split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    ['og-demo-0', 'og-demo-1', 'og-demo-2', ''],
  );
});

test('the wide table adds address, term and reason, and hints to the warnings', () => {
  const text = table(statusDocument(shot(picture()), now), { wide: true });
  assert.match(text, /AGE +ADDRESS +NODE +TERM +READABLE +ELIGIBLE +AGENT +REASON\n/);
  assert.match(text, /og-demo-0 .*10\.0\.0\.10/);
  assert.match(text, /\n {4}hint: /);
});

test('the JSON has every field of the contract, and is JSON: no undefined, no bigint', () => {
  const status = statusDocument(shot(picture()), now);
  assert.deepEqual(JSON.parse(JSON.stringify(status)), status);
  const { members, warnings, source: _source, ...rest } = status;
  assert.deepEqual(rest, {
    apiVersion: 'opengauss.agent/v1',
    kind: 'ClusterStatus',
    cluster: 'demo',
    namespace: 'default',
    state: 'Healthy',
    term: 7,
    paused: false,
    pausedUntil: null,
    readOnly: { on: false, owner: null },
    lease: { holder: 'og-demo-1', renewTime: '2026-11-21T00:00:00.000000Z', durationSeconds: 8, remainingSeconds: 7 },
    sync: { mode: 'quorum', expected: ['og-demo-0', 'og-demo-2'], observed: ['og-demo-0'], degraded: false },
  });
  const named =
    'name uid address role state detail sync receivedLsn replayedLsn lagBytes term volumes build readable eligible reason since';
  for (const member of members)
    assert.deepEqual(
      named.split(' ').filter((key) => !(key in member)),
      [],
    );
  assert.deepEqual(
    warnings.map((warning) => Object.keys(warning).sort()),
    [['code', 'hint', 'member', 'message']],
  );
});

test('a member that does not answer is Unknown, with nothing of its old words', () => {
  const stale = { ...aPeer('og-demo-2'), at: now - 60_000 };
  const status = statusDocument(shot(aLeadingView({ peers: { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': stale } })));
  const member = status.members.find((one) => one.name === 'og-demo-2');
  assert.deepEqual(
    [member?.role, member?.state, member?.receivedLsn, member?.lagBytes, member?.term, member?.eligible, member?.volumes],
    ['Unknown', 'Unknown', null, null, null, null, []],
  );
  assert.equal(status.state, 'Degraded');
  assert.deepEqual(codes(status), ['member-unreachable']);
});

test('the API server away: what is not known is null and said, the rest is still there', () => {
  const view = aLeadingView({ lease: unreachable('no answer within 1 s'), pods: unreachable('no answer within 1 s') });
  const status = statusDocument(shot(view));
  assert.deepEqual(status.lease, { holder: null, renewTime: null, durationSeconds: null, remainingSeconds: null });
  assert.equal(status.term, null);
  assert.deepEqual([status.sync.mode, status.sync.expected, status.sync.degraded], [null, null, null]);
  assert.equal(status.members.length, 3);
  assert.deepEqual(
    status.members.map((member) => member.readable),
    [null, null, null],
  );
  assert.deepEqual(codes(status), ['lease-unknown']);
  assert.match(table(status), /LEASE {2}unknown/);
});

test('a primary that goes on by promises says by whose, and the cluster counts as degraded', () => {
  const status = statusDocument(shot(aLeadingView({ failsafe: { since: now, promisers: ['og-demo-2'] } })));
  const warning = status.warnings.find((one) => one.code === 'failsafe');
  assert.match(warning?.message ?? '', /by the promises of og-demo-2/);
  assert.equal(status.state, 'Degraded');
});

test('no primary anywhere', () => {
  const status = statusDocument(
    shot(aView({ peers: { 'og-demo-2': aPeer('og-demo-2') }, lease: known(aSeen({ holder: '' }), now) })),
  );
  assert.equal(status.state, 'NoPrimary');
  assert.equal(status.lease.holder, null);
  assert.ok(codes(status).includes('no-primary'));
  assert.match(table(status), /LEASE {2}free/);
});

test('two that say that they are primary', () => {
  const status = statusDocument(shot(aLeadingView({ peers: { 'og-demo-0': aPrimaryPeer(), 'og-demo-2': aPeer('og-demo-2') } })));
  assert.equal(status.state, 'Degraded');
  assert.ok(
    status.warnings.some(
      (warning) => warning.code === 'multiple-primaries' && warning.message.startsWith('og-demo-1 and og-demo-0'),
    ),
  );
});

test('commits that wait for nobody although they should', () => {
  const record = { holder: 'og-demo-1/uid-1/inc-1', entries: [{ term: 7, primary: me, dataId: 'data-1', names: [], w: 0 }] };
  const three = statusDocument(shot(aLeadingView({ lease: known(aSeen(record), now) })));
  assert.equal(three.sync.degraded, true);
  assert.deepEqual([three.state, codes(three)], ['Degraded', ['sync-degraded']]);
});

test('a cluster of one is healthy without a standby', () => {
  const record = { holder: 'og-demo-1/uid-1/inc-1', entries: [{ term: 7, primary: me, dataId: 'data-1', names: [], w: 0 }] };
  const status = statusDocument(
    shot(
      aLeadingView({
        lease: known(aSeen(record), now),
        peers: {},
        pods: known([aPod(me)], now),
        instance: aPrimary({ role: 'Normal', senders: [] }),
      }),
    ),
  );
  assert.deepEqual([status.state, status.sync.degraded, codes(status)], ['Healthy', false, []]);
  assert.match(table(status), /\(1 member, 1 primary, 0 sync\)/);
});

test('paused is told as such', () => {
  const status = statusDocument(shot(aLeadingView({ paused: true })));
  assert.deepEqual([status.state, status.paused, codes(status)], ['Paused', true, ['paused']]);
});

test('a member that people have fenced is told with the way back', () => {
  const down = { instance: 'stopped', role: 'Unknown', state: 'Unknown', eligible: false } as const;
  const hintOf = (reason: string) => {
    const peers = { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2', { ...down, reason }) };
    return statusDocument(shot(aLeadingView({ peers }))).warnings.find((one) => one.code === 'server-down')?.hint ?? '';
  };
  assert.match(hintOf('fenced by hand'), /agent unfence og-demo-2/);
  assert.doesNotMatch(hintOf('start-failed'), /unfence/);
});

test('a member whose server is down says what it does about it, and one that may not lead says why', () => {
  const stopped = { is: 'stopped', data: someData(), exit: undefined } as const;
  const held = { ...shot(aView({ instance: stopped })), decision: { ...nothing, reason: 'disk-full' } } as const;
  const down = statusDocument(held);
  assert.equal(down.members.find(({ name }) => name === me)?.reason, 'disk-full');
  assert.ok(
    down.warnings.some(({ message }) => message.includes('a volume has no room for it')),
    JSON.stringify(down.warnings),
  );
  const leading = statusDocument({ ...shot(aLeadingView()), decision: { ...nothing, reason: 'leads' } });
  assert.equal(leading.members.find(({ name }) => name === me)?.reason, 'leads');
  const pods = known([aPod(me, { annotations: { 'opengauss.agent/never-primary': 'true' } })], now);
  const kept = statusDocument({ ...shot(aView({ pods })), decision: { ...nothing, reason: 'follows' } });
  assert.equal(kept.members.find(({ name }) => name === me)?.reason, 'never-primary is set');
});

test('a lease that ran out counts down to nothing and says so', () => {
  const status = statusDocument(shot(aView()), now + 60_000);
  assert.equal(status.lease.remainingSeconds, 0);
  assert.match(table(status), /LEASE {2}og-demo-0, expired/);
});

test('data of another cluster, an unusable directory and a lease with garbage each have a warning with a cure', () => {
  const foreign = aStandby({ data: { systemId: '43', dataId: 'd', promotedTerm: 0, clusterState: '' } });
  for (const [code, view] of [
    ['foreign-data', aView({ instance: foreign })],
    ['data-unusable', aView({ instance: { is: 'unusable', detail: 'pgdata has mode 0755', hint: 'chmod 0700 it.' } })],
    ['lease-garbage', aView({ lease: known(aSeen({ garbage: 'annotation opengauss.agent/entries is no JSON' }), now) })],
  ] as const) {
    const found = statusDocument(shot(view)).warnings.find((warning) => warning.code === code);
    assert.ok(found !== undefined && found.hint.length > 10, code);
  }
});

test('a standby tells what its primary told it about who is synchronous', () => {
  const peers = { 'og-demo-0': aPrimaryPeer('og-demo-0', { syncObserved: [me] }), 'og-demo-2': aPeer('og-demo-2') };
  const status = statusDocument(shot(aView({ peers })));
  assert.deepEqual(
    status.members.map((member) => member.sync),
    [null, 'sync', 'async'],
  );
  assert.deepEqual(status.sync.observed, [me]);
});

test('a filling volume is told before it is full', () => {
  const use = (usedRatio: number) => [{ mount: 'data', capacityBytes: 1000, availableBytes: 1000 * (1 - usedRatio), usedRatio }];
  assert.deepEqual(codes(statusDocument(shot(aLeadingView({ volumes: use(0.84) })))), []);
  const filling = statusDocument(shot(aLeadingView({ volumes: use(0.86) })));
  assert.deepEqual([filling.state, codes(filling)], ['Healthy', ['disk-filling']]);
  const full = statusDocument(shot(aLeadingView({ volumes: use(0.96) })));
  assert.deepEqual([full.state, codes(full)], ['Degraded', ['disk-full']]);
});

test('a primary that takes no writes is told, with whose wish that is', () => {
  const instance = aPrimary({ readOnly: true, writable: false });
  const told = (owner: 'agent' | 'human' | 'switchover' | undefined) =>
    statusDocument(shot(aLeadingView({ instance, disk: { ...calmDisk, owner } })));
  const agent = told('agent');
  assert.deepEqual([agent.state, codes(agent)], ['Degraded', ['read-only']]);
  assert.match(agent.warnings[0]?.message ?? '', /takes no writes.*volume/);
  const human = told('human');
  assert.deepEqual([human.state, codes(human)], ['Healthy', ['read-only']]);
  assert.match(human.warnings[0]?.hint ?? '', /never takes it back/);
  assert.deepEqual(codes(told(undefined)), ['read-only']);
  assert.deepEqual(codes(told('switchover')), []);
});

test('a volume is named by its claim, the nearest mounted above its path', () => {
  const at = (path: string) => ({ mount: path, path, capacityBytes: 2 ** 30, availableBytes: 2 ** 29, usedRatio: 0.5 });
  const volumes = [at('/var/lib/opengauss'), at('/var/lib/opengauss/wal/pg_xlog'), at('/var/lib/other')];
  const claims = [
    { path: '/var/lib/opengauss', claim: 'data-og-demo-1' },
    { path: '/var/lib/opengauss/wal', claim: 'wal-og-demo-1' },
  ];
  const pods = known([aPod(me, { claims })], now);
  const status = statusDocument(shot(aLeadingView({ volumes: volumes.map((one) => ({ ...one, device: '/dev/sdb' })), pods })));
  const own = status.members.find((member) => member.name === me);
  assert.deepEqual(
    own?.volumes.map((volume) => volume.claim),
    ['data-og-demo-1', 'wal-og-demo-1', null],
  );
  assert.match(table(status, { wide: true }), /\nMEMBER +MOUNT +CLAIM .*\nog-demo-1 .*wal-og-demo-1 +\/dev\/sdb +- +1 GiB/s);
});

test('a volume that does not answer is told', () => {
  const volumes = [{ mount: 'data', capacityBytes: 1000, availableBytes: 900, usedRatio: 0.1, stalled: true }];
  const status = statusDocument(shot(aLeadingView({ volumes })));
  assert.deepEqual([status.state, codes(status)], ['Degraded', ['disk-stalled']]);
});

test('a failure is shown while it is tried again, a rejected edit until it is mended', () => {
  const failure = (what: string, retryAt: number) => ({
    what,
    count: 2,
    retryAt,
    fault: { of: 'command', kind: 'exited', done: 'no', detail: 'gs_ctl build ended with 1' } as const,
  });
  const failures = {
    start: failure('start', now - 60_000),
    build: failure('build', now + 1000),
    config: failure('config', now - 60_000),
  };
  const status = statusDocument(shot(aLeadingView({ failures })));
  assert.deepEqual(codes(status), ['failed-build', 'config-rejected']);
  assert.match(status.warnings[0]?.message ?? '', /^build failed 2 times: gs_ctl build ended with 1$/);
});
