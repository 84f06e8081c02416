/**
 * `agent config show` and `agent config validate`: the dynamic configuration as the agent would take it, with every
 * default filled in, or everything that is wrong with it.
 */
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import type { DynamicConfig } from '../core/config.ts';
import { type Problem, renderProblems } from '../settings/problem.ts';
import { type Command, textOption } from './command.ts';
import { readFormat, render } from './format.ts';
import { complain, exit, type Io } from './io.ts';
import { openKube } from './kube.ts';

const deadlineMs = 5000;

export const configShow: Command = {
  name: 'config show',
  summary: 'print the dynamic configuration with every default filled in',
  details: ['It is read from the ConfigMap og-CLUSTER-config. Exit code: 0 valid, 78 not valid, 1 it could not be read.'],
  options: { output: { type: 'string', short: 'o', value: 'FORMAT', help: 'yaml (as without it) or json' } },
  async run(parsed, io) {
    const format = readFormat(textOption(parsed, 'output') ?? 'yaml', ['json', 'yaml']);
    if (typeof format === 'object') return complain(io, exit.failed, format.problem);
    const access = await openKube(io);
    if (typeof access === 'number') return access;
    const { kube, settings } = access;
    const read = await kube.readConfig(deadlineMs);
    await kube.close();
    if (!read.ok) return complain(io, exit.failed, `the configuration could not be read: ${read.fault.detail}`, read.fault.hint);
    const { readConfig } = await import('../settings/dynamic.ts');
    const config = readConfig(read.value.text);
    if (!config.ok) return reject(io, `og-${settings.cluster}-config`, config.problems);
    io.out.write(await render(format === 'json' ? 'json' : 'yaml', plain(config.config)));
    return exit.done;
  },
};

export const configValidate: Command = {
  name: 'config validate',
  words: { usage: 'FILE', min: 1, max: 1 },
  summary: 'say whether a config.yaml would be taken, and everything that is wrong with it',
  details: ['FILE is the text of the key config.yaml; - reads it from the standard input. Exit code: 0 valid, 78 not valid.'],
  options: {},
  async run(parsed, io) {
    const [file = '-'] = parsed.words;
    let text: string;
    try {
      text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8');
    } catch (error) {
      return complain(io, exit.failed, `${file} could not be read: ${(error as Error).message}`);
    }
    const { readConfig } = await import('../settings/dynamic.ts');
    const config = readConfig(text);
    if (!config.ok) return reject(io, file, config.problems);
    io.out.write('valid\n');
    return exit.done;
  },
};

function reject(io: Io, name: string, problems: Problem[]): number {
  io.err.write(`${renderProblems(problems)}\n`);
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return complain(
    io,
    exit.settings,
    `${name} is not valid: ${count}`,
    'The agent keeps the last good configuration until all are mended.',
  );
}

/** The configuration as it could be written: byte amounts with their unit, unset values as null. */
function plain(config: DynamicConfig): unknown {
  return JSON.parse(
    JSON.stringify(config, (_key, value: unknown) => (typeof value === 'bigint' ? amount(value) : (value ?? null))),
  );
}

function amount(bytes: bigint): string {
  for (const [unit, shift] of [
    ['GiB', 30n],
    ['MiB', 20n],
    ['KiB', 10n],
  ] as const) {
    if (bytes > 0n && bytes % (1n << shift) === 0n) return `${bytes >> shift}${unit}`;
  }
  return String(bytes);
}
