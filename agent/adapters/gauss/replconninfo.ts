/**
 * `replconninfo1..8`: whom a member may stream from and to. Pure text. openGauss finds the keys by substring search
 * in this order and checks peers by substring of their address, so the order below and plain addresses matter
 * (opengauss-interface 4.1).
 */
import { isIP } from 'node:net';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';

/** openGauss knows eight peers, which makes clusters of nine members. */
export const peersMax = 8;

/** By convention the heartbeat listens four ports above the replication port, the service three. */
const serviceOffset = 3;
const heartbeatOffset = 4;

/** Longer host names are cut short silently by the server. */
const hostCharactersMax = 62;

export interface ReplicationEnd {
  host: string;
  haPort: number;
}

/** One entry's value. */
export function renderReplconninfo(local: ReplicationEnd, remote: ReplicationEnd): string {
  return [
    `localhost=${local.host}`,
    `localport=${local.haPort}`,
    `localheartbeatport=${local.haPort + heartbeatOffset}`,
    `localservice=${local.haPort + serviceOffset}`,
    `remotehost=${remote.host}`,
    `remoteport=${remote.haPort}`,
    `remoteheartbeatport=${remote.haPort + heartbeatOffset}`,
    `remoteservice=${remote.haPort + serviceOffset}`,
  ].join(' ');
}

/** All eight names; unused ones are empty, which removes an entry of a member that left. */
export function renderAll(local: ReplicationEnd, peers: ReplicationEnd[]): Result<Map<string, string>> {
  if (peers.length > peersMax) return failed(refusal(`${peers.length} peers, openGauss knows at most ${peersMax}`));
  for (const end of [local, ...peers]) {
    const fault = endFault(end);
    if (fault !== undefined) return failed(fault);
  }
  const entries = new Map<string, string>();
  for (let index = 0; index < peersMax; index += 1) {
    const peer = peers[index];
    entries.set(`replconninfo${index + 1}`, peer === undefined ? '' : renderReplconninfo(local, peer));
  }
  return ok(entries);
}

function endFault(end: ReplicationEnd): Fault | undefined {
  if (!Number.isInteger(end.haPort) || end.haPort < 1 || end.haPort + heartbeatOffset > 65535) {
    return refusal(`port ${end.haPort} of ${end.host} is not a replication port`);
  }
  if (isIP(end.host) !== 0) return undefined;
  const known = /^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(end.host) && !/localport|remoteport|remotehost/i.test(end.host);
  if (known && end.host.length <= hostCharactersMax) return undefined;
  return refusal(`${end.host} is not an address that openGauss can keep`);
}

function refusal(detail: string): Fault {
  return { of: 'command', kind: 'malformed', done: 'no', detail };
}
