/** Binds a server to its address; a port that cannot be had is a Fault. */
import type { AddressInfo, Server } from 'node:net';
import { failed, ok, type Result } from '../core/result.ts';

export interface Listening {
  port: number;
  close(): Promise<void>;
}

/** `endAll` ends the connections that are open when the server is closed. */
export function listenOn(server: Server, at: { address: string; port: number }, endAll: () => void): Promise<Result<Listening>> {
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const detail = `cannot listen on ${at.address}:${at.port}: ${error.code ?? error.message}`;
      resolve(
        failed({ of: 'peer', kind: 'refused', done: 'no', ...(error.code === undefined ? {} : { code: error.code }), detail }),
      );
    });
    server.listen({ host: at.address, port: at.port }, () => {
      resolve(
        ok({
          port: (server.address() as AddressInfo).port,
          close: () =>
            new Promise((done) => {
              server.close(() => done());
              endAll();
            }),
        }),
      );
    });
  });
}
