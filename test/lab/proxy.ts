/**
 * A TCP proxy that can lose traffic. A cut link keeps its connections open and forwards nothing, as a network that
 * drops packets does; a held one keeps what flows back to the caller in memory. Which caller it is shows in the source
 * address. It never looks into the bytes, and every buffer has a bound.
 */
import { createServer, createConnection, type Server, type Socket } from 'node:net';

/** What happens to the traffic between a caller and the proxy's target. */
export type LinkState = 'open' | 'cut' | 'held';

/** What a held link keeps before it lets the sender wait. */
const heldBytesMax = 64 << 20;

export interface Endpoint {
  host: string;
  port: number;
}

export interface ProxyOptions {
  listen: Endpoint;
  target: Endpoint;
  /** Source address of the connection to the target; the kernel's choice when undefined. */
  source: string | undefined;
  /** Asked for each new connection and again at every `refresh`. */
  linkOf(caller: string): LinkState;
}

export interface FaultProxy {
  /** Applies changed link states to open connections; what a cut has broken is reset once the link is open again. */
  refresh(): void;
  /** Resets the links of that caller that hold something back: what they hold is lost. */
  dropHeld(caller: string): void;
  /** Bytes kept back for that caller. */
  heldBytes(caller: string): number;
  close(): Promise<void>;
}

/** Opens the listener; rejects when the address is taken. */
export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const links = new Set<Link>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (caller) => {
    const link = createLink(caller, options, () => links.delete(link));
    links.add(link);
    link.apply();
  });
  await listen(server, options.listen);
  return {
    refresh() {
      for (const link of [...links]) link.apply();
    },
    dropHeld(address) {
      for (const link of [...links]) if (link.caller === address && link.heldBytes() > 0) link.reset();
    },
    heldBytes: (address) => [...links].reduce((sum, link) => sum + (link.caller === address ? link.heldBytes() : 0), 0),
    async close() {
      for (const link of [...links]) link.reset();
      await closed(server);
    },
  };
}

interface Link {
  caller: string;
  apply(): void;
  heldBytes(): number;
  reset(): void;
}

function createLink(caller: Socket, options: ProxyOptions, onGone: () => void): Link {
  const address = (caller.remoteAddress ?? '').replace(/^::ffff:/, '');
  let target: Socket | undefined;
  let state: LinkState = 'open';
  let broken = false;
  let held: Buffer[] = [];
  let heldSize = 0;

  function reset() {
    held = [];
    heldSize = 0;
    caller.resetAndDestroy();
    target?.resetAndDestroy();
    onGone();
  }
  /** The end of one side is news for the other, except across a cut. */
  function failed() {
    if (!broken) reset();
  }
  function connect() {
    const { host, port } = options.target;
    const made = createConnection({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      ...(options.source === undefined ? {} : { localAddress: options.source }),
    });
    target = made;
    made.on('error', failed);
    made.on('data', (chunk) => {
      if (state === 'open') forward(chunk, made, caller);
      else keep(chunk, made);
    });
    made.on('end', () => {
      // What was held when the sender died is lost with it.
      if (state === 'open') caller.end();
      else failed();
    });
    made.on('drain', () => state !== 'cut' && caller.resume());
    made.on('close', () => !broken && caller.destroyed && onGone());
  }
  function keep(chunk: Buffer, from: Socket) {
    if (state === 'cut') return;
    held.push(chunk);
    heldSize += chunk.length;
    if (heldSize > heldBytesMax) from.pause();
  }
  function release() {
    const kept = held;
    held = [];
    heldSize = 0;
    for (const chunk of kept) caller.write(chunk);
  }

  caller.on('error', failed);
  caller.on('data', (chunk) => {
    if (state !== 'cut' && target !== undefined) forward(chunk, caller, target);
  });
  caller.on('end', () => state !== 'cut' && target?.end());
  caller.on('drain', () => state !== 'cut' && target?.resume());
  caller.on('close', () => {
    if (broken) return;
    if (target !== undefined && !target.destroyed) target.destroySoon();
    onGone();
  });

  return {
    caller: address,
    apply() {
      const next = options.linkOf(address);
      state = next;
      if (next === 'cut') {
        broken = true;
        caller.pause();
        target?.pause();
        return;
      }
      if (broken) return reset();
      if (target === undefined) connect();
      if (next === 'open') {
        release();
        target?.resume();
      }
      caller.resume();
    },
    heldBytes: () => heldSize,
    reset,
  };
}

function forward(chunk: Buffer, from: Socket, to: Socket) {
  if (!to.writable) return;
  if (!to.write(chunk)) from.pause();
}

/** Listens there; rejects when the address is taken. */
export function listen(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(endpoint.port, endpoint.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Closes the listening socket; resolves when its connections have ended too. */
export function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
