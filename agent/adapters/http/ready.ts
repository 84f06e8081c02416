/**
 * The tcp readiness port: it accepts connections exactly while the member is fit for its Service, so that a kubelet
 * or a load balancer that can only connect gets the same answer as `/readyz`. Looked at after each cycle, and in
 * between at the moment at which a permit or a snapshot ends by time.
 */
import { createServer, type Server } from 'node:net';
import { readiness, readinessEnds } from '../../../probes/readiness.ts';
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

/** Timers stand still in a suspend, and a port that was taken may be free: it is looked at this often all the same. */
const lookMs = 1000;
const connectionsMax = 32;

/** Starts to watch the board; the port is closed until the member is fit. */
export function serveReady(options: ReadyOptions): ReadyPort {
  let server: Server | undefined;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let said: 'open' | 'closed' | 'taken' | undefined;

  const say = (now: 'open' | 'closed' | 'taken', reason: string) => {
    if (now !== said) options.onChange?.({ open: now === 'open', reason });
    said = now;
  };
  const open = (reason: string) => {
    if (server !== undefined) return;
    // To be let in is the answer. Nothing is read, and a client that never closes its side cannot hold the connection.
    const opened = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {});
      socket.destroySoon();
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
    const now = options.clock.now();
    const last = options.board.last();
    const verdict = readiness(last, now);
    if (verdict.ok) open(verdict.reason);
    else shut(verdict.reason);
    clearTimeout(timer);
    timer = setTimeout(look, Math.min(lookMs, Math.ceil(readinessEnds(last, now) - now))).unref();
  };
  look();
  options.board.onShow(look);
  return {
    close() {
      closed = true;
      clearTimeout(timer);
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
