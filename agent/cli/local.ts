/**
 * Asks the agent in the same container, over its HTTP port. Only this: the answer is the agent's last snapshot, so it
 * comes without the API server, the database or the other members.
 */
import { request } from 'node:http';
import { isIPv6 } from 'node:net';
import { readSetting } from '../settings/table.ts';
import { complain, exit, type Io } from './io.ts';
import { readJson } from './json.ts';

const deadlineMs = 3000;
const bodyBytesMax = 1 << 20;

export type LocalAnswer = { status: number; body: unknown } | { unreachable: string };

/** Gets a path of the own agent. */
export function askLocal(io: Io, path: string): Promise<LocalAnswer> {
  const bind = readSetting(io.env, 'bindAddress') ?? '0.0.0.0';
  const host = bind === '0.0.0.0' ? '127.0.0.1' : bind === '::' ? '::1' : bind;
  const port = readSetting(io.env, 'httpPort') ?? 8008;
  const where = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  return new Promise((resolve) => {
    const lost = (why: string) => resolve({ unreachable: `${where}: ${why}` });
    const sent = request({ host, port, path, agent: false, signal: AbortSignal.timeout(deadlineMs) }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > bodyBytesMax) response.destroy(new Error('the answer is too long'));
      });
      response.on('error', (error) => lost(error.message));
      response.on('end', () => {
        const body = readJson(text);
        if (body === undefined) lost('the answer is not JSON');
        else resolve({ status: response.statusCode ?? 0, body });
      });
    });
    sent.on('error', (error: NodeJS.ErrnoException) =>
      lost(error.name === 'TimeoutError' || error.name === 'AbortError' ? 'no answer in time' : (error.code ?? error.message)),
    );
    sent.end();
  });
}

/** Says that the agent does not answer, with what helps. */
export function complainUnreachable(io: Io, why: string): number {
  return complain(
    io,
    exit.unreachable,
    `the agent does not answer at ${why}`,
    'Run this in the container og of a member, and look at that container’s log.',
  );
}

/** The reason in an answer of the form `{ ok, reason }`. */
export function reasonOf(body: unknown): string {
  const reason = (body as { reason?: unknown } | null)?.reason;
  return typeof reason === 'string' ? reason : 'no reason given';
}
