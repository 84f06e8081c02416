/**
 * The command line: finds the command, reads its options by node:util, prints help, and passes the exit code on.
 * Each command lives in cli/; what needs the Kubernetes client loads it when it runs, because a status
 * command must not pay for it. Only commands that exist are listed.
 */
import { parseArgs } from 'node:util';
import type { Command } from './cli/command.ts';
import { configEdit, configShow, configValidate } from './cli/config.ts';
import { logLevel, reload } from './cli/control.ts';
import { doctor } from './cli/doctor.ts';
import { complain, exit, type Io } from './cli/io.ts';
import { failover } from './cli/failover.ts';
import { fence, unfence } from './cli/fence.ts';
import { pause, resume } from './cli/pause.ts';
import { preflight } from './cli/preflight.ts';
import { probe } from './cli/probe.ts';
import { reinit, restart } from './cli/restart.ts';
import { history, status } from './cli/status.ts';
import { switchover } from './cli/switchover.ts';
import { version } from './cli/version.ts';
import { nearest } from './settings/problem.ts';

/** Every command but `run`, which main.ts starts. */
export const commands: readonly Command[] = [
  status,
  history,
  switchover,
  failover,
  pause,
  resume,
  restart,
  reinit,
  fence,
  unfence,
  reload,
  configShow,
  configEdit,
  configValidate,
  doctor,
  preflight,
  logLevel,
  probe,
  version,
];

/** What people may look for, and what they can do instead. */
const notYet: Record<string, string> = {
  sidecar: 'Backups and scheduled scripts are not done yet; the agent itself keeps the server’s logs within bounds.',
  backup: 'Take one with gs_basebackup meanwhile.',
  site: 'Two sites are not supported yet.',
};

const runSummary = 'run the agent; the entrypoint does this';

/** Runs one command; the value is the exit code. */
export async function runCli(argv: string[], io: Io = processIo()): Promise<number> {
  const [first = ''] = argv;
  if (first === '') {
    io.err.write(overview());
    return exit.failed;
  }
  if (first === 'help' || first === '--help' || first === '-h') return help(argv.slice(1), io);
  const command = find(argv);
  if (command === undefined) return unknownCommand(argv, io);
  const rest = argv.slice(command.name.split(' ').length);
  if (rest.includes('--help') || rest.includes('-h')) return help(command.name.split(' '), io);
  const parsed = parse(command, rest);
  if (typeof parsed === 'string') return complain(io, exit.failed, parsed, `See agent help ${command.name}.`);
  return await command.run(parsed, io);
}

function find(argv: string[]): Command | undefined {
  return commands.find((command) => command.name.split(' ').every((word, index) => argv[index] === word));
}

function unknownCommand(argv: string[], io: Io): number {
  const below = commands.filter((command) => command.name.startsWith(`${argv[0]} `));
  if (below.length > 0) {
    return complain(
      io,
      exit.failed,
      `${argv[0]} needs one more word`,
      `There are ${below.map((command) => command.name).join(', ')}.`,
    );
  }
  const later = notYet[argv[0] ?? ''];
  if (later !== undefined)
    return complain(io, exit.failed, `agent ${argv[0]} is not in this release`, `${later} agent help lists what there is.`);
  const names = [...commands.map((command) => command.name), 'run'];
  const meant = nearest(argv[0] ?? '', names);
  return complain(
    io,
    exit.failed,
    `no command ${JSON.stringify(argv[0])}`,
    meant === undefined ? 'See agent help.' : `Did you mean ${meant}?`,
  );
}

function parse(
  command: Command,
  args: string[],
): { values: Record<string, string | boolean | undefined>; words: string[] } | string {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { type, short }]) => [name, { type, ...(short === undefined ? {} : { short }) }]),
  );
  const { min, max } = command.words ?? { min: 0, max: 0 };
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true });
    if (positionals.length < min) return `${command.words?.usage} is missing`;
    if (positionals.length > max) return `${JSON.stringify(positionals[max])} is one word too many`;
    return { values: values as Record<string, string | boolean | undefined>, words: positionals };
  } catch (error) {
    return ((error as Error).message.split('. ')[0] ?? '').toLowerCase();
  }
}

function help(words: string[], io: Io): number {
  if (words.length === 0) {
    io.out.write(overview());
    return exit.done;
  }
  const command = find(words);
  if (command === undefined) return unknownCommand(words, io);
  const usage = ['agent', command.name, command.words?.usage ?? '', Object.keys(command.options).length > 0 ? '[options]' : ''];
  const lines = [`usage: ${usage.filter((part) => part !== '').join(' ')}`, '', capital(command.summary)];
  if (command.details !== undefined) lines.push('', ...command.details);
  const options = Object.entries(command.options).map(([name, { short, value, help: text }]) => {
    const words = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
    return [words, text] as const;
  });
  options.push(['-h, --help', 'print this help']);
  const width = Math.max(...options.map(([text]) => text.length));
  lines.push('', 'Options:', ...options.map(([text, about]) => `  ${text.padEnd(width)}   ${about}`));
  io.out.write(`${lines.join('\n')}\n`);
  return exit.done;
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function overview(): string {
  const rows = [
    ['run', runSummary],
    ...commands.map(({ name, words, summary }) => [words === undefined ? name : `${name} ${words.usage}`, summary]),
  ];
  const width = Math.max(...rows.map(([name = '']) => name.length));
  const list = rows.map(([name = '', summary = '']) => `  ${name.padEnd(width)}   ${summary}`);
  const codes =
    '0 healthy or done, 1 usage, internal error or failure, 2 degraded, 3 no primary, 4 agent unreachable, 5 refused, 78 settings invalid';
  return ['usage: agent COMMAND [options]', '', ...list, '', 'agent help COMMAND tells more.', `Exit codes: ${codes}.`, ''].join(
    '\n',
  );
}

/** The streams and signals of this process. */
function processIo(): Io {
  let stop: AbortController | undefined;
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on('error', () => stop?.abort());
  return {
    env: process.env,
    out: process.stdout,
    err: process.stderr,
    get signal() {
      if (stop !== undefined) return stop.signal;
      // Only from here on: a command that looks at no signal shall end by one at once.
      const made = new AbortController();
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => made.abort());
      stop = made;
      return made.signal;
    },
  };
}
