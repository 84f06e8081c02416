// One WAL stream through the relay: bytes both ways with back-pressure, and what can be read of its progress on the way. It decides
// nothing; both sockets end together.
import type { Socket } from 'node:net';
import { errorFields, frameSplitter } from './protocol.ts';

/** What is seen of a stream. */
export interface StreamEvents {
  /** WAL flows */
  began(): void;
  /** everything the sender had has been sent */
  caughtUp(): void;
  /** the sender refused or gave up */
  failed(code: string, text: string): void;
  ended(hadBegun: boolean): void;
}

/** The channel text of a receiver. */
export function channelOf(socket: Socket): string {
  return `${socket.localAddress}:${socket.localPort}<--${socket.remoteAddress}:${socket.remotePort}`;
}

/** Is what the sender has sent all it has? Reads the header of a WAL message or a keepalive. */
function allSent(body: Buffer): boolean {
  if (body[0] === 0x77 && body.length >= 25) return body.readBigUInt64BE(1) + BigInt(body.length - 25) >= body.readBigUInt64BE(9);
  return body[0] === 0x6b;
}

/** Carries a stream from `far`, the primary, to `near`, PostgreSQL's WAL receiver, beginning with its start-up packet. */
export function carryStream(near: Socket, far: Socket, startup: Buffer, events: StreamEvents): void {
  const split = frameSplitter();
  let begun = false;
  let behind = true;
  let over = false;
  const look = (chunk: Buffer) => {
    for (const frame of split(chunk)) {
      if (frame.type === 'W' && !begun) {
        begun = true;
        events.began();
      } else if (frame.type === 'd' && begun && behind && allSent(frame.body)) {
        behind = false;
        events.caughtUp();
      } else if (frame.type === 'E') {
        const fields = errorFields(frame.body);
        events.failed(fields.get('C') ?? '', fields.get('M') ?? '');
      }
    }
  };
  const end = () => {
    near.destroy();
    far.destroy();
    if (over) return;
    over = true;
    events.ended(begun);
  };
  far.on('data', (chunk) => {
    if (!near.write(chunk)) far.pause();
    look(chunk);
  });
  near.on('data', (chunk) => {
    if (!far.write(chunk)) near.pause();
  });
  near.on('drain', () => far.resume());
  far.on('drain', () => near.resume());
  for (const socket of [near, far]) for (const event of ['close', 'end', 'error'] as const) socket.on(event, end);
  far.write(startup);
  near.resume();
}
