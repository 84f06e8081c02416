/**
 * The command line of the lab: its options and the commands for a running one. Parsing only; every
 * mistake is one error with a hint, and nothing is guessed.
 */
import { parseArgs } from 'node:util';
import { parseBytes } from '../../agent/core/quantity.ts';
import { usualVolumeBytes } from './volume.ts';

export interface LabOptions {
  members: number;
  kube: 'embedded' | 'apiserver' | 'nodes';
  server: 'standin' | 'opengauss';
  pace: 'fast' | 'real';
  net: 'loopback' | 'netns';
  namespace: string;
  cluster: string;
  /** Text of the dynamic configuration; empty for the defaults. */
  config: string;
  dir: string;
  /** The size of a member's data volume; 0: a plain directory. */
  volumeBytes: number;
  /** Keeps data and logs when the lab ends. */
  keep: boolean;
  /** For tests that must fail without a rule: what the members run instead of the agent and entrypoint of the checkout. */
  tamper?: Tamper;
  /** For tests: the clock of the embedded API server. */
  kubeClock?: { now(): number };
}

/** Each takes the text as it is shipped and answers what a copy shall hold. */
export interface Tamper {
  agent(bundle: string): string;
  entrypoint(script: string): string;
}

export type Command =
  | { do: 'help' }
  | { do: 'up'; configFile: string | undefined; json: boolean; options: LabOptions }
  | { do: 'exec'; dir: string; member: string; words: string[] }
  | { do: 'fault'; dir: string; order: Record<string, string | number> };

export type Parsed = { ok: true; command: Command } | { ok: false; problem: string; hint: string };

/** What is used where nothing is said. */
export const defaultOptions: LabOptions = {
  members: 3,
  kube: 'embedded',
  server: 'standin',
  pace: 'fast',
  net: 'loopback',
  namespace: 'default',
  cluster: 'demo',
  config: '',
  dir: '.lab',
  volumeBytes: 0,
  keep: false,
};

/** Printed by --help. */
export const usage = `npm run lab -- [options]                      starts a cluster in the foreground; Ctrl-C ends it
  --members N                   1 to 9 (3)
  --kube embedded|apiserver|nodes   the API server; apiserver is a real one, nodes a whole Kubernetes (embedded)
  --server standin|opengauss    the database server; opengauss takes the installation from GAUSSHOME (standin)
  --pace fast|real              fast, or with the delays measured on openGauss (fast)
  --net loopback|netns          how members reach each other; netns needs root (loopback; netns for opengauss)
  --namespace NAME --cluster NAME   (default, demo)
  --config FILE                 the dynamic configuration
  --dir DIR                     where everything is kept (.lab)
  --json                        one JSON line per event instead of the screen
  --volume SIZE                 of each member's data, in memory as far as it is used, or none (2GiB)
  --keep                        leave data and logs in DIR at the end

npm run lab -- [--dir DIR] COMMAND            for the lab that runs in DIR
  exec MEMBER -- COMMAND …      runs a command in the member's container, e.g. agent status
  kill MEMBER --what server|agent|pod|node
  freeze MEMBER --what server|agent|pod
  thaw MEMBER
  cut MEMBER --from kube|peers|all
  heal [MEMBER]
  fill MEMBER --percent P
  grow MEMBER
`;

const volumeBytesMin = 256 * 1024 ** 2;

const commands = ['exec', 'kill', 'freeze', 'thaw', 'cut', 'heal', 'fill', 'grow'];

class Mistake extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Reads the words after `npm run lab --`. */
export function parseCommand(words: string[]): Parsed {
  try {
    return { ok: true, command: parse(words) };
  } catch (error) {
    const hint = error instanceof Mistake ? error.hint : 'See npm run lab -- --help.';
    return { ok: false, problem: (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '', hint };
  }
}

function parse(words: string[]): Command {
  const cut = words.indexOf('--');
  const own = cut < 0 ? words : words.slice(0, cut);
  const rest = cut < 0 ? [] : words.slice(cut + 1);
  const { values, positionals } = parseArgs({
    args: own,
    allowPositionals: true,
    options: {
      members: { type: 'string' },
      kube: { type: 'string' },
      server: { type: 'string' },
      pace: { type: 'string' },
      net: { type: 'string' },
      namespace: { type: 'string' },
      cluster: { type: 'string' },
      config: { type: 'string' },
      dir: { type: 'string' },
      volume: { type: 'string' },
      json: { type: 'boolean' },
      keep: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      what: { type: 'string' },
      from: { type: 'string' },
      percent: { type: 'string' },
    },
  });
  if (values.help === true) return { do: 'help' };
  const dir = values.dir ?? defaultOptions.dir;
  const [command, member, ...extra] = positionals;
  if (command === undefined)
    return { do: 'up', configFile: values.config, json: values.json === true, options: labOptions(values, dir) };
  if (!commands.includes(command)) throw new Mistake(`unknown command ${command}`, `The commands are ${commands.join(', ')}.`);
  // `exec og-demo-0 agent status` is understood too: npm swallows a first `--` itself.
  if (command === 'exec') return execCommand(dir, member, [...extra, ...rest]);
  if (extra.length > 0)
    throw new Mistake(`${command} takes one member, not also ${extra.join(' ')}`, 'See npm run lab -- --help.');
  if (member === undefined && command !== 'heal') throw new Mistake(`${command} needs a member`, 'For example og-demo-0.');
  const order: Record<string, string | number> = { command };
  if (member !== undefined) order['member'] = member;
  if (values.what !== undefined) order['what'] = values.what;
  if (values.from !== undefined) order['from'] = values.from;
  if (values.percent !== undefined) order['percent'] = Number(values.percent);
  return { do: 'fault', dir, order };
}

function execCommand(dir: string, member: string | undefined, words: string[]): Command {
  if (member === undefined) throw new Mistake('exec needs a member', 'For example og-demo-0.');
  if (words.length === 0) throw new Mistake('exec needs a command', `For example: exec ${member} -- agent status.`);
  return { do: 'exec', dir, member, words };
}

function labOptions(values: Record<string, string | boolean | undefined>, dir: string): LabOptions {
  const text = (name: string, fallback: string) => (typeof values[name] === 'string' ? values[name] : fallback);
  const oneOf = <T extends string>(name: string, fallback: T, words: readonly T[]): T => {
    const value = text(name, fallback);
    const found = words.find((word) => word === value);
    if (found === undefined) throw new Mistake(`--${name} ${value} is not known`, `Use ${words.join(' or ')}.`);
    return found;
  };
  const members = Number(text('members', String(defaultOptions.members)));
  if (!Number.isInteger(members) || members < 1 || members > 9) {
    throw new Mistake(`--members ${text('members', '')} is out of range`, 'A cluster has 1 to 9 members.');
  }
  const kube = oneOf('kube', defaultOptions.kube, ['embedded', 'apiserver', 'nodes']);
  if (kube === 'nodes') demandNodes(values, members);
  const server = oneOf('server', defaultOptions.server, ['standin', 'opengauss']);
  const net = oneOf('net', server === 'opengauss' || kube === 'apiserver' ? 'netns' : defaultOptions.net, ['loopback', 'netns']);
  if (kube === 'apiserver' && net === 'loopback')
    throw new Mistake(
      '--kube apiserver takes no members on loopback addresses',
      'Leave --net out, or say --net netns; it needs root.',
    );
  return {
    members,
    kube,
    server,
    pace: oneOf('pace', defaultOptions.pace, ['fast', 'real']),
    net,
    namespace: label('namespace', text('namespace', defaultOptions.namespace)),
    cluster: label('cluster', text('cluster', defaultOptions.cluster)),
    config: '',
    dir,
    volumeBytes: volumeBytes(text('volume', ''), server),
    keep: values['keep'] === true,
  };
}

/** Nodes have the manifests' names, the image and a network of their own. */
function demandNodes(values: Record<string, string | boolean | undefined>, members: number) {
  const fixed = ['server', 'net', 'namespace', 'cluster', 'volume', 'pace'].filter((name) => values[name] !== undefined);
  if (fixed.length > 0)
    throw new Mistake(`--kube nodes takes no --${fixed.join(', --')}`, 'It runs the manifests and the image as they are.');
  if (members > 5) throw new Mistake(`--members ${members} are too many nodes for one machine`, 'Say 1 to 5.');
}

/** Real openGauss begins with three quarters of a GiB. */
function volumeBytes(value: string, server: LabOptions['server']): number {
  if (value === '') return usualVolumeBytes() * (server === 'opengauss' ? 2 : 1);
  if (value === 'none') return 0;
  const bytes = Number(parseBytes(value) ?? 0n);
  if (bytes >= volumeBytesMin) return bytes;
  throw new Mistake(`--volume ${value} is not a size`, 'Use none, or 256MiB or more, for example 2GiB.');
}

function label(name: string, value: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(value)) return value;
  throw new Mistake(
    `--${name} ${value} is not a name`,
    'Use up to 40 lower-case letters, digits and hyphens, beginning and ending with a letter or digit.',
  );
}
