/** Peers on loopback addresses of their own, with a handler that records what it is asked. */
import { after } from 'node:test';
import type { PeerState, PromiseAsk } from '../../../agent/core/model.ts';
import { ok } from '../../../agent/core/result.ts';
import { createPeers, type PeerNote, type Peers } from '../../../agent/adapters/peers/peers.ts';
import { noTelemetry } from '../../../agent/ports/telemetry.ts';
import type { FreezeAsk, PeerHandler } from '../../../agent/ports/others.ts';

export const key = Buffer.from('0123456789abcdef0123456789abcdef');
export const clock = { now: () => performance.now() };

/** A standby's state with only the difference stated. */
export function aState(name: string, difference: Partial<PeerState> = {}): PeerState {
  return {
    name,
    uid: `${name}-uid`,
    incarnation: 'i1',
    instance: 'standby',
    role: 'Standby',
    state: 'Normal',
    detail: 'Normal',
    term: 3,
    received: 0x5a0031f8n,
    replayed: 0x15a0031f8n,
    written: undefined,
    redoFinished: false,
    streamingFrom: '127.0.0.1:5433',
    systemId: '7300000000000000001',
    dataId: 'd1',
    promotedTerm: 0,
    frozenFor: undefined,
    granted: 3,
    eligible: true,
    reason: 'follows',
    leaseTerm: 3,
    paused: false,
    build: undefined,
    volumes: [{ mount: 'data', capacityBytes: 1000, availableBytes: 400, usedRatio: 0.6 }],
    agentVersion: '0.1.0',
    since: undefined,
    ...difference,
  };
}

export interface Station {
  name: string;
  ip: string;
  peers: Peers;
  notes: PeerNote[];
  freezes: FreezeAsk[];
  unfreezes: { term: number; from: string }[];
  promises: (PromiseAsk & { from: string })[];
  asked: number;
}

let address = 10;

/** An address of 127/8 that no other station of this process has; the pid keeps test files apart. */
export function nextAddress(): string {
  address += 1;
  return `127.${64 + (process.pid % 64)}.${(process.pid >> 6) % 250}.${address}`;
}

/** Makes a station; it listens at once. */
export async function station(
  name: string,
  options: { ip?: string; port?: number; key?: Buffer; handler?: Partial<PeerHandler>; periodMs?: number } = {},
): Promise<Station> {
  const ip = options.ip ?? nextAddress();
  const notes: PeerNote[] = [];
  const made = createPeers({
    self: name,
    address: ip,
    port,
    peerPort: options.port ?? port,
    key: options.key ?? key,
    clock,
    telemetry: noTelemetry,
    periodMs: options.periodMs ?? 50,
    onNote: (note) => notes.push(note),
  });
  if (!made.ok) throw new Error(made.fault.detail);
  const peers = made.value;
  const self: Station = { name, ip, peers, notes, freezes: [], unfreezes: [], promises: [], asked: 0 };
  const listening = await peers.listen({
    state: async () => {
      self.asked += 1;
      return aState(name);
    },
    freeze: async (ask) => {
      self.freezes.push(ask);
      return ok(aState(name, { frozenFor: { term: ask.term, candidate: ask.candidate } }));
    },
    unfreeze: async (ask) => {
      self.unfreezes.push(ask);
      return ok(aState(name));
    },
    promise: async (ask, from) => {
      self.promises.push({ ...ask, from });
      return ok(aState(name, { promised: { holder: ask.holder, term: ask.term } }));
    },
    ...options.handler,
  });
  if (!listening.ok) throw new Error(listening.fault.detail);
  return self;
}

/** Makes stations that are closed once the tests of the file are over. */
export function stations(): typeof station {
  const open: Station[] = [];
  after(async () => {
    await Promise.all(open.map((one) => one.peers.close()));
  });
  return async (...args) => {
    const made = await station(...args);
    open.push(made);
    return made;
  };
}

/** The peer port of every station; their addresses differ. */
export const port = 18_009;

/** Makes stations known to each other. */
export function acquaint(...stations: Station[]): void {
  const all = stations.map(({ name, ip }) => ({ name, uid: `${name}-uid`, ip }));
  for (const one of stations) one.peers.setPeers(all);
}

/** Waits until something holds; throws at the deadline. */
export async function until(what: string, holds: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
