/** What a member of the small model sees, as the View that the shipped rules decide on. */
import { defaultConfig } from '../../../agent/core/config.ts';
import { noHand } from '../../../agent/core/hand.ts';
import type { Instance, LeaseRecord, LocalRecords, PeerState, PodSight, Sender } from '../../../agent/core/model.ts';
import { permitFrom } from '../../../agent/core/permit.ts';
import { known } from '../../../agent/core/result.ts';
import type { PeerSight, Takeover, View } from '../../../agent/core/view.ts';
import { hostOf, type Member, nameOf, type State, termOf } from './state.ts';

export const now = 1_000_000;
const base = { systemId: '42', clusterState: 'in production' } as const;

export function holderText(holder: State['lease']['holder']): string {
  return holder === undefined ? '' : `${nameOf(holder.member)}/uid/${holder.incarnation}`;
}

export function recordIn(state: State): LeaseRecord {
  const { lease } = state;
  return {
    ...{ holder: holderText(lease.holder), term: lease.term, durationSeconds: 8, renewTime: '' },
    ...{ resourceVersion: String(lease.version), entries: lease.entries, syncMode: lease.syncMode },
    ...(lease.released ? { releasedBy: 'whom it named' } : {}),
    ...{ promoting: lease.promoting, heir: lease.heir, containerId: undefined, garbage: undefined },
  };
}

export function holdsLease(state: State, index: number): boolean {
  const { holder } = state.lease;
  return holder?.member === index && holder.incarnation === state.members[index]?.incarnation;
}

export const open = (state: State, a: number, b: number): boolean => state.cut[a] !== true && state.cut[b] !== true;

function processOf(member: Member) {
  return { pid: member.process, startTime: '1' };
}

/** What the member's server says of itself. */
export function instanceOf(state: State, index: number): Instance {
  const me = state.members[index] as Member;
  const data = { ...base, dataId: me.dataId, promotedTerm: me.promotedTerm };
  if (!me.up) return { is: 'stopped', data, exit: undefined };
  const running = { process: processOf(me), state: 'Normal', detail: 'Normal', data } as const;
  if (me.role === 'pending') return { is: 'pending', role: 'Pending', ...running };
  if (me.role === 'standby') {
    const receiving = me.from !== undefined;
    return {
      ...running,
      ...{ is: 'standby', role: 'Standby', state: receiving ? 'Normal' : 'Need repair' },
      detail: me.diverged ? 'WAL segment removed' : receiving ? 'Normal' : 'Connecting...',
      ...{ term: termOf(me.log), received: BigInt(me.log.length), replayed: BigInt(me.log.length) },
      receiver: receiving ? { from: `${hostOf(me.from ?? 0)}:5433`, state: 'Normal' } : undefined,
      lock: {
        mode: me.lock === undefined ? 'polling_connection' : 'specify_connection',
        ...{ host: me.lock === undefined ? undefined : hostOf(me.lock), port: me.lock === undefined ? undefined : 5433 },
        redoFinished: !receiving,
      },
    };
  }
  return {
    ...running,
    ...{ is: 'primary', role: 'Primary', written: BigInt(me.log.length), senders: sendersOf(state, index) },
    ...{ syncNames: me.names, mostAvailableSync: me.mostAvailable, readOnly: false, writable: true },
  };
}

function sendersOf(state: State, index: number): Sender[] {
  return state.members.flatMap((other, at): Sender[] => {
    if (other.from !== index || !other.up) return [];
    const flushed = BigInt(other.log.length);
    return [{ name: nameOf(at), state: 'Streaming', sync: 'Quorum', sent: flushed, flushed, replayed: flushed }];
  });
}

/** What that member says of itself to the others. */
export function peerIn(state: State, index: number): PeerState {
  const me = state.members[index] as Member;
  const instance = instanceOf(state, index);
  const standby = instance.is === 'standby' ? instance : undefined;
  const { freeze } = me;
  return {
    ...{ name: nameOf(index), uid: 'uid', incarnation: String(me.incarnation), instance: instance.is },
    ...{ role: 'role' in instance ? instance.role : 'Unknown', state: 'Normal', detail: '' },
    ...{ term: standby?.term ?? me.promotedTerm, received: standby?.received, replayed: standby?.replayed },
    written: instance.is === 'primary' ? BigInt(me.log.length) : undefined,
    redoFinished: standby?.lock?.redoFinished ?? false,
    streamingFrom: standby?.receiver?.from,
    ...{ systemId: '42', dataId: me.dataId, promotedTerm: me.promotedTerm },
    frozenFor: freeze === undefined ? undefined : { term: freeze.term, candidate: nameOf(freeze.candidate) },
    ...{ granted: me.granted, eligible: instance.is === 'standby' || instance.is === 'pending', reason: '' },
    ...{ leaseTerm: state.lease.term, paused: false, build: undefined, volumes: [], agentVersion: '0', since: undefined },
  };
}

const pods = new Map<number, PodSight[]>();

function podsOf(size: number): PodSight[] {
  let list = pods.get(size);
  if (list === undefined) {
    list = Array.from({ length: size }, (_, index) => ({
      ...{ name: nameOf(index), uid: 'uid', ip: hostOf(index), resourceVersion: '1', labels: {}, annotations: {} },
      ...{ terminating: false, createdAt: '', node: undefined, container: { id: undefined, state: 'running' as const } },
    }));
    pods.set(size, list);
  }
  return list;
}

function votesOf(state: State, me: Member): Takeover | undefined {
  if (me.takeover === undefined) return undefined;
  const votes: Record<string, PeerSight> = {};
  for (const [index, vote] of Object.entries(me.takeover.votes)) {
    const { term, length, dataId } = vote;
    const lsn = BigInt(length);
    const said = { term, received: lsn, replayed: lsn, dataId, redoFinished: true, instance: 'standby' as const };
    votes[nameOf(Number(index))] = { at: now - 100, state: { ...peerIn(state, Number(index)), ...said } };
  }
  return { term: me.takeover.term, startedAt: now - 4000, votes };
}

/** What is on the agent's disk. */
export function recordsOf({ granted, freeze }: Member): LocalRecords {
  if (freeze === undefined) return { granted, freeze, build: undefined };
  const { term, candidate, askedBy } = freeze;
  const by = askedBy === undefined ? {} : { askedBy: nameOf(askedBy) };
  return {
    granted,
    build: undefined,
    freeze: { term, candidate: nameOf(candidate), host: hostOf(candidate), port: 5433, ...by },
  };
}

/** The view of a member whose agent looks now; `late` lets what only time allows be allowed. */
export function viewIn(state: State, index: number, late: boolean): View {
  const me = state.members[index] as Member;
  const record = recordIn(state);
  const holds = holdsLease(state, index);
  const peers: Record<string, PeerSight> = {};
  const streamedAt: Record<string, number> = {};
  for (const at of state.members.keys()) {
    if (at === index) continue;
    if (open(state, index, at)) peers[nameOf(at)] = { at: now - 100, state: peerIn(state, at) };
    streamedAt[nameOf(at)] = open(state, index, at) ? now - 100 : now - 500_000;
  }
  const { promotion, switchover } = me;
  const firstSeenAt = late ? now - 60_000 : now - 500;
  return {
    ...{ now, wall: '2026-01-01T00:00:00.000Z', config: defaultConfig, paused: false, hand: noHand, volumes: [] },
    self: {
      ...{ name: nameOf(index), uid: 'uid', incarnation: String(me.incarnation) },
      ...{ identity: `${nameOf(index)}/uid/${me.incarnation}`, cluster: 'demo', namespace: 'default', ip: hostOf(index) },
      ...{ port: 5432, haPort: 5433, version: '0', startedAt: 0, guarded: true, provesDeath: true },
    },
    lease: known({ record, firstSeenAt, confirmedAt: now }, now),
    permit: holds ? permitFrom(now - 500, state.lease.term, 6) : undefined,
    ...(holds ? { held: record } : {}),
    instance: instanceOf(state, index),
    lastExit: me.sawExit ? { process: processOf(me), role: 'Primary', at: late ? now - 60_000 : now - 5000 } : undefined,
    downSince: me.up ? undefined : late ? now - 60_000 : now - 500,
    startedHere: me.startedHere ? processOf(me) : undefined,
    records: recordsOf(me),
    pods: known(podsOf(state.members.length), now),
    peers,
    facts: known({ systemId: '42', history: [], resourceVersion: '1' }, now),
    request: known(undefined, now),
    takeover: votesOf(state, me),
    ...{ job: undefined, failures: {}, stopping: false },
    promotion:
      promotion === undefined
        ? undefined
        : {
            ...{ term: promotion.term, process: { pid: promotion.process, startTime: '1' } },
            ...{ recordedAt: late ? now - 60_000 : now, settled: promotion.settled, finished: promotion.finished },
          },
    switchover:
      switchover === undefined
        ? undefined
        : {
            ...{ target: nameOf(switchover.target), cause: 'request', startedAt: now - 5000 },
            deadline: switchover.overdue || late ? now - 1 : now + 20_000,
            ...{ pointedAt: switchover.pointed ? now - 4000 : undefined, handedOver: switchover.handedOver },
          },
    streamedAt,
    syncBarrier: me.barrier === undefined ? undefined : BigInt(me.barrier),
  };
}
