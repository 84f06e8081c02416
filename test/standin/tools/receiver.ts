// The process that receives a build's data: it runs one PostgreSQL program (pg_basebackup, pg_rewind) and carries its
// connections to the source from the member's own address, which libpq cannot choose. openGauss forks such a receiver from
// gs_ctl, and a kill of gs_ctl leaves it alive and writing; so does this one, under the same command line.
//
// What it gets: one JSON argument (Job). What it prints: the program's own lines, then its exit code as the last line.
import { spawn } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';

/** One run of a program. */
export interface Job {
  program: string;
  /** Words before the program (a change of user), none as a rule. */
  prefix: string[];
  /** Arguments; the text %PORT% in one of them becomes the local port of the way to the source. */
  arguments: string[];
  /** argv[0] of the program, for one that does not look for its neighbours by it. */
  name?: string;
  host: string;
  port: number;
  localAddress?: string;
  /** Give up when no byte came from the source for so long. */
  silenceMs: number;
  /** Wait so long after the program has ended. */
  lingerMs: number;
}

const CONNECTIONS_MAX = 8;
const ORPHAN_MS = 2500;

const job = JSON.parse(process.argv[2] ?? '{}') as Job;
const parent = process.ppid;
let heardAt = Date.now();

/** Prints for gs_ctl; that nobody reads any more is no reason to stop. */
function print(text: string): void {
  process.stdout.write(text);
}
process.stdout.on('error', () => {});

function carry(client: Socket): void {
  const server = connect({
    host: job.host,
    port: job.port,
    ...(job.localAddress !== undefined && { localAddress: job.localAddress }),
  });
  server.on('data', () => {
    heardAt = Date.now();
  });
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.setNoDelay(true);
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

const listener = createServer(carry);
listener.maxConnections = CONNECTIONS_MAX;
listener.listen(0, '127.0.0.1', () => {
  const address = listener.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const words = job.arguments.map((word) => word.replace('%PORT%', String(port)));
  const [command = '', ...rest] = [...job.prefix, job.program, ...words];
  const child = spawn(command, rest, {
    argv0: job.name ?? command,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      heardAt = Date.now();
      print(text);
    });
  }
  const watch = setInterval(() => {
    if (Date.now() - heardAt > job.silenceMs) child.kill('SIGKILL');
  }, 500);
  child.on('error', (error) => print(`${error.message}\n`));
  child.on('close', (code) => {
    clearInterval(watch);
    setTimeout(() => leave(code ?? 1), job.lingerMs);
  });
});

function leave(code: number): void {
  if (process.ppid !== parent) setTimeout(() => process.exit(1), ORPHAN_MS);
  else process.stdout.write(`exit ${code}\n`, () => process.exit(0));
}
