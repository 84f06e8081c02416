/**
 * The lines to one peer: a few kept connections, one exchange at a time on each, in the little HTTP/1.1 that a peer's
 * server speaks: a status line, headers, a body of told length. Node's own client does the same for several times the
 * CPU, and this is what an agent at rest does most. It believes nothing (channel.ts proves the answer), repeats nothing,
 * and whatever it does not understand ends the connection.
 */
import { connect, type Socket } from 'node:net';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import { bodyBytesMax, header } from './sign.ts';

export interface LinesOptions {
  host: string;
  port: number;
  /** Source address of connections; undefined: the kernel's choice. */
  localAddress: string | undefined;
}

/** The whole answer, not yet proven. */
export interface Answer {
  status: number;
  mac: string;
  body: Buffer;
}

export interface Lines {
  /** Sends it on a connection that is free, or waits for one; the answer is whole within that time. */
  send(request: Buffer, withinMs: number): Promise<Result<Answer>>;
  /** Ends every connection and every exchange. */
  close(): void;
}

/** Gossip, a refresh and an order may be under way at once; a hung one must not hold up the others. */
const connectionsMax = 4;
const connectMs = 1000;
/** An idle one is closed by us, before the peer would. */
const idleMs = 20_000;
/** Between two probes of TCP on an idle connection. */
const probeMs = 5_000;
const headBytesMax = 4096;
const unconnected = 'ETIMEDOUT';

/** A fault of a peer. */
export function fault(kind: Fault['kind'], done: Fault['done'], detail: string, code?: string): Fault {
  return { of: 'peer', kind, done, detail, ...(code === undefined ? {} : { code }) };
}

interface Exchange {
  request: Buffer;
  /** On which it was sent. */
  line: Line | undefined;
  finish(result: Result<Answer>): void;
}

interface Line {
  socket: Socket;
  standing: boolean;
  exchange: Exchange | undefined;
  /** What has come of the answer. */
  text: Buffer;
}

/** Opens nothing until something is sent. */
export function openLines(options: LinesOptions): Lines {
  const lines = new Set<Line>();
  const waiting: Exchange[] = [];
  let closed = false;

  function send(request: Buffer, withinMs: number): Promise<Result<Answer>> {
    if (closed) return Promise.resolve(failed(fault('cancelled', 'no', 'the connections were closed')));
    return new Promise((resolve) => {
      const exchange: Exchange = {
        request,
        line: undefined,
        finish(result) {
          clearTimeout(timer);
          resolve(result);
        },
      };
      const timer = setTimeout(() => giveUp(exchange), withinMs);
      const line = [...lines].findLast((one) => one.exchange === undefined);
      if (line !== undefined) begin(line, exchange);
      else if (lines.size < connectionsMax) begin(open(), exchange);
      else waiting.push(exchange);
    });
  }

  /** What waits for a connection is never sent after this. */
  function giveUp(exchange: Exchange): void {
    const late = fault('timeout', exchange.line?.standing === true ? 'maybe' : 'no', 'the peer did not answer in time');
    const at = waiting.indexOf(exchange);
    if (at >= 0) waiting.splice(at, 1);
    if (exchange.line !== undefined) drop(exchange.line, late);
    else exchange.finish(failed(late));
  }

  function begin(line: Line, exchange: Exchange): void {
    line.exchange = exchange;
    exchange.line = line;
    line.text = Buffer.alloc(0);
    if (line.standing) line.socket.write(exchange.request);
  }

  /** A connection that is no good any more; its exchange, if there is one, ends with that. */
  function drop(line: Line, why: Fault): void {
    if (!lines.delete(line)) return;
    line.socket.destroy();
    line.exchange?.finish(failed(why));
    const next = closed ? undefined : waiting.shift();
    if (next !== undefined) begin(open(), next);
  }

  function open(): Line {
    const { host, port, localAddress } = options;
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
    const line: Line = { socket, standing: false, exchange: undefined, text: Buffer.alloc(0) };
    lines.add(line);
    const late = Object.assign(new Error(`no connection within ${connectMs} ms`), { code: unconnected });
    const timer = setTimeout(() => drop(line, networkFault(late, false)), connectMs);
    socket.setNoDelay(true).setKeepAlive(true, probeMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      line.standing = true;
      socket.setTimeout(idleMs, () => drop(line, fault('timeout', 'maybe', 'the peer was silent')));
      if (line.exchange !== undefined) socket.write(line.exchange.request);
    });
    socket.on('data', (chunk) => take(line, chunk));
    socket.on('error', (error) => drop(line, networkFault(error, line.standing)));
    socket.once('close', () => {
      clearTimeout(timer);
      drop(line, fault('unreachable', line.standing ? 'maybe' : 'no', 'the connection ended without an answer'));
    });
    return line;
  }

  function take(line: Line, chunk: Buffer): void {
    const { exchange } = line;
    line.text = line.text.length === 0 ? chunk : Buffer.concat([line.text, chunk]);
    const read = exchange === undefined ? 'malformed' : readAnswer(line.text);
    if (read === 'more') return;
    if (read === 'malformed' || exchange === undefined) {
      drop(line, fault('malformed', 'maybe', 'the answer is none, or too long'));
      return;
    }
    line.exchange = undefined;
    exchange.finish(ok(read.answer));
    const next = read.last ? undefined : waiting.shift();
    if (next !== undefined) begin(line, next);
    else if (read.last) drop(line, fault('unreachable', 'no', 'the peer has ended the connection'));
  }

  return {
    send,
    close() {
      closed = true;
      const gone = fault('cancelled', 'maybe', 'the connections were closed');
      for (const exchange of waiting.splice(0)) exchange.finish(failed(gone));
      for (const line of [...lines]) drop(line, gone);
    },
  };
}

const macForm = new RegExp(`\\r\\n${header.mac}: ?(\\S*)`, 'i');

/** `last`: nothing more may be sent on that connection. */
export function readAnswer(text: Buffer): { answer: Answer; last: boolean } | 'more' | 'malformed' {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0 || end > headBytesMax) return text.length > headBytesMax ? 'malformed' : 'more';
  const head = text.toString('latin1', 0, end);
  const status = /^HTTP\/1\.1 (\d{3})\b/.exec(head)?.[1];
  const length = /\r\ncontent-length: ?(\d{1,6})(?=\r\n|$)/i.exec(head)?.[1];
  if (status === undefined || length === undefined || Number(length) > bodyBytesMax) return 'malformed';
  const body = text.subarray(end + 4);
  if (body.length < Number(length)) return 'more';
  const last = body.length > Number(length) || /\r\nconnection: ?close/i.test(head);
  return {
    answer: { status: Number(status), mac: macForm.exec(head)?.[1] ?? '', body: body.subarray(0, Number(length)) },
    last,
  };
}

/** Refused and unreachable: nothing was sent. Everything else may have arrived. */
function networkFault(error: NodeJS.ErrnoException, standing: boolean): Fault {
  const { code } = error;
  const detail = error.message.split('\n')[0] ?? '';
  if (code === 'ECONNREFUSED') return fault('refused', 'no', detail, code);
  return fault('unreachable', standing ? 'maybe' : 'no', detail, code);
}
