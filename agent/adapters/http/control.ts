/**
 * What people may change in one agent while it runs, over a unix socket in its run directory: the level of its log, and
 * that it reads again what it has read. Nothing here touches lease, role or data; what does goes by a request that the
 * whole cluster sees. Only the user of the container can open the socket, and only small POSTs are read.
 */
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { failed, type Fault, ok, type Result } from '../../core/result.ts';

export interface ControlOptions {
  runDir: string;
  /** False: there is no such level. */
  setLevel(level: string): boolean;
  /** Reads everything again, and has the server do so. */
  reload(): Promise<Result<unknown>>;
}

export interface Control {
  close(): Promise<void>;
}

const limits = { connections: 4, bodyBytes: 256, requestMs: 3000 };

/** Where the socket lies. */
export function controlPath(runDir: string): string {
  return join(runDir, 'control');
}

/** Starts to answer. A socket that cannot be made costs these two wishes and nothing else. */
export function serveControl(options: ControlOptions): Promise<Result<Control>> {
  const path = controlPath(options.runDir);
  const server = createServer(
    { requestTimeout: limits.requestMs, headersTimeout: limits.requestMs, maxHeaderSize: 4096 },
    (request, response) => {
      void take(request, options).then((answer) => send(response, answer));
    },
  );
  server.maxConnections = limits.connections;
  // What an agent before us left behind; PID 1 runs one at a time.
  rmSync(path, { force: true });
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(failed(fault(`cannot listen on ${path}: ${error.code ?? error.message}`))),
    );
    // The socket is bound within this call, so that it is never open to others, not for a moment.
    const before = process.umask(0o177);
    server.listen(path, () => {
      server.unref();
      resolve(ok({ close: () => close(server) }));
    });
    process.umask(before);
  });
}

function close(server: ReturnType<typeof createServer>): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}

function fault(detail: string): Fault {
  return { of: 'command', kind: 'refused', done: 'no', detail };
}

type Answer = { ok: boolean; reason: string };

async function take(request: IncomingMessage, options: ControlOptions): Promise<Answer> {
  if (request.method !== 'POST') return { ok: false, reason: 'only POST is answered here' };
  const body = await text(request);
  if (body === undefined) return { ok: false, reason: 'the body is too long or broke off' };
  if (request.url === '/log-level') {
    const set = options.setLevel(body);
    return { ok: set, reason: set ? `the level is ${body}` : `no level ${JSON.stringify(body)}` };
  }
  if (request.url !== '/reload') return { ok: false, reason: 'no such wish; there are /log-level and /reload' };
  const done = await options.reload();
  return { ok: done.ok, reason: done.ok ? 'read again' : done.fault.detail };
}

async function text(request: IncomingMessage): Promise<string | undefined> {
  let all = '';
  request.setEncoding('utf8');
  try {
    for await (const chunk of request) {
      all += String(chunk);
      if (all.length > limits.bodyBytes) return undefined;
    }
  } catch {
    return undefined;
  }
  return all.trim();
}

function send(response: ServerResponse, answer: Answer): void {
  const body = `${JSON.stringify(answer)}\n`;
  response.writeHead(answer.ok ? 200 : 400, { 'content-type': 'application/json; charset=utf-8', connection: 'close' });
  response.end(body);
}
