/** `agent version`. */
import { version as text } from '../version.ts';
import { type Command, textOption } from './command.ts';
import { readFormat, render } from './format.ts';
import { complain, exit } from './io.ts';

export const version: Command = {
  name: 'version',
  summary: 'print the version of the agent',
  options: { output: { type: 'string', short: 'o', value: 'FORMAT', help: 'json or yaml' } },
  async run(parsed, io) {
    const format = readFormat(textOption(parsed, 'output'), ['table', 'json', 'yaml']);
    if (typeof format === 'object') return complain(io, exit.failed, format.problem, format.hint);
    const document = { apiVersion: 'opengauss.agent/v1', kind: 'Version', version: text, node: process.versions.node };
    io.out.write(format === 'json' || format === 'yaml' ? await render(format, document) : `opengauss-agent ${text}\n`);
    return exit.done;
  },
};
