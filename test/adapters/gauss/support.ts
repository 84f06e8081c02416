// Shared by the tests of the openGauss adapter: a clock on the monotonic timer, options over a fresh directory, and a small server that
// speaks just enough of the wire protocol to be up, starting, mute or dead.
import { execFileSync } from 'node:child_process';
import fs, { chmod, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { TestContext } from 'node:test';
import type { InstanceOptions, Note } from '../../../agent/adapters/gauss/options.ts';
import { permitFrom, type LeaderPermit } from '../../../agent/core/permit.ts';
import type { Clock } from '../../../agent/ports/others.ts';

/** A clock that is real, on the monotonic timer. */
export const clock: Clock = {
  now: () => performance.now(),
  wall: () => new Date().toISOString(),
  until: (moment, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const timer = setTimeout(resolve, Math.max(0, moment - performance.now()));
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    }),
};

/** A permit that outlives any test. */
export function aPermit(term: number, seconds = 600): LeaderPermit {
  return permitFrom(clock.now(), term, seconds);
}

/** Waits for a condition; fails with the name of what did not come. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  deadlineMs = 20_000,
): Promise<T> {
  const end = clock.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (clock.now() >= end) throw new Error(`did not come within ${deadlineMs} ms: ${what}`);
    await clock.until(clock.now() + 20);
  }
}

/** A directory of the test's own with a short path, and options that use it. */
export async function aPlace(
  overrides: Partial<InstanceOptions> = {},
): Promise<{ place: string; options: InstanceOptions; log: string[]; remove(): Promise<void> }> {
  const place = await mkdtemp(join(tmpdir(), 'og'));
  const log: string[] = [];
  const note: Note = (level, msg, fields) => {
    log.push(`${level} ${msg} ${JSON.stringify(fields ?? {})}`);
    if (log.length > 500) log.shift();
  };
  const options: InstanceOptions = {
    home: join(place, 'home'),
    pgdata: join(place, 'pgdata'),
    socketDir: join(place, 'run'),
    logDir: join(place, 'log'),
    member: 'og-demo-0',
    port: 15432,
    haPort: 15433,
    bindAddress: '127.0.0.1',
    superuser: 'omm',
    secrets: { superuserPassword: 'Gauss@123', replicationPassword: 'Repl@1234' },
    clock,
    note,
    ...overrides,
  };
  await mkdir(join(options.home, 'bin'), { recursive: true });
  await mkdir(options.socketDir, { recursive: true });
  execFileSync('mkfifo', [join(options.home, 'hold')]);
  return { place, options, log, remove: () => rm(place, { recursive: true, force: true }) };
}

/** An operation that does not come back until it is let go; the later ones of its kind do. */
export interface Held {
  reached: Promise<void>;
  release(): void;
}

function held(t: TestContext): Held & { pass(): Promise<void> } {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let first = true;
  t.after(() => released.resolve());
  const pass = async (): Promise<void> => {
    if (!first) return;
    first = false;
    reached.resolve();
    await released.promise;
  };
  return { reached: reached.promise, release: released.resolve, pass };
}

/** Holds the next fsync back, as a hung volume does. */
export async function heldSync(t: TestContext, directory: string): Promise<Held> {
  const any = await open(directory, 'r');
  const kind = Object.getPrototypeOf(any) as typeof any;
  await any.close();
  const { sync } = kind;
  const one = held(t);
  t.mock.method(kind, 'sync', async function (this: typeof any) {
    await one.pass();
    return sync.call(this);
  });
  return one;
}

/** Holds the next call of that name back. */
export function heldCall(t: TestContext, name: 'rm' | 'copyFile'): Held {
  const one = held(t);
  const real: (...args: never[]) => Promise<void> = fs[name];
  const mocked = t.mock.method(fs, name, async (...args: never[]) => {
    await one.pass();
    return real(...args);
  });
  syncBuiltinESMExports();
  t.after(() => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  });
  return one;
}

/** The result of what is held back, once its bound has passed: the clock stands still until `reached`, then jumps. */
export async function givenUp<T>(t: TestContext, work: () => Promise<T>, reached: Promise<void>, boundMs: number): Promise<T> {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const result = work();
  await reached;
  t.mock.timers.tick(boundMs);
  t.mock.timers.reset();
  return result;
}

/** The end of a program that keeps its name and waits without a child, which would outlive it. */
export const waitForever = 'exec 3<>"$GAUSSHOME/hold" && while :; do read -r -u 3; done';

/** Puts an executable into the installation's bin/. */
export async function aProgram(options: InstanceOptions, name: string, body: string): Promise<void> {
  const path = join(options.home, 'bin', name);
  await writeFile(path, `#!/bin/bash\n${body}\n`);
  await chmod(path, 0o755);
}

/** How the wire server behaves towards a connection. */
export type Manner =
  | { is: 'mute' }
  | { is: 'refusing'; code: string; message: string }
  | { is: 'serving'; answer(sql: string): Answer };

/** Result sets of a message, an error, or silence. */
export type Answer = Record<string, string | null>[][] | { code: string; message: string } | 'silence';

export interface WireServer {
  behave(manner: Manner): void;
  /** The start-up parameters of each connection so far. */
  startups: Record<string, string>[];
  open(): number;
  close(): Promise<void>;
}

/** Listens on `<dir>/.s.PGSQL.<port>`. */
export async function aWireServer(dir: string, port: number, first: Manner): Promise<WireServer> {
  let manner = first;
  const sockets = new Set<Socket>();
  const startups: Record<string, string>[] = [];
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let pending = Buffer.alloc(0);
    let started = false;
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      if (manner.is === 'mute') return;
      if (!started) {
        if (pending.length < 4 || pending.length < pending.readInt32BE(0)) return;
        startups.push(startupOf(pending.subarray(8, pending.readInt32BE(0))));
        pending = pending.subarray(pending.readInt32BE(0));
        if (manner.is === 'refusing') {
          socket.end(errorMessage('FATAL', manner));
          return;
        }
        started = true;
        socket.write(Buffer.concat([frame('R', int32(0)), frame('Z', Buffer.from('I'))]));
      }
      while (pending.length >= 5 && pending.length >= 1 + pending.readInt32BE(1)) {
        const length = 1 + pending.readInt32BE(1);
        const [type, body] = [pending.toString('latin1', 0, 1), pending.subarray(5, length)];
        pending = pending.subarray(length);
        if (type === 'Q' && manner.is === 'serving') reply(socket, manner.answer(body.toString('utf8').replace(/\0$/, '')));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(join(dir, `.s.PGSQL.${port}`), resolve));
  return {
    behave: (next) => {
      manner = next;
    },
    startups,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function reply(socket: Socket, answer: Answer): void {
  if (answer === 'silence') return;
  if (!Array.isArray(answer)) {
    socket.write(Buffer.concat([errorMessage('ERROR', answer), frame('Z', Buffer.from('I'))]));
    return;
  }
  const parts = answer.flatMap((rows) => [
    description(Object.keys(rows[0] ?? {})),
    ...rows.map((row) => dataRow(Object.values(row))),
    frame('C', Buffer.from(`SELECT ${rows.length}\0`)),
  ]);
  socket.write(Buffer.concat([...parts, frame('Z', Buffer.from('I'))]));
}

function description(names: string[]): Buffer {
  const tail = Buffer.alloc(18);
  tail.writeInt32BE(25, 6);
  return frame('T', Buffer.concat([int16(names.length), ...names.flatMap((name) => [Buffer.from(`${name}\0`), tail])]));
}

function dataRow(values: (string | null)[]): Buffer {
  const cells = values.flatMap((value) => (value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)]));
  return frame('D', Buffer.concat([int16(values.length), ...cells]));
}

function errorMessage(severity: string, error: { code: string; message: string }): Buffer {
  return frame('E', Buffer.from(`S${severity}\0C${error.code}\0M${error.message}\0\0`));
}

function startupOf(body: Buffer): Record<string, string> {
  const words = body.toString('utf8').split('\0');
  const found: Record<string, string> = {};
  for (let index = 0; index + 1 < words.length; index += 2)
    if (words[index] !== '') found[words[index] ?? ''] = words[index + 1] ?? '';
  return found;
}

function frame(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeInt32BE(value);
  return out;
}

function int16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeInt16BE(value);
  return out;
}
