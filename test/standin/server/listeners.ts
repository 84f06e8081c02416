// The listening sockets of an instance: TCP and unix, main port and HA port, as its settings ask for them. Sockets appear and disappear
// with a reload; a connection is handed on with the two ends it has. Nothing is read here.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { chmodSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Origin } from './admission.ts';
import { plainAddress } from './hba.ts';

/** One place to listen at. */
export interface Place {
  host: string | undefined;
  path: string | undefined;
  port: number;
  ha: boolean;
}

/** What the settings ask for. */
export interface Wanted {
  port: number;
  listenAddresses: string;
  socketDirectory: string;
  socketMode: number;
  /** localhost and localport of replconninfo */
  replication: { host: string; port: number }[];
}

/** The sockets of one instance. */
export interface Listeners {
  /** opens what is missing, closes what is no longer wanted; gives the sentences of what failed */
  apply(wanted: Wanted): Promise<string[]>;
  close(): void;
}

function keyOf(place: Place): string {
  return place.path ?? `${place.host}:${place.port}`;
}

async function addressOf(host: string): Promise<string> {
  return lookup(host)
    .then((found) => found.address)
    .catch(() => host);
}

async function placesOf(wanted: Wanted): Promise<Place[]> {
  const places = new Map<string, Place>();
  const add = (place: Place) => {
    if (!places.has(keyOf(place))) places.set(keyOf(place), place);
  };
  for (const word of wanted.listenAddresses.split(',').map((address) => address.trim())) {
    if (word === '') continue;
    const host = word === '*' ? '0.0.0.0' : await addressOf(word);
    add({ host, path: undefined, port: wanted.port, ha: false });
    add({ host, path: undefined, port: wanted.port + 1, ha: true });
  }
  for (const { host, port } of wanted.replication) {
    if (places.has(`0.0.0.0:${port}`)) continue;
    add({ host: await addressOf(host), path: undefined, port, ha: true });
  }
  for (const [port, ha] of [
    [wanted.port, false],
    [wanted.port + 1, true],
  ] as const) {
    add({ host: undefined, path: join(wanted.socketDirectory, `.s.PGSQL.${port}`), port, ha });
  }
  return [...places.values()];
}

/** Removes the socket file of a server that is gone; true when somebody answers at it. */
function taken(path: string): Promise<boolean> {
  if (!existsSync(path)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      rmSync(path, { force: true });
      resolve(false);
    });
  });
}

function originOf(socket: Socket, place: Place): Origin {
  return {
    unix: place.path !== undefined,
    ha: place.ha,
    remote: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? -1,
    local: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? place.port,
  };
}

/** Listeners that hand connections to `accept`. */
export function createListeners(accept: (socket: Socket, origin: Origin) => void): Listeners {
  const open = new Map<string, { server: Server; place: Place }>();

  function shut(key: string): void {
    const entry = open.get(key);
    open.delete(key);
    entry?.server.close();
    if (entry?.place.path !== undefined) {
      rmSync(entry.place.path, { force: true });
      rmSync(`${entry.place.path}.lock`, { force: true });
    }
  }

  async function listen(place: Place, mode: number): Promise<string | undefined> {
    const name = place.path ?? `${place.host}:${place.port}`;
    if (place.path !== undefined && (await taken(place.path)))
      return `could not create lock file "${place.path}.lock": another server answers there`;
    const server = createServer((socket) => accept(socket, originOf(socket, place)));
    const error = await new Promise<Error | undefined>((resolve) => {
      server.once('error', resolve);
      const done = () => resolve(undefined);
      if (place.path !== undefined) server.listen({ path: place.path, backlog: 511 }, done);
      else server.listen({ host: place.host, port: place.port, backlog: 511 }, done);
    });
    if (error !== undefined) return `could not create listen socket for "${name}": ${error.message}`;
    server.on('error', () => {});
    if (place.path !== undefined) {
      chmodSync(place.path, mode);
      writeFileSync(`${place.path}.lock`, `${process.pid}\n`, { mode: 0o600 });
    }
    open.set(keyOf(place), { server, place });
    return undefined;
  }

  return {
    async apply(wanted) {
      const places = await placesOf(wanted);
      const keys = new Set(places.map(keyOf));
      for (const key of [...open.keys()]) if (!keys.has(key)) shut(key);
      const failures: string[] = [];
      for (const place of places) {
        if (open.has(keyOf(place))) continue;
        const failure = await listen(place, wanted.socketMode);
        if (failure !== undefined) failures.push(failure);
      }
      return failures;
    },
    close() {
      for (const key of [...open.keys()]) shut(key);
    },
  };
}
