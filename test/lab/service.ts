/**
 * A Service of one port: a TCP listener in front of the ready endpoints. A connection goes to one member chosen when
 * it opens and stays there; without an endpoint the listening socket is closed, so that a connect is refused at once.
 * It never moves or ends an established connection itself.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { type Endpoint, listen } from './proxy.ts';

export interface ServiceListener {
  endpoint: Endpoint;
  /** The members that new connections go to from now on. */
  setEndpoints(endpoints: Endpoint[]): void;
  /** Whether a connect is accepted now. */
  isOpen(): boolean;
  close(): Promise<void>;
}

/** Creates the listener, closed until the first endpoint comes. */
export function createService(endpoint: Endpoint): ServiceListener {
  const sockets = new Set<Socket>();
  let endpoints: Endpoint[] = [];
  let server: Server | undefined;
  let turn = 0;
  let ending = false;
  // Opening and closing the listening socket take turns, or a quick change would bind an address still in use.
  let work = Promise.resolve();

  function accept(client: Socket) {
    const chosen = endpoints[turn % Math.max(endpoints.length, 1)];
    turn += 1;
    if (chosen === undefined) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    join(client, createConnection({ ...chosen, allowHalfOpen: true, noDelay: true }), sockets);
  }
  async function settle() {
    const wanted = endpoints.length > 0 && !ending;
    if (wanted && server === undefined) {
      const made = createServer({ allowHalfOpen: true, noDelay: true }, accept);
      await listen(made, endpoint).then(
        () => {
          server = made;
        },
        () => setTimeout(() => schedule(), 20).unref(),
      );
    } else if (!wanted && server !== undefined) {
      const old = server;
      server = undefined;
      // The listening socket is closed by this call; waiting for the connections would block the next opening.
      old.close();
    }
  }
  function schedule() {
    work = work.then(settle);
  }

  return {
    endpoint,
    setEndpoints(next) {
      endpoints = next;
      schedule();
    },
    isOpen: () => server !== undefined,
    async close() {
      ending = true;
      schedule();
      await work;
      for (const socket of sockets) socket.destroy();
    },
  };
}

function join(client: Socket, member: Socket, sockets: Set<Socket>) {
  for (const [from, to] of [
    [client, member],
    [member, client],
  ] as const) {
    sockets.add(from);
    from.on('data', (chunk) => {
      if (to.writable && !to.write(chunk)) from.pause();
    });
    from.on('drain', () => to.resume());
    from.on('end', () => to.end());
    from.on('error', () => to.resetAndDestroy());
    from.on('close', () => {
      sockets.delete(from);
      if (!to.destroyed) to.destroySoon();
    });
  }
}
