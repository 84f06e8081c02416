/**
 * Connections to the API server: made with an exact deadline, with the CA as it is now, kept alive by TCP probes.
 */
import { isIP, connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Account } from './account.ts';

/** Two of these fit into the shortest fence; a connection that takes longer is of no use to a renewal. */
const connectMs = 900;
const keepAliveMs = 5_000;

/** Where the API server is, and whether it is spoken to by TLS. */
export interface Place {
  host: string;
  port: number;
  secure: boolean;
}

/** What a URL says of it. */
export function placeOf(url: string): Place {
  const { hostname, port, protocol } = new URL(url);
  const secure = protocol === 'https:';
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (secure ? 443 : 80)), secure };
}

/** Begins a connection, and destroys it when it does not stand in time. */
export function openSocket({ host, port, secure }: Place, account: Account): Socket {
  const socket = secure ? openTls(host, port, account) : connectPlain({ host, port });
  const timer = setTimeout(() => socket.destroy(new Error(`no connection to ${host}:${port} within ${connectMs} ms`)), connectMs);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer));
  socket.once('close', () => clearTimeout(timer));
  return socket;
}

function openTls(host: string, port: number, account: Account): TLSSocket {
  const ca = account.ca();
  // An address has no server name; its certificate is checked against the address itself.
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port, ALPNProtocols: ['http/1.1'], ...name, ...(ca === undefined ? {} : { ca }) });
}
