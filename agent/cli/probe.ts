/** `agent probe`: the verdict that the kubelet gets, for people and for exec probes. */
import { type Command, textOption } from './command.ts';
import { exit } from './io.ts';
import { askLocal, complainUnreachable, reasonOf } from './local.ts';
import { complain } from './io.ts';

const paths: Record<string, string> = { readiness: '/readyz', liveness: '/livez', startup: '/startupz' };

export const probe: Command = {
  name: 'probe',
  words: { usage: 'readiness|liveness|startup', min: 1, max: 1 },
  summary: 'ask what the kubelet asks, and say why',
  details: ['Exit code: 0 yes, 1 no, 4 the agent does not answer.'],
  options: {
    mode: { type: 'string', value: 'MODE', help: 'of readiness: tcp (fit for its Service), query or streaming' },
    lag: { type: 'string', value: 'BYTES', help: 'of readiness: how far behind a standby may be, e.g. 16MiB' },
  },
  async run(parsed, io) {
    const word = parsed.words[0] ?? '';
    const path = Object.hasOwn(paths, word) ? paths[word] : undefined;
    if (path === undefined)
      return complain(io, exit.failed, `no probe ${JSON.stringify(word)}`, `There are ${Object.keys(paths).join(', ')}.`);
    const query = new URLSearchParams();
    for (const name of ['mode', 'lag']) {
      const value = textOption(parsed, name);
      if (value !== undefined) query.set(name, value);
    }
    if (word !== 'readiness' && query.size > 0)
      return complain(io, exit.failed, '--mode and --lag belong to readiness', 'Leave them out, or ask for readiness.');
    const answer = await askLocal(io, query.size === 0 ? path : `${path}?${query}`);
    if ('unreachable' in answer) return complainUnreachable(io, answer.unreachable);
    if (answer.status === 400) return complain(io, exit.failed, reasonOf(answer.body), 'See agent help probe.');
    io.out.write(`${answer.status === 200 ? 'yes' : 'no'}: ${reasonOf(answer.body)}\n`);
    return answer.status === 200 ? exit.done : exit.failed;
  },
};
