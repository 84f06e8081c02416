// Questions from one instance to another over the HA port: what are you (probe), please demote yourself (a switchover request), what is
// your configuration.
// They begin as an ordinary start-up packet whose application_name says what they are; the answer is one JSON line. Every call has a
// deadline; nobody's answer is trusted to be well-formed.
import { connect, type Socket } from 'node:net';
import { writeStartup } from './protocol.ts';
import type { HistoryFiles } from './timelines.ts';
import type { History } from './terms.ts';

/** The application names of the questions: what are you. */
export const probeName = 'standin_probe';
/** Asks a primary to step down in favour of the asking standby. */
export const demoteName = 'standin_demote';

/** Asks a primary for its postgresql.conf. */
export const confName = 'standin_conf';

/** Where a peer is, and the local address to ask from. */
export interface PeerAddress {
  host: string;
  port: number;
  localHost: string | undefined;
}

/** What a peer says of itself. */
export interface PeerFacts {
  role: string;
  dbState: string;
  systemId: string;
  history: History;
  files: HistoryFiles;
}

/** Connects to a peer's HA port from the member's own replication address; undefined when that fails. */
export function connectPeer(peer: PeerAddress, deadlineMs: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const from = peer.localHost !== undefined && /^[\d.]+$/.test(peer.localHost) ? { localAddress: peer.localHost } : {};
    const socket = connect({ host: peer.host, port: peer.port, noDelay: true, ...from });
    const fail = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(undefined);
    };
    const timer = setTimeout(fail, deadlineMs);
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** Sends a question and gives the one line of its answer; undefined on any failure or past the deadline. */
export async function askPeer(
  peer: PeerAddress,
  name: string,
  params: [string, string][],
  deadlineMs: number,
): Promise<string | undefined> {
  const since = Date.now();
  const socket = await connectPeer(peer, deadlineMs);
  if (socket === undefined) return undefined;
  return new Promise((resolve) => {
    let text = '';
    const end = (answer: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(undefined), Math.max(deadlineMs - (Date.now() - since), 1));
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      const lineEnd = text.indexOf('\n');
      if (lineEnd >= 0 || text.length > 1_000_000) end(lineEnd >= 0 ? text.slice(0, lineEnd) : undefined);
    });
    socket.on('close', () => end(undefined));
    socket.write(writeStartup([['user', 'standin'], ['database', 'postgres'], ['application_name', name], ...params]));
  });
}

/** Asks a peer what it is. */
export async function probePeer(peer: PeerAddress, deadlineMs: number): Promise<PeerFacts | undefined> {
  const line = await askPeer(peer, probeName, [], deadlineMs);
  if (line === undefined || !line.startsWith('{')) return undefined;
  try {
    const facts = JSON.parse(line) as PeerFacts;
    return typeof facts.role === 'string' && (facts.role !== 'Primary' || typeof facts.history?.end === 'string')
      ? facts
      : undefined;
  } catch {
    return undefined;
  }
}
