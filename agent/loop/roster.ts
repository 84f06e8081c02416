/**
 * Who the other members are and where. The API server says it; what it said last is on disk, because an agent that
 * starts while it is away could otherwise neither promise nor be asked. A list that is old does no harm: a request
 * is signed for the member it is meant for, and the word of a peer is a hint (I12).
 */
import type { LocalRecords } from '../core/model.ts';
import { ok } from '../core/result.ts';
import type { Context } from './context.ts';
import { amend } from './records.ts';

type Peers = NonNullable<LocalRecords['peers']>;

/**
 * Talks to these from now on, and remembers them when they are others than before. The roster has everybody that may
 * lead, also a pod that has no address yet: it may get one, and a volume with it, while nobody here can see that.
 */
export function meetPeers(ctx: Context, names: string[], peers: Peers): void {
  const { memory, ports, self } = ctx;
  memory.roster = [...new Set([self.name, ...names])].sort();
  ports.peers.setPeers(peers);
  const text = JSON.stringify(peers);
  if (text === memory.rosterText) return;
  memory.rosterText = text;
  // Beside the cycle, and once per change: a volume that hangs must not hold up the lease.
  void amend(ctx, (records) => ok(JSON.stringify(records.peers) === text ? records : { ...records, peers }));
}

/** After a start: those of the last list. Whether there are others by now is not known, so it is no roster. */
export function meetPeersAgain(ctx: Context): void {
  const { peers } = ctx.memory.records;
  if (peers !== undefined) ctx.ports.peers.setPeers(peers);
}
