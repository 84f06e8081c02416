// gs_ctl's option loop: getopt_long's rules (short options bundled or with a glued argument, long ones abbreviated,
// options and the command in any order) and gs_ctl's own refusals. It reads argv and nothing else.
import { raw, say, setSilent } from './messages.ts';

export type BuildMode =
  | 'auto'
  | 'full'
  | 'incremental'
  | 'standby_full'
  | 'check'
  | 'copy_secure_files'
  | 'cross_cluster_full'
  | 'cross_cluster_incremental'
  | 'cross_cluster_standby_full';

/** Everything the command line can say. */
export interface Options {
  command: string;
  operands: string[];
  pgdata: string | undefined;
  seconds: number;
  wait: boolean;
  mode: string | undefined;
  shutdown: 'fast' | 'immediate';
  term: number;
  build: BuildMode;
  startAfterBuild: boolean;
  extremelyFast: boolean;
  logFile: string | undefined;
  serverOptions: string | undefined;
  execPath: string | undefined;
  receiveTimeout: number;
  connection: string | undefined;
  user: string | undefined;
  password: string | undefined;
  lsn: bigint | undefined;
}

/** What every command gets. */
export interface Control {
  options: Options;
  data: string;
  /** When gs_ctl was started, seconds since 1970. */
  startedAt: number;
}

const WITH_ARGUMENT = 'bDeGilmMNoOpPrRvxStuUZCLITQgankKEX';
const FLAGS = 'cfswWdq';
const LONG: Record<string, string> = {
  help: '?',
  version: 'V',
  log: 'l',
  mode: 'm',
  pgdata: 'D',
  silent: 's',
  timeout: 't',
  'core-files': 'c',
  smode: 'M',
  recvtimeout: 'r',
  'connect-string': 'C',
  'remove-backup': '1',
  action: 'a',
  operation: 'O',
  nodeid: 'u',
  ip: 'i',
  port: 'e',
  dbport: 'E',
  role: 'R',
  votenum: 'v',
  xmode: 'x',
  force: 'f',
  obsmode: '2',
  'no-fsync': '3',
  priority: '4',
  keycn: 'k',
  slotname: 'K',
  taskid: 'I',
};
const NOT_CHECKED = 'bPUZrd';
const BUILD_MODES: readonly string[] = [
  'full',
  'incremental',
  'standby_full',
  'check',
  'copy_secure_files',
  'cross_cluster_full',
  'cross_cluster_incremental',
  'cross_cluster_standby_full',
];

/** Commands gs_ctl knows; all but a few of them need a data directory. */
export const COMMANDS: readonly string[] = [
  'init',
  'gs_initdb',
  'start',
  'restart',
  'stop',
  'reload',
  'status',
  'notify',
  'query',
  'querybuild',
  'failover',
  'switchover',
  'kill',
  'build',
  'finishredo',
  'restore',
  'hotpatch',
  'copy',
  'stack',
  'member',
  'changerole',
  'setrunmode',
];

/** The hint under most usage errors. */
export const advice = (): void => raw('Try "gs_ctl --help" for more information.\n');

/** The first character gs_ctl refuses in a path or string argument. */
export function forbidden(value: string): string | undefined {
  return ['|', ';', '&', '$', '<', '>', '`', '\\', '!'].find((character) => value.includes(character));
}

/** Says what is wrong with an argument, if anything is. */
export function refuses(value: string): boolean {
  const symbol = forbidden(value);
  if (symbol !== undefined) say(`Error: variable "${value}" token invaild symbol "${symbol}".\n`);
  return symbol !== undefined;
}

function fresh(): Options {
  return {
    command: '',
    operands: [],
    pgdata: undefined,
    seconds: 60,
    wait: true,
    mode: undefined,
    shutdown: 'fast',
    term: 1,
    build: 'auto',
    startAfterBuild: true,
    extremelyFast: false,
    logFile: undefined,
    serverOptions: undefined,
    execPath: undefined,
    receiveTimeout: 120,
    connection: undefined,
    user: undefined,
    password: undefined,
    lsn: undefined,
  };
}

function setShutdown(options: Options, value: string): boolean {
  if (['f', 'fast'].includes(value)) options.shutdown = 'fast';
  else if (['i', 'immediate'].includes(value)) options.shutdown = 'immediate';
  else {
    say(` unrecognized shutdown mode "${value}"\n`);
    return false;
  }
  return true;
}

function setNumber(value: string, what: string, put: (n: number) => void): boolean {
  const ok = /^\s*[+-]?\d+$/.test(value);
  if (!ok) say(`unexpected ${what} specified\n`);
  else put(Number.parseInt(value, 10));
  return ok;
}

function setLsn(options: Options, value: string): boolean {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(value);
  const lsn = match === null ? 0n : (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
  if (lsn === 0n) say(`invalid lsn "${value}"\n`);
  options.lsn = lsn;
  return lsn !== 0n;
}

/** Applies one option; false means that the complaint is already printed. */
function apply(options: Options, letter: string, value: string): boolean {
  if (WITH_ARGUMENT.includes(letter) && !NOT_CHECKED.includes(letter) && refuses(value)) return false;
  switch (letter) {
    case 'b':
      options.build = BUILD_MODES.includes(value)
        ? (value as BuildMode)
        : value === 'copy_upgrade_file'
          ? 'copy_secure_files'
          : options.build;
      return true;
    case 'D':
      options.pgdata = value;
      return true;
    case 'f':
      say('Performing a Forced Switchover\n');
      options.extremelyFast = true;
      return true;
    case 'm':
      return setShutdown(options, value);
    case 't':
      return (
        setNumber(value, 'wait seconds', (n) => {
          options.seconds = n;
        }) && options.seconds >= 0
      );
    case 'T':
      return setNumber(value, 'term', (n) => {
        options.term = n >>> 0;
      });
    case 'r':
      options.receiveTimeout = Number.parseInt(value, 10) || 0;
      return true;
    case 'L':
      return setLsn(options, value);
    case 'S':
      say(' -S option not supported on this platform\n');
      return false;
    default:
      set(options, letter, value);
      return true;
  }
}

function set(options: Options, letter: string, value: string): void {
  switch (letter) {
    case 'M':
      options.mode = value;
      break;
    case 'l':
      options.logFile = value;
      break;
    case 'o':
      options.serverOptions = value;
      break;
    case 'p':
      options.execPath = value;
      break;
    case 'C':
      options.connection = value;
      break;
    case 'U':
      options.user = value;
      break;
    case 'P':
      options.password = value;
      break;
    case 'q':
      options.startAfterBuild = false;
      break;
    case 'w':
      options.wait = true;
      break;
    case 'W':
      options.wait = false;
      break;
    case 's':
      setSilent();
      break;
    default:
      break;
  }
}

function longOption(text: string): { letter: string; glued: string | undefined } | undefined {
  const [name = '', glued] = text.includes('=')
    ? [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]
    : [text, undefined];
  const names = Object.keys(LONG).filter((known) => known === name || known.startsWith(name));
  const found = names.includes(name) ? name : names.length === 1 ? names[0] : undefined;
  const letter = found === undefined ? undefined : LONG[found];
  return letter === undefined ? undefined : { letter, glued };
}

/** Reads the whole command line; an answer without options says which exit code to leave with. */
export function parse(argv: readonly string[]): { options: Options } | { exit: number } {
  const options = fresh();
  const rest = [...argv];
  const fail = (complaint?: string): { exit: number } => {
    if (complaint !== undefined) {
      raw(`gs_ctl: ${complaint}\n`, 2);
      advice();
    }
    return { exit: 1 };
  };
  while (rest.length > 0) {
    const word = rest.shift() as string;
    if (word.startsWith('--') && word.length > 2) {
      const long = longOption(word.slice(2));
      if (long === undefined) return fail(`unrecognized option '${word}'`);
      const value = WITH_ARGUMENT.includes(long.letter) ? (long.glued ?? rest.shift()) : '';
      if (value === undefined) return fail(`option '${word}' requires an argument`);
      if (!apply(options, long.letter, value)) return fail();
    } else if (word.startsWith('-') && word.length > 1) {
      const error = bundle(options, word.slice(1), rest);
      if (error !== undefined) return fail(error === '' ? undefined : error);
    } else if (options.command === '' && COMMANDS.includes(word)) {
      options.command = word;
      if (word === 'kill') options.operands = rest.splice(0, 2);
    } else {
      say(options.command === '' ? ` unrecognized operation mode "${word}"\n` : 'too many command-line arguments (first is)\n');
      advice();
      return { exit: 1 };
    }
  }
  if (options.command !== '') return { options };
  say(' no operation specified\n');
  advice();
  return { exit: 1 };
}

/** One word of short options; the answer is what getopt would complain about, '' when the complaint is printed. */
function bundle(options: Options, letters: string, rest: string[]): string | undefined {
  for (let i = 0; i < letters.length; i++) {
    const letter = letters.charAt(i);
    if (WITH_ARGUMENT.includes(letter)) {
      const value = i + 1 < letters.length ? letters.slice(i + 1) : rest.shift();
      if (value === undefined) return `option requires an argument -- '${letter}'`;
      return apply(options, letter, value) ? undefined : '';
    }
    if (!FLAGS.includes(letter)) return `invalid option -- '${letter}'`;
    if (!apply(options, letter, '')) return '';
  }
  return undefined;
}
