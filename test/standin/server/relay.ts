// The way of WAL into a standby. PostgreSQL's WAL receiver connects here, and is held until a peer is found that is Primary, of the same
// system, not behind in terms, and whose history contains the local one; then the bytes go through. The connection lock, a promotion and a
// stop cut the stream at once. What is found wrong for good (another system, a fork) is kept until the process ends.
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayMs, pace, paced } from '../shared/pace.ts';
import { giveToPostgres } from '../shared/postgres.ts';
import type { ConnectionLock, RebuildReason } from '../shared/state.ts';
import { slotParameter } from './admission.ts';
import type { ReplConnInfo } from './gucs.ts';
import { connectPeer, type PeerAddress, type PeerFacts } from './peers.ts';
import { readStartup, type Startup, writeStartup } from './protocol.ts';
import { relaySocket } from './render.ts';
import { createSearch, type Found } from './search.ts';
import { carryStream, channelOf } from './stream.ts';
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

const pointedMs = 15_000;
const restMs = 100;
const alternateMs = 1_500;

const sticky: ReadonlySet<RebuildReason> = new Set([
  'WAL segment removed',
  'System id not matched',
  'Timeline not matched',
  'Version not matched',
]);

/** A WAL receiver that waits for its stream. */
interface Held {
  socket: Socket;
  startup: Startup;
}

/** Logs a sentence at most once a second. */
function rarely(log: (line: string) => void): (line: string) => void {
  const said = new Map<string, number>();
  return (line) => {
    const now = Date.now();
    if (now - (said.get(line) ?? 0) < 1_000) return;
    if (said.size > 100) said.clear();
    said.set(line, now);
    log(line);
  };
}

/** Why the WAL of this primary must not follow ours: a reason that sticks, 'later' for one that may pass; undefined when it may. */
async function objection(
  needs: RelayNeeds,
  facts: PeerFacts,
  say: (line: string) => void,
): Promise<RebuildReason | 'later' | undefined> {
  const local = await needs.history();
  if (local === undefined) return 'later';
  // unknown until the server behind is up, and of a fresh build it is the primary's
  if (needs.systemId() !== '' && facts.systemId !== needs.systemId()) return 'System id not matched';
  if (local !== 'unchecked') {
    if (facts.history.term < local.term) {
      say(
        `FATAL:  invalid local term or remote term smaller than local. remote term[${facts.history.term}], local term[${local.term}]`,
      );
      return 'later';
    }
    const fork = divergence(local, facts.history);
    if (fork !== undefined) {
      needs.log(
        `FATAL:  standby's local request lsn[${local.end}] 's crc mismatched with remote server crc(local, remote):[0,0].`,
      );
      needs.log(`DETAIL:  ${fork}`);
      return 'WAL segment removed';
    }
  }
  return (await needs.adopt(facts)) ? 'later' : undefined;
}

/** The server PostgreSQL's WAL receiver connects to; each whole start-up is handed on with its socket paused. */
function createDoor(arrived: (held: Held) => void) {
  return createServer((socket) => {
    let bytes = Buffer.alloc(0);
    socket.on('error', () => {});
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const startup = readStartup(bytes);
      if (startup === undefined) return;
      socket.off('data', onData);
      if (startup === 'malformed') {
        socket.destroy();
        return;
      }
      socket.pause();
      arrived({ socket, startup });
    };
    socket.on('data', onData);
  });
}

/** The slot name openGauss refuses; such a standby never connects. */
function refusedName(needs: RelayNeeds, say: (line: string) => void): boolean {
  const name = needs.applicationName();
  if (!/[A-Z]/.test(name)) return false;
  say(`FATAL:  could not create replication slot ${name} : FATAL:  replication slot name "${name}" contains invalid character`);
  return true;
}

/** A relay that listens once told to. */
export function createRelay(needs: RelayNeeds): Relay {
  const say = rarely(needs.log);
  const search = createSearch({ peers: needs.peers, lock: needs.lock, cascade: needs.cascade, say });
  let held: Held | undefined;
  let stream: { near: Socket; far: Socket; peer: PeerAddress } | undefined;
  let enabled = false;
  let searching = false;
  let verdict: RebuildReason | undefined;
  /** counts what makes a search under way void */
  let generation = 0;
  let attachedAt = 0;

  const show = (reason: RebuildReason) => {
    if (sticky.has(reason)) verdict = reason;
    needs.reason(reason);
  };

  function attach({ socket: near, startup }: Held, far: Socket, { peer, facts }: Found): void {
    stream = { near, far, peer };
    attachedAt = Date.now();
    search.forget();
    const bytes = writeStartup([...startup.params, [slotParameter, needs.slotName()]]);
    carryStream(near, far, bytes, {
      began: () => needs.attached(peer, channelOf(far), facts.role, true),
      caughtUp: () => needs.attached(peer, channelOf(far), facts.role, false),
      failed(code, text) {
        needs.log(`FATAL:  could not receive data from WAL stream: ${text}`);
        if (code === '58P01') show('WAL segment removed');
      },
      ended(hadBegun) {
        if (stream?.near === near) stream = undefined;
        if (hadBegun) needs.detached();
        if (verdict !== undefined) needs.reason(verdict);
      },
    });
  }

  /** One look around; true when a stream has begun. */
  async function round(): Promise<boolean> {
    const mine = generation;
    const isVoid = () => held === undefined || !enabled || mine !== generation;
    if (refusedName(needs, say)) return false;
    const found = await search.choose();
    if (found === undefined || isVoid()) return false;
    const against = await objection(needs, found.facts, say);
    if (against !== undefined) {
      if (against !== 'later') show(against);
      return false;
    }
    const far = await connectPeer(found.peer, 2_000);
    if (far === undefined || held === undefined || isVoid()) {
      far?.destroy();
      return false;
    }
    const near = held;
    held = undefined;
    attach(near, far, found);
    return true;
  }

  async function pause(since: number): Promise<void> {
    const mine = generation;
    // a standby that is pointed at a candidate looks often, as the promotion is near; but not for ever
    const pointed = needs.lock().mode === 'specify_connection' && Date.now() - since < pointedMs;
    const pauseMs = pointed ? 20 : delayMs('reconnectMs');
    for (let waited = 0; waited < pauseMs && mine === generation; waited += 20) await sleep(20);
  }

  async function seek(): Promise<void> {
    if (searching) return;
    searching = true;
    const since = Date.now();
    let shown = since;
    let reason: RebuildReason = 'Normal';
    // a stream that broke at once must not be tried in a hot loop; the real server lets a second pass before the first try
    if (since - attachedAt < restMs) await sleep(restMs);
    if (pace() === 'real' && needs.lock().mode === 'polling_connection') await paced('reconnectMs');
    while (held !== undefined && enabled && verdict === undefined) {
      if (await round()) break;
      if (verdict === undefined && Date.now() - shown > alternateMs) {
        shown = Date.now();
        reason = reason === 'Normal' && needs.lock().mode === 'polling_connection' ? 'Disconnected' : 'Normal';
        needs.reason(reason);
      }
      await pause(since);
    }
    searching = false;
  }

  const server = createDoor((arrival) => {
    held?.socket.destroy();
    stream?.near.destroy();
    held = arrival;
    arrival.socket.once('close', () => {
      if (held === arrival) held = undefined;
    });
    needs.drained();
    void seek();
  });

  const nudge = () => {
    generation += 1;
    search.forget();
    void seek();
  };
  const cut = () => {
    generation += 1;
    search.forget();
    stream?.far.destroy();
    stream?.near.destroy();
  };
  const enable = (on: boolean) => {
    enabled = on;
    if (on) return void seek();
    cut();
    held?.socket.destroy();
    held = undefined;
  };
  return {
    listen: () => listenAt(server),
    enable,
    cut,
    nudge,
    upstream: () => stream?.peer,
    close() {
      enable(false);
      server.close();
    },
  };
}

/** Listens at the relay's socket; the file of an earlier time went away with the start of PostgreSQL. */
function listenAt(server: ReturnType<typeof createServer>): Promise<void> {
  return new Promise((resolve, reject) => {
    if (server.listening) server.close();
    rmSync(relaySocket, { force: true });
    server.once('error', reject);
    server.listen(relaySocket, () => {
      server.off('error', reject);
      giveToPostgres(relaySocket);
      resolve();
    });
  });
}
