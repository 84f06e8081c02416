/**
 * The tcp readiness port: it accepts connections exactly while the member is fit for its Service, so that a kubelet
 * or a load balancer that can only connect gets the same answer as `/readyz`. Looked at after each cycle, and in
 * between because a permit and a snapshot also end by time.
 */
import { createServer, type Server } from 'node:net';
import { readiness } from '../../../probes/readiness.ts';
import type { Clock } from '../../ports/others.ts';
import type { ReadableBoard } from './board.ts';

export interface ReadyOptions {
  address: string;
  port: number;
  board: ReadableBoard;
  clock: Pick<Clock, 'now'>;
  /** Told when the port opens or closes, and why. */
  onChange?(change: { open: boolean; reason: string }): void;
}

export interface ReadyPort {
  close(): Promise<void>;
}

const lookMs = 250;
const connectionsMax = 32;

/** Starts to watch the board; the port is closed until the member is fit. */
export function serveReady(options: ReadyOptions): ReadyPort {
  let server: Server | undefined;
  let closed = false;
  let said: 'open' | 'closed' | 'taken' | undefined;

  const say = (now: 'open' | 'closed' | 'taken', reason: string) => {
    if (now !== said) options.onChange?.({ open: now === 'open', reason });
    said = now;
  };
  const open = (reason: string) => {
    if (server !== undefined) return;
    const opened = createServer((socket) => {
      socket.on('error', () => {});
      socket.end();
      // A client that never closes its side must not hold the connection.
      setTimeout(() => socket.destroy(), 1000).unref();
    });
    server = opened;
    opened.maxConnections = connectionsMax;
    opened.on('error', (error: NodeJS.ErrnoException) => {
      if (server === opened) server = undefined;
      say('taken', `the port could not be opened: ${error.code ?? error.message}`);
    });
    opened.listen({ host: options.address, port: options.port }, () => say('open', reason));
  };
  const shut = (reason: string) => {
    server?.close();
    server = undefined;
    say('closed', reason);
  };
  const look = () => {
    if (closed) return;
    const verdict = readiness(options.board.last(), options.clock.now());
    if (verdict.ok) open(verdict.reason);
    else shut(verdict.reason);
  };
  look();
  options.board.onShow(look);
  const timer = setInterval(look, lookMs).unref();
  return {
    close() {
      closed = true;
      clearInterval(timer);
      const last = server;
      server = undefined;
      return new Promise((done) => {
        // The callback of close() comes with an error when the server was not open; it comes in any case.
        if (last === undefined) done();
        else last.close(() => done());
      });
    },
  };
}
