// gaussdb's command line. Errors come back as text for stderr; nothing is read from disk here.
import { resolve } from 'node:path';
import type { Mode } from '../shared/state.ts';

/** A start as it was asked for. */
export interface StartOptions {
  pgdata: string;
  /** the -M word, undefined when there was none */
  mode: string | undefined;
  role: Mode | undefined;
  /** parameters given on the command line */
  given: Map<string, string>;
  /** every word, for postmaster.opts */
  words: string[];
}

const roles: ReadonlyMap<string, Mode | undefined> = new Map([
  ['primary', 'Primary'],
  ['standby', 'Standby'],
  ['pending', 'Pending'],
  ['cascade_standby', 'Cascade Standby'],
  ['normal', undefined],
]);

/** Reads the words after `gaussdb`; a string is the error to print before exit 1. */
export function readOptions(words: readonly string[], environment: NodeJS.ProcessEnv): StartOptions | string {
  const given = new Map<string, string>();
  let data: string | undefined;
  let mode: string | undefined;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    const value = () => {
      if (word.length > 2 && !word.startsWith('--')) return word.slice(2);
      i += 1;
      return words[i] ?? '';
    };
    const letter = word.slice(0, 2);
    if (letter === '--' || letter === '-c') {
      const setting = letter === '--' ? word.slice(2) : value();
      const equals = setting.indexOf('=');
      if (equals <= 0) return `-c ${setting} requires a value`;
      given.set(setting.slice(0, equals).replaceAll('-', '_').toLowerCase(), setting.slice(equals + 1));
    } else if (letter === '-D') data = value();
    else if (letter === '-M') mode = value();
    else if (letter === '-p') given.set('port', value());
    else if (letter === '-h') given.set('listen_addresses', value());
    else if (letter === '-k') given.set('unix_socket_directory', value());
    else if (letter === '-i') given.set('listen_addresses', '*');
    else if (['-d', '-N', '-B', '-u', '-n'].includes(letter)) value();
    else return `invalid argument: "${word}"`;
  }
  if (mode !== undefined && !roles.has(mode)) return ' 0 [BACKEND] FATAL:  the options of -M is not recognized';
  data ??= environment['PGDATA'];
  if (data === undefined || data === '') {
    return 'gaussdb does not know where to find the server configuration file.\nYou must specify the --config-file or -D invocation option or set the PGDATA environment variable.';
  }
  return { pgdata: resolve(data), mode, role: mode === undefined ? undefined : roles.get(mode), given, words: [...words] };
}
