// Where a standby looks for its primary: the peers of replconninfo, or the one place a connection lock names, asked side by side (one after
// the other at real pace). It finds who says to be primary; whether that one may be followed is not its business.
import { setTimeout as sleep } from 'node:timers/promises';
import { pace } from '../shared/pace.ts';
import type { ConnectionLock } from '../shared/state.ts';
import type { ReplConnInfo } from './gucs.ts';
import { type PeerAddress, type PeerFacts, probePeer } from './peers.ts';

/** What the search depends on. */
export interface SearchNeeds {
  peers(): ReplConnInfo[];
  lock(): ConnectionLock;
  cascade(): boolean;
  say(line: string): void;
}

/** A peer that may be the upstream. */
export interface Found {
  peer: PeerAddress;
  facts: PeerFacts;
}

/** A question to a peer that is under way, or answered and not yet looked at. */
interface Probe {
  facts: PeerFacts | undefined;
  over: boolean;
  done: Promise<void>;
}

const probeMs = 2_000;
const laggardMs = 150;
const keyOf = (peer: PeerAddress) => `${peer.host}:${peer.port}`;

/** Where to look now. A member that is pointed at itself looks nowhere. */
function candidates(needs: SearchNeeds): PeerAddress[] {
  const lock = needs.lock();
  const peers = needs.peers();
  if (lock.mode === 'prohibit_connection') return [];
  if (lock.mode === 'polling_connection')
    return peers.map((peer) => ({ host: peer.remoteHost, port: peer.remotePort, localHost: peer.localHost }));
  const itself = peers.some((peer) => peer.localHost === lock.host && peer.localPort === lock.port);
  return itself || lock.port === 0 ? [] : [{ host: lock.host, port: lock.port, localHost: peers[0]?.localHost }];
}

/** A search that remembers the questions it has asked. */
export function createSearch(needs: SearchNeeds) {
  const probes = new Map<string, Probe>();

  function start(peer: PeerAddress): Promise<void> {
    const under = probes.get(keyOf(peer));
    if (under !== undefined) return under.done;
    const probe: Probe = { facts: undefined, over: false, done: Promise.resolve() };
    probe.done = probePeer(peer, probeMs).then((facts) => {
      probe.facts = facts;
      probe.over = true;
    });
    probes.set(keyOf(peer), probe);
    return probe.done;
  }

  /** Waits until all are answered, or the first and a while for the others: a peer that is cut off must not hold them up. */
  async function ask(peers: PeerAddress[]): Promise<void> {
    const waits = peers.map(start);
    await Promise.race([Promise.all(waits), Promise.any(waits).then(() => sleep(laggardMs))]);
  }

  return {
    /** The first peer in order that says to be primary. */
    async choose(): Promise<Found | undefined> {
      const wanted = needs.cascade() ? ['Primary', 'Standby'] : ['Primary'];
      const peers = candidates(needs);
      if (peers.length === 0) return undefined;
      if (pace() === 'fast') await ask(peers);
      for (const peer of peers) {
        if (pace() === 'real') await ask([peer]);
        const probe = probes.get(keyOf(peer));
        if (probe === undefined || !probe.over) continue;
        probes.delete(keyOf(peer));
        if (probe.facts === undefined) continue;
        if (wanted.includes(probe.facts.role)) return { peer, facts: probe.facts };
        needs.say(`FATAL:  the mode of the remote server must be primary, current is ${probe.facts.role}`);
      }
      return undefined;
    },
    /** Drops answers and questions under way: what was said before is not true any more. */
    forget: () => probes.clear(),
  };
}
