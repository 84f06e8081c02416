/**
 * The way from `npm run lab -- <command>` to the lab that runs in the same --dir: a unix socket, one JSON line each
 * way. Only the user who started the lab may connect (the socket's directory is private).
 */
import { createConnection, createServer, type Server } from 'node:net';
import { rmSync } from 'node:fs';
import { readRun } from './record.ts';

const lineBytesMax = 64 << 10;
const answerDeadlineMs = 60_000;

/** Serves orders on that socket until closed. */
export async function serveControl(path: string, handle: (order: unknown) => Promise<unknown>): Promise<{ close(): void }> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > lineBytesMax) socket.destroy();
      else if (text.includes('\n')) void answer(text);
    });
    const answer = async (line: string) => {
      const reply = await Promise.resolve()
        .then(() => handle(JSON.parse(line)))
        .catch((error: unknown) => ({ exit: 1, line: String(error) }));
      socket.end(`${JSON.stringify(reply)}\n`);
    };
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
  return {
    close() {
      server.close();
      rmSync(path, { force: true });
    },
  };
}

/** Asks the lab of that directory; undefined when none answers there. */
export function askLab<T>(dir: string, order: unknown): Promise<T | undefined> {
  const run = readRun(dir);
  if (run === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = createConnection(run.control);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(answerDeadlineMs, () => socket.destroy());
    socket.on('connect', () => socket.end(`${JSON.stringify(order)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(text === '' ? undefined : (JSON.parse(text) as T)));
  });
}
