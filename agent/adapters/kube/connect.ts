/**
 * Connections to the API server: made with an exact deadline, with the CA as it is now, kept alive by TCP probes. Our
 * own because undici's connector counts its deadline in half seconds and keeps the CA of its start.
 */
import { isIP, connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Account } from './account.ts';

/** Two of these fit into the shortest fence; a connection that takes longer is of no use to a renewal. */
const connectMs = 900;
const keepAliveMs = 5_000;

interface Place {
  hostname: string;
  port: string;
  protocol: string;
}
type Done = ((error: null, socket: Socket | TLSSocket) => void) & ((error: Error, socket: null) => void);

/** A connector for undici. */
export function connector(account: Account): (place: Place, done: Done) => void {
  return (place, done) => {
    const secure = place.protocol === 'https:';
    const host = place.hostname.replace(/^\[|\]$/g, '');
    const port = Number(place.port || (secure ? 443 : 80));
    const socket = secure ? openTls(host, port, account) : connectPlain({ host, port });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection to ${host}:${port} within ${connectMs} ms`)),
      connectMs,
    );
    let settled = false;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      settled = true;
      clearTimeout(timer);
      done(null, socket);
    });
    socket.on('error', (error) => {
      clearTimeout(timer);
      if (!settled) done(error, null);
      settled = true;
    });
  };
}

function openTls(host: string, port: number, account: Account): TLSSocket {
  const ca = account.ca();
  // An address has no server name; its certificate is checked against the address itself.
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port, ALPNProtocols: ['http/1.1'], ...name, ...(ca === undefined ? {} : { ca }) });
}
