/**
 * The peers: exchanges states with each of them once a second, keeps the latest ones with the moment they were asked
 * for, and carries freezes and promises. Of two members the one whose name comes first asks, and tells its own state with the question.
 * The other one asks too when it is told nothing. Each peer has its own connections, its own deadline and its own turn, so that a dead one
 * never delays the others. Nothing is decided here; how old an answer may be is the core's business.
 */
import type { MemberName, Mono, PeerState, PromiseAsk, Term } from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { PeerSight } from '../../core/view.ts';
import type { Clock, FreezeAsk, PeerHandler, PeersPort } from '../../ports/others.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { type Channel, openChannel } from './channel.ts';
import { type PeerServer, servePeers } from './server.ts';
import { keyBytesMin } from './sign.ts';
import { decodeState, encodeState, encodeTold } from './wire.ts';

export interface PeersOptions {
  self: MemberName;
  /** Where to listen; when no wildcard, also where connections come from. */
  address: string;
  port: number;
  /** Port at which the others are reached. */
  peerPort: number;
  key: Buffer;
  clock: Pick<Clock, 'now'>;
  telemetry: Pick<Telemetry, 'observePeerRequest'>;
  /** How often each peer is asked; a test may shorten it. */
  periodMs?: number;
  /** Told once per change: a peer stopped or began to answer, or a request was refused. */
  onNote?(note: PeerNote): void;
}

export type PeerNote =
  | { what: 'peer-lost'; peer: MemberName; fault: Fault }
  | { what: 'peer-found'; peer: MemberName }
  | { what: 'request-refused'; reason: string; from: string | undefined };

export interface Peers extends PeersPort {
  /** Starts to answer and to ask. */
  listen(handler: PeerHandler): Promise<Result<{ port: number }>>;
}

interface Peer {
  uid: string;
  ip: string;
  channel: Channel;
  sight: PeerSight | undefined;
  lost: boolean;
  asking: boolean;
  /** As old as what it last told by itself. */
  toldAt: Mono;
}

/** The own state as text, and the moment before the look at it. */
interface Own {
  text: string;
  at: Mono;
}

/** Longest wait for a peer's state: half a period. */
const gossipDeadlineMs = 500;
/** More than these are not a cluster of openGauss. */
const peersMax = 8;

/**
 * How long until the next turn, by the wall clock: members whose clocks agree ask at the same moments, so that one look at a
 * server answers all of them. Nothing rests on it; a turn is never left out and hardly ever doubled.
 */
export function untilTurn(wallMs: number, periodMs: number): number {
  const left = periodMs - (wallMs % periodMs);
  // A timer that fires a moment early must not make a turn of its own.
  return left < periodMs / 4 ? left + periodMs : left;
}

/** Makes the peers of a member; nothing is sent or answered before `listen`. */
export function createPeers(options: PeersOptions): Result<Peers> {
  if (options.key.length < keyBytesMin) {
    const detail = `peer-key has ${options.key.length} bytes; at least ${keyBytesMin} are needed`;
    return failed({
      of: 'peer',
      kind: 'malformed',
      done: 'no',
      detail,
      hint: 'Put the output of `openssl rand -hex 32` into the Secret.',
    });
  }
  const wildcard = options.address === '0.0.0.0' || options.address === '::';
  const peers = new Map<MemberName, Peer>();
  const noted = new Set<string>();
  let server: PeerServer | undefined;
  let timer: NodeJS.Timeout | undefined;
  let later: NodeJS.Timeout | undefined;
  let handler: PeerHandler | undefined;
  const period = options.periodMs ?? 1000;
  // Of the look at the own server, before a question goes out without it, and until the silent are asked: one timer wakes for both.
  const patienceMs = period / 4;
  let closed = false;

  function open(name: MemberName, ip: string): Channel {
    return openChannel({
      self: options.self,
      peer: name,
      host: ip,
      port: options.peerPort,
      localAddress: wildcard ? undefined : options.address,
      key: options.key,
      clock: options.clock,
    });
  }

  /** Asks one peer, keeps a newer answer; tells it the own state where that can be said to be after an answer of its. */
  async function ask(name: MemberName, peer: Peer, deadlineMs: number, own?: Own): Promise<void> {
    const at = options.clock.now();
    const last = peer.channel.answered();
    const body =
      own === undefined || last === undefined || own.at < last.at
        ? undefined
        : encodeTold(own.text, { after: last.counter, heldMs: Math.floor(own.at - last.at) });
    const answer = await send(peer, { route: 'state', body }, deadlineMs);
    if (peers.get(name) === peer) take(name, peer, answer, at);
  }

  function take(name: MemberName, peer: Peer, answer: Result<PeerState>, at: number): void {
    if (answer.ok && answer.value.name === name) {
      // A slow answer must not replace one that was asked for later.
      if (peer.sight !== undefined && peer.sight.at > at) return;
      peer.sight = { state: answer.value, at };
      if (peer.lost) options.onNote?.({ what: 'peer-found', peer: name });
      peer.lost = false;
    } else if (!peer.lost) {
      peer.lost = true;
      const fault: Fault = answer.ok
        ? { of: 'peer', kind: 'malformed', done: 'no', detail: 'the answer is about another member' }
        : answer.fault;
      options.onNote?.({ what: 'peer-lost', peer: name, fault });
    }
  }

  async function send(
    peer: Peer,
    request: { route: 'state' | 'freeze' | 'unfreeze' | 'promise'; body: string | undefined },
    deadlineMs: number,
  ): Promise<Result<PeerState>> {
    const started = options.clock.now();
    const { route, body } = request;
    const reply = await peer.channel.call(route === 'state' ? 'GET' : 'POST', `/v1/${route}`, body, deadlineMs);
    const result = reply.ok ? decodeState(reply.value) : reply;
    const outcome = result.ok ? 'ok' : result.fault.kind;
    options.telemetry.observePeerRequest({ route, outcome, seconds: (options.clock.now() - started) / 1000 });
    return result;
  }

  function order(
    member: MemberName,
    route: 'freeze' | 'unfreeze' | 'promise',
    body: object,
    deadlineMs: number,
  ): Promise<Result<PeerState>> {
    const peer = peers.get(member);
    if (peer === undefined)
      return Promise.resolve(failed({ of: 'peer', kind: 'absent', done: 'no', detail: `${member} is not a known member` }));
    const at = options.clock.now();
    return send(peer, { route, body: JSON.stringify(body) }, deadlineMs).then((answer) => {
      // What it says after the order is news as well; a refused order says nothing about its state.
      if (answer.ok && peers.get(member) === peer) take(member, peer, answer, at);
      return answer;
    });
  }

  function turn(): void {
    timer = setTimeout(turn, untilTurn(Date.now(), period)).unref();
    later = setTimeout(askSilent, patienceMs).unref();
    void exchange();
  }

  /** With those after this member in name, which need not ask then. */
  async function exchange(): Promise<void> {
    if (![...peers.keys()].some((name) => name > options.self)) return;
    const own = await ownState();
    gossip((name) => name > options.self, own);
  }

  /** Those before it are asked when they have left out their turn: they are older agents, cannot reach this member, or are gone. */
  function askSilent(): void {
    const now = options.clock.now();
    gossip((name, peer) => name < options.self && now - peer.toldAt > period * 1.1);
  }

  function gossip(whom: (name: MemberName, peer: Peer) => boolean, own?: Own): void {
    for (const [name, peer] of peers) {
      // One turn at a time: a peer that hangs is not asked again before it ran out of time.
      if (peer.asking || !whom(name, peer)) continue;
      peer.asking = true;
      void ask(name, peer, gossipDeadlineMs, own).finally(() => {
        peer.asking = false;
      });
    }
  }

  /** Undefined when there is none in time: a question never waits for a server that hangs. */
  function ownState(): Promise<Own | undefined> {
    const at = options.clock.now();
    return new Promise((resolve, reject) => {
      const late = setTimeout(resolve, patienceMs, undefined);
      const done = (state: PeerState | undefined): void => {
        clearTimeout(late);
        resolve(state === undefined ? undefined : { text: JSON.stringify(encodeState(state)), at });
      };
      if (handler === undefined) done(undefined);
      else handler.state().then(done, reject);
    });
  }

  /** What a member says by itself counts for the very pod that the API server shows under that name. */
  function told(name: MemberName, state: PeerState, at: Mono): void {
    const peer = peers.get(name);
    if (peer === undefined || state.uid !== peer.uid) return;
    take(name, peer, ok(state), at);
    if (peer.sight?.at === at) peer.toldAt = at;
  }

  function setPeers(wanted: { name: MemberName; uid: string; ip: string }[]): void {
    const others = wanted.filter((one) => one.name !== options.self).slice(0, peersMax);
    for (const [name, peer] of peers) {
      const next = others.find((one) => one.name === name);
      // A pod made anew is somebody else: what the old one said is void, and so is its session.
      if (next === undefined || next.uid !== peer.uid || next.ip !== peer.ip) {
        peers.delete(name);
        void peer.channel.close();
      }
    }
    for (const { name, uid, ip } of others) {
      if (peers.has(name)) continue;
      const told = { toldAt: Number.NEGATIVE_INFINITY };
      peers.set(name, { uid, ip, channel: open(name, ip), sight: undefined, lost: false, asking: false, ...told });
    }
    server?.keep(others.map((one) => one.name));
  }

  function onRefusal(refusal: { reason: string; from: string | undefined }): void {
    const key = `${refusal.reason} ${refusal.from}`;
    // Once each, and bounded: a stranger must not fill the log.
    if (noted.has(key) || noted.size >= 32) return;
    noted.add(key);
    options.onNote?.({ what: 'request-refused', ...refusal });
  }

  return ok({
    async listen(answering) {
      const { self, address, port, key, clock } = options;
      const isMember = (name: MemberName): boolean => peers.has(name);
      const heard = { isMember, onTold: told, onRefusal };
      const served = await servePeers({ self, address, port, key, clock, handler: answering, ...heard });
      if (!served.ok) return served;
      if (closed) {
        await served.value.close();
        return failed({ of: 'peer', kind: 'cancelled', done: 'no', detail: 'closed meanwhile' });
      }
      server = served.value;
      handler = answering;
      turn();
      return ok({ port: server.port });
    },
    setPeers(wanted) {
      const before = new Set(peers.values());
      setPeers(wanted);
      // A newcomer is asked at once instead of with the next turn.
      if (timer !== undefined && [...peers.values()].some((peer) => !before.has(peer))) gossip(() => true);
    },
    seen: () => Object.fromEntries([...peers].flatMap(([name, peer]) => (peer.sight === undefined ? [] : [[name, peer.sight]]))),
    async refresh(deadlineMs) {
      await Promise.all([...peers].map(([name, peer]) => ask(name, peer, Math.min(deadlineMs, gossipDeadlineMs))));
    },
    freeze: (member, asked: FreezeAsk, deadlineMs) => order(member, 'freeze', asked, deadlineMs),
    unfreeze: (member, term: Term, deadlineMs) => order(member, 'unfreeze', { term }, deadlineMs),
    promise: (member, asked: PromiseAsk, deadlineMs) => order(member, 'promise', asked, deadlineMs),
    async close() {
      closed = true;
      clearTimeout(timer);
      clearTimeout(later);
      const open = [...peers.values()];
      peers.clear();
      await Promise.all([server?.close(), ...open.map((peer) => peer.channel.close())]);
    },
  });
}
