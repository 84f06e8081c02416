/** Builders for views: each test states only what differs from a settled three-member cluster seen by og-demo-1. */
import assert from 'node:assert/strict';
import { decide } from '../../agent/core/decide.ts';
import { defaultConfig, type DynamicConfig } from '../../agent/core/config.ts';
import { noHand } from '../../agent/core/hand.ts';
import { parseLsn } from '../../agent/core/lsn.ts';
import type {
  DataState,
  LeaseRecord,
  PeerState,
  PodSight,
  PrimaryInstance,
  Request,
  SeenLease,
  Sender,
  StandbyInstance,
} from '../../agent/core/model.ts';
import { type LeaderPermit, permitFrom } from '../../agent/core/permit.ts';
import { known } from '../../agent/core/result.ts';
import type { PeerSight, View } from '../../agent/core/view.ts';

export const now = 1_000_000;
export const me = 'og-demo-1';
export const identity = 'og-demo-1/uid-1/inc-1';

export function lsn(text: string): bigint {
  const value = parseLsn(text);
  if (value === undefined) throw new Error(`not a position: ${text}`);
  return value;
}

export function aConfig(part: Partial<DynamicConfig> = {}): DynamicConfig {
  return { ...defaultConfig, ...part };
}

export function aPermit(part: { sentAt?: number; term?: number } = {}): LeaderPermit {
  return permitFrom(part.sentAt ?? now - 1000, part.term ?? 7, 6);
}

export function aRecord(part: Partial<LeaseRecord> = {}): LeaseRecord {
  return {
    holder: 'og-demo-0/uid-0/inc-0',
    term: 7,
    durationSeconds: 8,
    renewTime: '2026-11-21T00:00:00.000000Z',
    resourceVersion: '100',
    entries: [{ term: 7, primary: 'og-demo-0', dataId: 'data-0', names: ['og-demo-1', 'og-demo-2'], w: 1 }],
    syncMode: 'quorum',
    promoting: { member: 'og-demo-0', term: 7, dataId: 'data-0' },
    heir: undefined,
    containerId: undefined,
    garbage: undefined,
    ...(part.holder === '' ? { releasedBy: 'og-demo-0/uid-0/inc-0' } : {}),
    ...part,
  };
}

export function aSeen(record: Partial<LeaseRecord> | undefined = {}, part: Partial<SeenLease> = {}): SeenLease {
  return { record: record === undefined ? undefined : aRecord(record), firstSeenAt: now - 1000, confirmedAt: now - 500, ...part };
}

/** First seen so long ago, and confirmed so late, that it may be overtaken. */
export function anExpired(record: Partial<LeaseRecord> = {}): SeenLease {
  return aSeen(record, { firstSeenAt: now - 8100, confirmedAt: now - 50 });
}

export function someData(part: Partial<DataState> = {}): DataState {
  return { systemId: '42', dataId: 'data-1', promotedTerm: 0, clusterState: 'in archive recovery', ...part };
}

export function aStandby(part: Partial<StandbyInstance> = {}): StandbyInstance {
  return {
    is: 'standby',
    process: { pid: 11, startTime: '111' },
    role: 'Standby',
    state: 'Normal',
    detail: 'Normal',
    data: someData(),
    term: 7,
    received: lsn('0/5000100'),
    replayed: lsn('0/5000100'),
    receiver: { from: '10.0.0.10:5433', state: 'Normal' },
    lock: undefined,
    ...part,
  };
}

export function aSender(name: string, part: Partial<Sender> = {}): Sender {
  return {
    name,
    state: 'Streaming',
    sync: 'Quorum',
    sent: lsn('0/5000100'),
    flushed: lsn('0/5000100'),
    replayed: lsn('0/5000100'),
    ...part,
  };
}

export function aPrimary(part: Partial<PrimaryInstance> = {}): PrimaryInstance {
  return {
    is: 'primary',
    process: { pid: 11, startTime: '111' },
    role: 'Primary',
    state: 'Normal',
    detail: 'Normal',
    data: someData({ promotedTerm: 7 }),
    written: lsn('0/5000100'),
    senders: [aSender('og-demo-0'), aSender('og-demo-2')],
    syncNames: 'ANY 1 ("og-demo-0", "og-demo-2")',
    mostAvailableSync: false,
    readOnly: false,
    writable: true,
    ...part,
  };
}

export function aPeer(name: string, part: Partial<PeerState> = {}, at = now - 200): PeerSight {
  const n = name.slice(-1);
  return {
    at,
    state: {
      name,
      uid: `uid-${n}`,
      incarnation: `inc-${n}`,
      instance: 'standby',
      role: 'Standby',
      state: 'Normal',
      detail: 'Normal',
      term: 7,
      received: lsn('0/5000100'),
      replayed: lsn('0/5000100'),
      written: undefined,
      redoFinished: false,
      streamingFrom: undefined,
      systemId: '42',
      dataId: `data-${n}`,
      promotedTerm: 0,
      frozenFor: undefined,
      granted: 0,
      eligible: true,
      reason: '',
      leaseTerm: 7,
      paused: false,
      build: undefined,
      volumes: [],
      agentVersion: '0',
      since: undefined,
      ...part,
    },
  };
}

/** The old primary as a peer that still says that it is one. */
export function aPrimaryPeer(name = 'og-demo-0', part: Partial<PeerState> = {}): PeerSight {
  return aPeer(name, {
    instance: 'primary',
    role: 'Primary',
    written: lsn('0/5000100'),
    promotedTerm: 7,
    eligible: false,
    ...part,
  });
}

export function aPod(name: string, part: Partial<PodSight> = {}): PodSight {
  const n = Number(name.slice(-1));
  return {
    name,
    uid: `uid-${n}`,
    ip: `10.0.0.${10 + n}`,
    resourceVersion: '1',
    labels: {},
    annotations: {},
    terminating: false,
    createdAt: '2026-11-21T00:00:00Z',
    node: undefined,
    container: { id: undefined, state: 'running' },
    ...part,
  };
}

/** og-demo-1 as a healthy standby of og-demo-0, with og-demo-2 beside it. */
export function aView(part: Partial<View> = {}): View {
  return {
    now,
    wall: '2026-11-21T00:00:00.000Z',
    self: {
      name: me,
      uid: 'uid-1',
      incarnation: 'inc-1',
      identity,
      cluster: 'demo',
      namespace: 'default',
      ip: '10.0.0.11',
      port: 5432,
      haPort: 5433,
      version: '0',
      startedAt: 0,
      guarded: true,
      provesDeath: true,
    },
    config: aConfig(),
    paused: false,
    lease: known(aSeen(), now - 500),
    permit: undefined,
    instance: aStandby(),
    lastExit: undefined,
    records: { granted: 0, freeze: undefined, build: undefined },
    pods: known(
      ['og-demo-0', 'og-demo-1', 'og-demo-2'].map((name) => aPod(name)),
      now - 500,
    ),
    peers: { 'og-demo-0': aPrimaryPeer(), 'og-demo-2': aPeer('og-demo-2') },
    facts: known({ systemId: '42', history: [], resourceVersion: '5' }, now - 500),
    request: known(undefined, now - 500),
    takeover: undefined,
    promotion: undefined,
    switchover: undefined,
    streamedAt: {},
    syncBarrier: undefined,
    job: undefined,
    failures: {},
    stopping: false,
    volumes: [],
    hand: noHand,
    ...part,
  };
}

/** og-demo-1 as the settled primary that holds the lease. */
export function aLeadingView(part: Partial<View> = {}): View {
  const entries = [{ term: 7, primary: me, dataId: 'data-1', names: ['og-demo-0', 'og-demo-2'], w: 1 }];
  return aView({
    lease: known(aSeen({ holder: identity, entries, promoting: { member: me, term: 7, dataId: 'data-1' } }), now - 500),
    permit: aPermit(),
    instance: aPrimary(),
    peers: { 'og-demo-0': aPeer('og-demo-0'), 'og-demo-2': aPeer('og-demo-2') },
    promotion: { term: 7, process: { pid: 11, startTime: '111' }, recordedAt: now - 60_000, settled: true, finished: true },
    streamedAt: { 'og-demo-0': now - 100, 'og-demo-2': now - 100 },
    syncBarrier: lsn('0/4000000'),
    ...part,
  });
}

/** og-demo-1 with the lease just taken from a primary that is gone; its server is still a standby. */
export function aTakingView(part: Partial<View> = {}): View {
  return aView({
    lease: known(aSeen({ holder: identity, term: 8 }), now - 500),
    permit: aPermit({ term: 8 }),
    instance: aStandby({ receiver: undefined }),
    peers: { 'og-demo-2': aPeer('og-demo-2') },
    ...part,
  });
}

export function aRequest(part: Partial<Request> & { kind: Request['kind'] }): View['request'] {
  const request: Request = {
    id: 'a',
    target: me,
    options: {},
    phase: 'open',
    deadline: undefined,
    result: undefined,
    hint: undefined,
    resourceVersion: '1',
    ...part,
  };
  return known(request, now);
}

export function expectDecision(view: View, expected: { reason: string; lease?: string; intent?: string }): void {
  const decision = decide(view);
  const got = { reason: decision.reason, lease: decision.lease.do, intent: decision.instance.do };
  assert.deepEqual(got, { lease: 'nothing', intent: 'nothing', ...expected }, JSON.stringify(decision, bigints));
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
