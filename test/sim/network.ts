/**
 * Who reaches whom: each direction of each pair may be cut, delayed or lossy on its own. The API server is one more
 * place. Messages that meet a cut are lost; whoever waits for an answer has a deadline.
 */
import type { Random } from './random.ts';

export interface Network {
  /** Index of the API server; members are 0 … n − 1. */
  kube: number;
  /** When a cut last began or ended. */
  changedAt: number;
  cut(from: number, to: number, on: boolean): void;
  open(from: number, to: number): boolean;
  bothOpen(a: number, b: number): boolean;
  /** How long this message takes, or undefined when it is lost. */
  travel(from: number, to: number): number | undefined;
  /** For streams of bytes: loss is only delay. */
  haul(from: number, to: number): number;
  /** Extra delay (up to) and loss for everything that a member sends or receives. */
  trouble(member: number, extraMs: number, loss: number): void;
  /** Nothing slows down or loses what the member sends. */
  isWell(member: number): boolean;
  heal(): void;
}

/** A network in which all is well; `scale` is how slow a good day is. */
export function createNetwork(members: number, dice: Random, scale: number, now: () => number): Network {
  const places = members + 1;
  const cuts = new Uint8Array(places * places);
  const extra = new Float64Array(places);
  const loss = new Float64Array(places);

  function delay(from: number, to: number): number {
    const slow = Math.max(extra[from] as number, extra[to] as number);
    const base = 0.2 + scale * dice.next();
    return slow === 0 ? base : base + slow * dice.next();
  }

  const network: Network = {
    kube: members,
    changedAt: 0,
    cut(from, to, on) {
      network.changedAt = now();
      cuts[from * places + to] = on ? 1 : 0;
    },
    open: (from, to) => cuts[from * places + to] === 0,
    bothOpen: (a, b) => cuts[a * places + b] === 0 && cuts[b * places + a] === 0,
    travel(from, to) {
      if (cuts[from * places + to] !== 0) return undefined;
      const lossy = Math.max(loss[from] as number, loss[to] as number);
      if (lossy > 0 && dice.next() < lossy) return undefined;
      return delay(from, to);
    },
    haul(from, to) {
      const lossy = Math.max(loss[from] as number, loss[to] as number);
      return delay(from, to) + (lossy > 0 && dice.next() < lossy ? 200 : 0);
    },
    trouble(member, extraMs, share) {
      network.changedAt = now();
      extra[member] = extraMs;
      loss[member] = share;
    },
    isWell: (member) => extra[member] === 0 && loss[member] === 0,
    heal() {
      network.changedAt = now();
      cuts.fill(0);
      extra.fill(0);
      loss.fill(0);
    },
  };
  return network;
}
