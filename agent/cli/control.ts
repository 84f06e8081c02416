/** `agent log-level` and `agent reload`: wishes to the agent of this container, over the socket in its run directory. */
import { request } from 'node:http';
import { controlPath } from '../adapters/http/control.ts';
import { readSetting } from '../settings/table.ts';
import type { Command } from './command.ts';
import { complain, exit, type Io } from './io.ts';
import { readJson } from './json.ts';
import { reasonOf } from './local.ts';

const deadlineMs = 5000;
const answerMax = 4096;
const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'];

export const logLevel: Command = {
  name: 'log-level',
  words: { usage: 'LEVEL', min: 1, max: 1 },
  summary: 'change the level of this agent’s log while it runs',
  details: [
    `LEVEL is one of ${levels.join(', ')}. It lasts until the agent is started again; OG_LOG_LEVEL is what it starts with.`,
  ],
  options: {},
  async run(parsed, io) {
    const [level = ''] = parsed.words;
    if (!levels.includes(level))
      return complain(io, exit.failed, `no level ${JSON.stringify(level)}`, `There are ${levels.join(', ')}.`);
    return await wish(io, '/log-level', level);
  },
};

export const reload: Command = {
  name: 'reload',
  summary: 'have this agent read the cluster’s objects again, and its server its files',
  details: ['Edits of the configuration are taken up without it; it is for files that were edited by hand.'],
  options: {},
  run: (_parsed, io) => wish(io, '/reload', ''),
};

async function wish(io: Io, path: string, body: string): Promise<number> {
  const runDir = readSetting(io.env, 'runDir') ?? '/run/opengauss-agent';
  const answer = await post(controlPath(runDir), path, body);
  if ('unreachable' in answer)
    return complain(
      io,
      exit.unreachable,
      `the agent does not answer at ${answer.unreachable}`,
      'Run this in the container og of a member, as its user.',
    );
  if (!answer.ok) return complain(io, exit.failed, reasonOf(answer.body), 'Look at the log of the container og.');
  io.out.write(`done: ${reasonOf(answer.body)}\n`);
  return exit.done;
}

function post(socketPath: string, path: string, body: string): Promise<{ ok: boolean; body: unknown } | { unreachable: string }> {
  return new Promise((resolve) => {
    const lost = (why: string) => resolve({ unreachable: `${socketPath}: ${why}` });
    const headers = { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) };
    const sent = request(
      { socketPath, path, method: 'POST', headers, agent: false, signal: AbortSignal.timeout(deadlineMs) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > answerMax) response.destroy(new Error('the answer is too long'));
        });
        response.on('error', (error) => lost(error.message));
        response.on('end', () => resolve({ ok: response.statusCode === 200, body: readJson(text) }));
      },
    );
    sent.on('error', (error: NodeJS.ErrnoException) =>
      lost(error.name === 'TimeoutError' || error.name === 'AbortError' ? 'no answer in time' : (error.code ?? error.message)),
    );
    sent.end(body);
  });
}
