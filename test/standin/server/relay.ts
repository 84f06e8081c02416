// The way of WAL into a standby. PostgreSQL's WAL receiver connects here, and is held until a peer is found that is Primary, of the same
// system, not behind in terms, and whose history contains the local one; then the bytes go through. The connection lock, a promotion and a
// stop cut the stream at once. What is found wrong for good (another system, a fork) is kept until the process ends.
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayMs, pace, paced } from '../shared/pace.ts';
import { giveToPostgres } from '../shared/postgres.ts';
import type { ConnectionLock, RebuildReason } from '../shared/state.ts';
import type { ReplConnInfo } from './gucs.ts';
import { connectPeer, type PeerAddress, type PeerFacts, probePeer } from './peers.ts';
import { slotParameter } from './admission.ts';
import { errorFields, frameSplitter, readStartup, type Startup, writeStartup } from './protocol.ts';
import { relaySocket } from './render.ts';
import { divergence, type History } from './terms.ts';

/** What the relay needs of its instance. */
export interface RelayNeeds {
  peers(): ReplConnInfo[];
  lock(): ConnectionLock;
  systemId(): string;
  /** the local history; 'unchecked' right after a build, whose end nobody can know; undefined while not yet readable */
  history(): Promise<History | 'unchecked' | undefined>;
  cascade(): boolean;
  applicationName(): string;
  /** the replication slot to keep on the primary */
  slotName(): string;
  /** takes the primary's timelines over; true when the stream must wait for a restart of PostgreSQL */
  adopt(primary: PeerFacts): Promise<boolean>;
  log(line: string): void;
  /** a stream began, or its catching up ended */
  attached(peer: PeerAddress, channel: string, peerRole: string, catchingUp: boolean): void;
  /** the stream ended */
  detached(): void;
  /** the reason to show while there is no stream */
  reason(reason: RebuildReason): void;
  /** all WAL at hand is replayed: the WAL receiver came for more */
  drained(): void;
}

/** The relay of one instance. */
export interface Relay {
  listen(): Promise<void>;
  /** allows or forbids streaming; forbidding cuts at once */
  enable(on: boolean): void;
  /** ends the current stream; the search begins anew */
  cut(): void;
  /** the peer the WAL comes from */
  upstream(): PeerAddress | undefined;
  /** looks again at once, as the lock or the list of peers has changed */
  nudge(): void;
  close(): void;
}

/** A question to a peer that is under way, or answered and not yet looked at. */
interface Probe {
  facts: PeerFacts | undefined;
  over: boolean;
  done: Promise<void>;
}

const pointedMs = 15_000;

const sticky: ReadonlySet<RebuildReason> = new Set([
  'WAL segment removed',
  'System id not matched',
  'Timeline not matched',
  'Version not matched',
]);

/** The channel text of a receiver. */
function channelOf(socket: Socket): string {
  return `${socket.localAddress}:${socket.localPort}<--${socket.remoteAddress}:${socket.remotePort}`;
}

/** Is what the sender has sent all it has? Reads the header of a WAL message or a keepalive. */
function caughtUp(body: Buffer): boolean | undefined {
  if (body[0] === 0x77 && body.length >= 25) return body.readBigUInt64BE(1) + BigInt(body.length - 25) >= body.readBigUInt64BE(9);
  return body[0] === 0x6b ? true : undefined;
}

/** A relay that listens once told to. */
export function createRelay(needs: RelayNeeds): Relay {
  let held: { socket: Socket; startup: Startup } | undefined;
  let stream: { near: Socket; far: Socket; peer: PeerAddress } | undefined;
  let enabled = false;
  let closed = false;
  let searching = false;
  let verdict: RebuildReason | undefined;
  let generation = 0;
  let attachedAt = 0;

  const probes = new Map<string, Probe>();
  const said = new Map<string, number>();

  /** Logs a sentence at most once a second. */
  const say = (line: string) => {
    const now = Date.now();
    if (now - (said.get(line) ?? 0) < 1_000) return;
    if (said.size > 100) said.clear();
    said.set(line, now);
    needs.log(line);
  };
  const show = (reason: RebuildReason) => {
    if (sticky.has(reason)) verdict = reason;
    needs.reason(reason);
  };

  function candidates(): PeerAddress[] {
    const lock = needs.lock();
    const peers = needs.peers();
    if (lock.mode === 'prohibit_connection') return [];
    if (lock.mode === 'specify_connection') {
      const itself = peers.some((peer) => peer.localHost === lock.host && peer.localPort === lock.port);
      return itself ? [] : [{ host: lock.host, port: lock.port, localHost: peers[0]?.localHost }];
    }
    return peers.map((peer) => ({ host: peer.remoteHost, port: peer.remotePort, localHost: peer.localHost }));
  }

  /** Starts the questions that are not under way, and waits until all are answered, or most of them for a while. */
  async function ask(peers: PeerAddress[]): Promise<void> {
    const waits = peers.map((peer) => {
      const key = `${peer.host}:${peer.port}`;
      const under = probes.get(key);
      if (under !== undefined) return under.done;
      const probe: Probe = { facts: undefined, over: false, done: Promise.resolve() };
      probe.done = probePeer(peer, 2_000).then((facts) => {
        probe.facts = facts;
        probe.over = true;
      });
      probes.set(key, probe);
      return probe.done;
    });
    // a peer that is cut off must not keep the others' answers waiting
    await Promise.race([Promise.all(waits), Promise.any(waits).then(() => sleep(150))]).catch(() => {});
  }

  async function choose(): Promise<{ peer: PeerAddress; facts: PeerFacts } | undefined> {
    const wanted = needs.cascade() ? ['Primary', 'Standby'] : ['Primary'];
    const peers = candidates().filter((peer) => peer.port > 0);
    if (peers.length === 0) return undefined;
    if (pace() === 'fast') await ask(peers);
    for (const peer of peers) {
      if (pace() === 'real') await ask([peer]);
      const key = `${peer.host}:${peer.port}`;
      const probe = probes.get(key);
      if (probe === undefined || !probe.over) continue;
      probes.delete(key);
      if (probe.facts === undefined) continue;
      if (wanted.includes(probe.facts.role)) return { peer, facts: probe.facts };
      say(`FATAL:  the mode of the remote server must be primary, current is ${probe.facts.role}`);
    }
    return undefined;
  }

  /** May the WAL of this primary follow ours? */
  async function acceptable(facts: PeerFacts): Promise<boolean> {
    const local = await needs.history();
    if (local === undefined) return false;
    // unknown until the server behind is up, and of a fresh build it is the primary's
    if (needs.systemId() !== '' && facts.systemId !== needs.systemId()) {
      show('System id not matched');
      return false;
    }
    if (local !== 'unchecked') {
      if (facts.history.term < local.term) {
        say(
          `FATAL:  invalid local term or remote term smaller than local. remote term[${facts.history.term}], local term[${local.term}]`,
        );
        return false;
      }
      const fork = divergence(local, facts.history);
      if (fork !== undefined) {
        needs.log(
          `FATAL:  standby's local request lsn[${local.end}] 's crc mismatched with remote server crc(local, remote):[0,0].`,
        );
        needs.log(`DETAIL:  ${fork}`);
        show('WAL segment removed');
        return false;
      }
    }
    return !(await needs.adopt(facts));
  }

  function attach(near: Socket, startup: Startup, far: Socket, peer: PeerAddress, facts: PeerFacts): void {
    const split = frameSplitter();
    let streaming = false;
    let behind = true;
    const end = () => {
      near.destroy();
      far.destroy();
      if (stream?.near !== near) return;
      stream = undefined;
      if (streaming) needs.detached();
      if (verdict !== undefined) needs.reason(verdict);
    };
    const look = (chunk: Buffer) => {
      for (const frame of split(chunk)) {
        if (frame.type === 'W' && !streaming) {
          streaming = true;
          needs.attached(peer, channelOf(far), facts.role, true);
        } else if (frame.type === 'd' && streaming && behind && caughtUp(frame.body) === true) {
          behind = false;
          needs.attached(peer, channelOf(far), facts.role, false);
        } else if (frame.type === 'E') {
          const fields = errorFields(frame.body);
          needs.log(`FATAL:  could not receive data from WAL stream: ${fields.get('M') ?? ''}`);
          if (fields.get('C') === '58P01') show('WAL segment removed');
        }
      }
    };
    stream = { near, far, peer };
    attachedAt = Date.now();
    probes.clear(); // what was said before this stream is not true after it
    far.on('data', (chunk) => {
      if (!near.write(chunk)) far.pause();
      look(chunk);
    });
    near.on('drain', () => far.resume());
    near.on('data', (chunk) => {
      if (!far.write(chunk)) near.pause();
    });
    far.on('drain', () => near.resume());
    for (const socket of [near, far]) for (const event of ['close', 'end', 'error'] as const) socket.on(event, end);
    far.write(writeStartup([...startup.params, [slotParameter, needs.slotName()]]));
    near.resume();
  }

  async function round(): Promise<boolean> {
    const mine = generation;
    const name = needs.applicationName();
    if (/[A-Z]/.test(name)) {
      needs.log(
        `FATAL:  could not create replication slot ${name} : FATAL:  replication slot name "${name}" contains invalid character`,
      );
      await sleep(1_000);
      return false;
    }
    const found = await choose();
    if (found === undefined || held === undefined || !enabled || mine !== generation) return false;
    if (!(await acceptable(found.facts))) return false;
    const far = await connectPeer(found.peer, 2_000);
    const near = held;
    if (far === undefined || near === undefined || !enabled || mine !== generation) {
      far?.destroy();
      return false;
    }
    held = undefined;
    attach(near.socket, near.startup, far, found.peer, found.facts);
    return true;
  }

  async function search(): Promise<void> {
    if (searching) return;
    searching = true;
    const since = Date.now();
    let shown = since;
    let reason: RebuildReason = 'Normal';
    // a stream that broke at once must not be tried in a hot loop; the real server lets a second pass before the first try
    if (Date.now() - attachedAt < 100) await sleep(100);
    if (pace() === 'real' && needs.lock().mode === 'polling_connection') await paced('reconnectMs');
    while (held !== undefined && enabled && !closed && verdict === undefined) {
      if (await round()) break;
      const mine = generation;
      if (verdict === undefined && Date.now() - shown > 1_500) {
        shown = Date.now();
        reason = reason === 'Normal' && needs.lock().mode === 'polling_connection' ? 'Disconnected' : 'Normal';
        needs.reason(reason);
      }
      // a standby that is pointed at a candidate looks often, as the promotion is near; but not for ever
      const pointed = needs.lock().mode === 'specify_connection' && Date.now() - since < pointedMs;
      const pauseMs = pointed ? 20 : delayMs('reconnectMs');
      for (let waited = 0; waited < pauseMs && mine === generation; waited += 20) await sleep(20);
    }
    searching = false;
  }

  const server = createServer({ pauseOnConnect: false }, (socket) => {
    held?.socket.destroy();
    stream?.near.destroy();
    let bytes = Buffer.alloc(0);
    socket.on('error', () => {});
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const startup = readStartup(bytes);
      if (startup === undefined) return;
      if (startup === 'malformed') {
        socket.destroy();
        return;
      }
      socket.off('data', onData);
      socket.pause();
      held = { socket, startup };
      socket.once('close', () => {
        if (held?.socket === socket) held = undefined;
      });
      needs.drained();
      void search();
    };
    socket.on('data', onData);
  });

  const cut = () => {
    generation += 1;
    probes.clear();
    stream?.far.destroy();
    stream?.near.destroy();
  };
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        // the file of an earlier listen went away with the start of PostgreSQL
        if (server.listening) server.close();
        rmSync(relaySocket, { force: true });
        server.once('error', reject);
        server.listen(relaySocket, () => {
          giveToPostgres(relaySocket);
          resolve();
        });
      }),
    enable(on) {
      enabled = on;
      if (!on) {
        cut();
        held?.socket.destroy();
        held = undefined;
      } else void search();
    },
    cut,
    upstream: () => stream?.peer,
    nudge() {
      generation += 1;
      probes.clear();
      void search();
    },
    close() {
      closed = true;
      enabled = false;
      cut();
      held?.socket.destroy();
      server.close();
    },
  };
}
