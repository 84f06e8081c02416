/**
 * A TCP proxy that can lose traffic. A cut link keeps its connections open and forwards nothing, as a network that
 * drops packets does; one that is cut one way forwards what goes the other way, and what the kernels kept meanwhile
 * once it is open again; a held one keeps what flows back to the caller in memory. Which caller it is shows in the
 * source address. It never looks into the bytes, and every buffer has a bound.
 */
import { createServer, createConnection, type Server, type Socket } from 'node:net';

/** What happens to the traffic between a caller and the target. Nothing reaches a deaf caller; an unheard one reaches nobody. */
export type LinkState = 'open' | 'cut' | 'held' | 'deaf' | 'unheard';

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
  const held = createHeld();
  let target: Socket | undefined;
  let state: LinkState = 'open';
  let broken = false;

  function reset() {
    held.take();
    caller.resetAndDestroy();
    target?.resetAndDestroy();
    onGone();
  }
  /** The end of one side is news for the other, except across a cut. */
  function failed() {
    broken ||= isOneWay();
    if (!broken) reset();
  }
  function isOneWay(): boolean {
    return state === 'deaf' || state === 'unheard';
  }
  function connect(): Socket {
    const { target: to, source } = options;
    const bound = source === undefined ? {} : { localAddress: source };
    const made = createConnection({ ...to, ...bound, allowHalfOpen: true, noDelay: true });
    made.on('error', failed);
    made.on('data', (chunk) => {
      if (state === 'open' || state === 'unheard') forward(chunk, made, caller);
      else if (state === 'held' && !held.keep(chunk)) made.pause();
    });
    // What was held when the sender died is lost with it.
    made.on('end', () => (state === 'open' || state === 'unheard' ? caller.end() : failed()));
    made.on('drain', () => state !== 'cut' && state !== 'unheard' && caller.resume());
    made.on('close', () => !broken && caller.destroyed && onGone());
    return made;
  }
  function apply() {
    state = options.linkOf(address);
    if (state === 'cut' || (broken && isOneWay())) {
      broken = true;
      caller.pause();
      target?.pause();
      return;
    }
    if (broken) return reset();
    target ??= connect();
    if (state === 'open') for (const chunk of held.take()) caller.write(chunk);
    if (state === 'deaf') target.pause();
    else if (state !== 'held') target.resume();
    if (state === 'unheard') caller.pause();
    else caller.resume();
  }

  caller.on('error', failed);
  caller.on('data', (chunk) => {
    if (state !== 'cut' && target !== undefined) forward(chunk, caller, target);
  });
  caller.on('end', () => state !== 'cut' && target?.end());
  caller.on('drain', () => state !== 'cut' && state !== 'deaf' && target?.resume());
  caller.on('close', () => {
    if (broken) return;
    if (target !== undefined && !target.destroyed) target.destroySoon();
    onGone();
  });
  return { caller: address, apply, heldBytes: held.size, reset };
}

/** What a held link keeps, in order. */
function createHeld() {
  let chunks: Buffer[] = [];
  let bytes = 0;
  return {
    size: () => bytes,
    /** False when the sender has to wait from now on. */
    keep(chunk: Buffer): boolean {
      chunks.push(chunk);
      bytes += chunk.length;
      return bytes <= heldBytesMax;
    },
    take(): Buffer[] {
      const kept = chunks;
      chunks = [];
      bytes = 0;
      return kept;
    },
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
