/**
 * Who the other members are and where. The API server says it; what it said last is on disk, because an agent that
 * starts while it is away could otherwise neither promise nor be asked. A list that is old does no harm: a request
 * is signed for the member it is meant for, and the word of a peer is a hint (I12). A member that a list does not show any
 * more may be there all the same, deleted by force or about to be made anew: it is one of those whose promise is needed,
 * and is asked for it, until lists have been without it for the whole duration of a lease.
 */
import type { LocalRecords, MemberName, Mono } from '../core/model.ts';
import { ok } from '../core/result.ts';
import type { Context } from './context.ts';
import { amend } from './records.ts';

type Peers = NonNullable<LocalRecords['peers']>;

/** When each member was last listed, and where it was then. */
const listed = new WeakMap<Context, Map<MemberName, { at: Mono; peer: Peers[number] | undefined }>>();

/**
 * Talks to these from now on, and remembers them when they are others than before. The roster has everybody that may
 * lead, also a pod that has no address yet: it may get one, and a volume with it, while nobody here can see that.
 * `readAt` is when the list was read that shows who is away.
 */
export function meetPeers(ctx: Context, names: MemberName[], peers: Peers, readAt: Mono): void {
  const { memory, ports, self } = ctx;
  const known = knownTo(ctx);
  const now = ports.clock.now();
  for (const name of names) {
    const peer = peers.find((one) => one.name === name);
    known.set(name, { at: now, peer: peer ?? known.get(name)?.peer });
  }
  const stayMs = Math.max(memory.config.lease.durationSeconds, memory.held?.durationSeconds ?? 0) * 1000;
  for (const [name, { at }] of known) if (readAt - at >= stayMs) known.delete(name);
  const isNew = memory.roster.length !== known.size || memory.roster.some((name) => !known.has(name));
  if (isNew) memory.roster = [...new Set([self.name, ...known.keys()])].sort();
  const away = [...known].flatMap(([name, { peer }]) => (names.includes(name) || peer === undefined ? [] : [peer]));
  const met = away.length === 0 ? peers : [...peers, ...away];
  ports.peers.setPeers(met);
  remember(ctx, met);
}

/** Beside the cycle, and once per change: a volume that hangs must not hold up the lease. */
function remember(ctx: Context, peers: Peers): void {
  const { memory } = ctx;
  if (isSame(peers, memory.remembered)) return;
  memory.remembered = peers;
  void amend(ctx, (records) => ok(isSame(peers, records.peers) ? records : { ...records, peers }));
}

function isSame(peers: Peers, others: Peers | undefined): boolean {
  if (peers.length !== others?.length) return false;
  return peers.every(({ name, uid, ip }, at) => name === others[at]?.name && uid === others[at].uid && ip === others[at].ip);
}

/** Those on disk count as listed when the agent began to look. */
function knownTo(ctx: Context): Map<MemberName, { at: Mono; peer: Peers[number] | undefined }> {
  const before = listed.get(ctx);
  if (before !== undefined) return before;
  const at = ctx.ports.clock.now();
  const others = (ctx.memory.records.peers ?? []).filter((peer) => peer.name !== ctx.self.name);
  const known = new Map(others.map((peer) => [peer.name, { at, peer: peer as Peers[number] | undefined }]));
  listed.set(ctx, known);
  return known;
}

/** After a start: those of the last list. Whether there are others by now is not known, so it is no roster. */
export function meetPeersAgain(ctx: Context): void {
  const { peers } = ctx.memory.records;
  if (peers !== undefined) ctx.ports.peers.setPeers(peers);
}
