/** `agent status`, `agent history`: what the own agent's last cycle saw. */
import type { ClusterStatus } from '../adapters/http/document.ts';
import type { HistoryLine } from '../core/model.ts';
import { type Command, textOption } from './command.ts';
import { columns, type Format, readFormat, render } from './format.ts';
import { complain, exit, type Io, pause } from './io.ts';
import { askLocal, complainUnreachable, reasonOf } from './local.ts';
import { statusTable } from './table.ts';

const periodMs = 2000;

const exitOf: Record<ClusterStatus['state'], number> = {
  Healthy: exit.done,
  Degraded: exit.degraded,
  // A paused cluster does not fail over: a script that asks whether all is well gets a no.
  Paused: exit.degraded,
  NoPrimary: exit.noPrimary,
};

export const status: Command = {
  name: 'status',
  summary: 'show the cluster as this member sees it',
  details: [
    'It asks the agent of this container alone, so it also works while the API server or the database does not.',
    'Exit code: 0 healthy, 2 degraded or paused, 3 no primary, 4 the agent does not answer.',
  ],
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', help: 'wide, json, yaml or name' },
    'no-headers': { type: 'boolean', help: 'print the rows of the members alone' },
    watch: { type: 'boolean', short: 'w', help: 'print it again every two seconds' },
    local: { type: 'boolean', help: 'ask nobody but the agent of this container, as it is always done' },
  },
  async run(parsed, io) {
    const format = readFormat(textOption(parsed, 'output'), ['table', 'wide', 'json', 'yaml', 'name']);
    if (typeof format === 'object') return complain(io, exit.failed, format.problem, format.hint);
    const headers = parsed.values['no-headers'] !== true;
    if (parsed.values['watch'] !== true) return await printStatus(io, format, headers);
    let code: number = exit.done;
    while (!io.signal.aborted) {
      if (io.out.isTTY === true) io.out.write('\u001b[H\u001b[2J');
      code = await printStatus(io, format, headers);
      await pause(periodMs, io.signal);
      if (!io.signal.aborted && io.out.isTTY !== true && format !== 'name')
        io.out.write(format === 'yaml' ? '---\n' : format === 'json' ? '' : '\n');
    }
    return code;
  },
};

async function printStatus(io: Io, format: Format, headers: boolean): Promise<number> {
  const answer = await askLocal(io, '/status');
  if ('unreachable' in answer) return complainUnreachable(io, answer.unreachable);
  if (answer.status !== 200) {
    return complain(io, exit.unreachable, `the agent cannot tell yet: ${reasonOf(answer.body)}`, 'Ask again in a few seconds.');
  }
  const document = answer.body as ClusterStatus;
  io.out.write(await text(document, format, headers));
  return exitOf[document.state] ?? exit.degraded;
}

async function text(document: ClusterStatus, format: Format, headers: boolean): Promise<string> {
  if (format === 'json' || format === 'yaml') return await render(format, document);
  if (format === 'name') return document.members.map((member) => `${member.name}\n`).join('');
  return statusTable(document, { wide: format === 'wide', headers, now: Date.now() });
}

export const history: Command = {
  name: 'history',
  summary: 'show the changes of primary, oldest first',
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', help: 'json or yaml' },
    'no-headers': { type: 'boolean', help: 'print no header line' },
  },
  async run(parsed, io) {
    const format = readFormat(textOption(parsed, 'output'), ['table', 'json', 'yaml']);
    if (typeof format === 'object') return complain(io, exit.failed, format.problem, format.hint);
    const answer = await askLocal(io, '/history');
    if ('unreachable' in answer) return complainUnreachable(io, answer.unreachable);
    if (answer.status !== 200)
      return complain(io, exit.unreachable, reasonOf(answer.body), 'Ask again when the API server answers.');
    if (format === 'json' || format === 'yaml') io.out.write(await render(format, answer.body));
    else {
      const { history: lines } = answer.body as { history: HistoryLine[] };
      const rows = lines.map((line) => [String(line.term), line.primary, line.at, line.reason]);
      const head = parsed.values['no-headers'] === true ? [] : [['TERM', 'PRIMARY', 'SINCE', 'REASON']];
      io.out.write(
        columns([...head, ...rows])
          .map((line) => `${line}\n`)
          .join(''),
      );
    }
    return exit.done;
  },
};
