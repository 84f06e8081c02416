/**
 * The lab's network on loopback: one fault proxy in front of every member's HA and peer port and one per member on its
 * way to the API server. Keeps which links are cut or held and applies it; clients' ports are never touched.
 */
import type { Addresses } from './addresses.ts';
import { type FaultProxy, type LinkState, startProxy } from './proxy.ts';

/** Kernel objects outside any directory, by name. */
export interface Traces {
  namespaces: string[];
  links: string[];
  /** Control groups, by their path in every hierarchy. */
  cgroups?: string[];
}

/** What a member can be cut from. */
export type CutFrom = 'kube' | 'peers' | 'all';

export interface Network {
  cut(member: number, from: CutFrom): void;
  /** What one member sends to another is lost from now on; what comes back arrives. */
  mute(from: number, to: number): void;
  /** Undoes every cut of the member, one-way ones as well. */
  heal(member: number): void;
  isCut(member: number): boolean;
  /** A member without power neither sends nor answers. */
  setPower(member: number, on: boolean): void;
  /** Keeps the WAL that flows to the member in the proxies' memory: the member falls behind. */
  hold(member: number): void;
  /** Lets it flow again. What was kept is delivered, or lost with the connection when `drop` is asked for. */
  release(member: number, kept: 'deliver' | 'drop'): void;
  /** Bytes kept from the member so far; undefined where the network cannot tell. */
  heldBytes(member: number): number | undefined;
  /** Resolves when everything asked for stands. */
  settled(): Promise<void>;
  /** What it leaves on the machine when the lab is killed. */
  traces(): Traces;
  /** Put before a member's command. */
  prefix(member: number): string[];
  close(): Promise<void>;
}

interface Faults {
  kube: boolean;
  peers: boolean;
  power: boolean;
  held: boolean;
}

/** Opens all proxies; rejects when an address is taken. */
export async function startNetwork(addresses: Addresses): Promise<Network> {
  const faults: Faults[] = addresses.members.map(() => ({ kube: false, peers: false, power: true, held: false }));
  /** One-way cuts as `from to`. */
  const muted = new Set<string>();
  const indexOf = new Map(addresses.members.map(({ ip }, i) => [ip, i]));
  const proxies: FaultProxy[] = [];
  const haProxies: FaultProxy[] = [];

  function peersCut(index: number | undefined): boolean {
    const own = index === undefined ? undefined : faults[index];
    return own !== undefined && (own.peers || !own.power);
  }
  function peerLink(caller: string, target: number): LinkState {
    const from = indexOf.get(caller);
    if (peersCut(from) || peersCut(target)) return 'cut';
    const [heard, answered] = [!muted.has(`${from} ${target}`), !muted.has(`${target} ${from}`)];
    if (heard) return answered ? 'open' : 'deaf';
    return answered ? 'unheard' : 'cut';
  }
  function haLink(caller: string, target: number): LinkState {
    const link = peerLink(caller, target);
    const from = indexOf.get(caller);
    return link === 'open' && from !== undefined && faults[from]?.held ? 'held' : link;
  }
  function kubeLink(index: number): LinkState {
    const own = faults[index];
    return own === undefined || own.kube || !own.power ? 'cut' : 'open';
  }
  function change(member: number, next: Partial<Faults>) {
    const own = faults[member];
    if (own !== undefined) Object.assign(own, next);
    refresh();
  }
  function refresh() {
    for (const proxy of proxies) proxy.refresh();
  }

  for (const [index, { ip, ports, kubeOwn }] of addresses.members.entries()) {
    const through = (port: number, targetPort: number, linkOf: (caller: string) => LinkState) =>
      startProxy({ listen: { host: ip, port }, target: { host: ip, port: targetPort }, source: undefined, linkOf });
    const ha = await through(ports.haAdvertised, ports.ha, (caller) => haLink(caller, index));
    const peer = await through(ports.peerAdvertised, ports.peer, (caller) => peerLink(caller, index));
    const kube = await startProxy({
      listen: { host: ip, port: ports.kube },
      target: kubeOwn,
      source: undefined,
      linkOf: () => kubeLink(index),
    });
    haProxies.push(ha);
    proxies.push(ha, peer, kube);
  }

  return {
    cut: (member, from) => change(member, { ...(from !== 'peers' && { kube: true }), ...(from !== 'kube' && { peers: true }) }),
    mute(from, to) {
      muted.add(`${from} ${to}`);
      refresh();
    },
    heal(member) {
      for (const pair of [...muted]) if (pair.split(' ').includes(String(member))) muted.delete(pair);
      change(member, { kube: false, peers: false });
    },
    isCut: (member) => faults[member]?.kube === true || faults[member]?.peers === true,
    setPower: (member, on) => change(member, { power: on }),
    hold: (member) => change(member, { held: true }),
    release(member, kept) {
      const address = addresses.members[member]?.ip ?? '';
      if (kept === 'drop') for (const proxy of haProxies) proxy.dropHeld(address);
      change(member, { held: false });
    },
    heldBytes: (member) => haProxies.reduce((sum, proxy) => sum + proxy.heldBytes(addresses.members[member]?.ip ?? ''), 0),
    settled: () => Promise.resolve(),
    traces: () => ({ namespaces: [], links: [] }),
    prefix: () => [],
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}
