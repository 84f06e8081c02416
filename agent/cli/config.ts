/**
 * `agent config show` and `agent config validate`: the dynamic configuration as the agent would take it, with every
 * default filled in, or everything that is wrong with it.
 */
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import type { DynamicConfig } from '../core/config.ts';
import { type Command, textOption } from './command.ts';
import { editConfig, editText, reject, withKeys } from './edit.ts';
import { readFormat, render } from './format.ts';
import { complain, exit } from './io.ts';
import { openKube } from './kube.ts';

const deadlineMs = 5000;
const keptHint = 'The agent keeps the last good configuration until all are mended.';

export const configShow: Command = {
  name: 'config show',
  summary: 'print the dynamic configuration with every default filled in',
  details: ['It is read from the ConfigMap og-CLUSTER-config. Exit code: 0 valid, 78 not valid, 1 it could not be read.'],
  options: { output: { type: 'string', short: 'o', value: 'FORMAT', help: 'yaml (as without it) or json' } },
  async run(parsed, io) {
    const format = readFormat(textOption(parsed, 'output') ?? 'yaml', ['json', 'yaml']);
    if (typeof format === 'object') return complain(io, exit.failed, format.problem, format.hint);
    const access = await openKube(io);
    if (typeof access === 'number') return access;
    const { kube, settings } = access;
    const read = await kube.readConfig(deadlineMs);
    await kube.close();
    if (!read.ok) return complain(io, exit.failed, `the configuration could not be read: ${read.fault.detail}`, read.fault.hint);
    const { readConfig } = await import('../settings/dynamic.ts');
    const config = readConfig(read.value.text);
    if (!config.ok) return reject(io, `og-${settings.cluster}-config`, config.problems, keptHint);
    io.out.write(await render(format === 'json' ? 'json' : 'yaml', plain(config.config)));
    return exit.done;
  },
};

export const configEdit: Command = {
  name: 'config edit',
  words: { usage: '[KEY=VALUE…]', min: 0, max: 50 },
  summary: 'change the dynamic configuration, if the whole of it is valid then',
  details: [
    'KEY is a path such as sync.mode; KEY= takes the key away, so that its default counts. Comments and order are kept.',
    'Without words the text is opened in $EDITOR (vi). Exit code: 0 done, 5 refused, 78 not valid, 1 it could not be written.',
  ],
  options: { file: { type: 'string', value: 'FILE', help: 'take the whole text from there; - is the standard input' } },
  async run(parsed, io) {
    const keys: Record<string, unknown> = {};
    const { parse } = await import('yaml');
    for (const word of parsed.words) {
      const at = word.indexOf('=');
      if (at < 1) return complain(io, exit.failed, `${JSON.stringify(word)} is not KEY=VALUE`, 'Write it as sync.mode=strict.');
      keys[word.slice(0, at)] = at === word.length - 1 ? undefined : parse(word.slice(at + 1));
    }
    const file = textOption(parsed, 'file');
    if (file !== undefined && parsed.words.length > 0)
      return complain(io, exit.failed, '--file and KEY=VALUE exclude each other', 'Give one of them.');
    const access = await openKube(io);
    if (typeof access === 'number') return access;
    const { kube, settings } = access;
    try {
      const name = `og-${settings.cluster}-config`;
      const change = (text: string): Promise<string | undefined> => {
        if (file !== undefined) return file === '-' ? textOf(process.stdin) : readFile(file, 'utf8');
        return parsed.words.length > 0 ? withKeys(text, keys) : editText(io, text);
      };
      const edited = await editConfig(io, kube, name, change);
      if (edited === 'same') io.out.write(`done: nothing changed, ${name} says so already\n`);
      if (edited === 'written') io.out.write(`done: ${name} is in force when all agents have read it, within seconds\n`);
      return typeof edited === 'number' ? edited : exit.done;
    } catch (error) {
      return complain(
        io,
        exit.failed,
        `nothing was changed: ${(error as Error).message}`,
        'Name what to change as KEY=VALUE, or give --file FILE.',
      );
    } finally {
      await kube.close();
    }
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
      return complain(
        io,
        exit.failed,
        `${file} could not be read: ${(error as Error).message}`,
        'Name a file that you may read, or - for the standard input.',
      );
    }
    const { readConfig } = await import('../settings/dynamic.ts');
    const config = readConfig(text);
    if (!config.ok) return reject(io, file, config.problems, keptHint);
    io.out.write('valid\n');
    return exit.done;
  },
};

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
