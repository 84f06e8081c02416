// postgresql.conf of openGauss: reading its lines, choosing the effective value of each parameter as the server does (the last line that
// it takes; the old value when it takes none), and changing a line in place. Knows nothing of PostgreSQL's own configuration.
import { gucs, parseReplConnInfo, type ReplConnInfo, readBool, readNumber, validValue } from './gucs.ts';

/** One uncommented line of the file. */
export interface ConfLine {
  name: string;
  value: string;
  index: number;
}

/** Takes `name = value` out of a line, undefined for comments, blanks and garbage. */
export function readLine(line: string): { name: string; value: string } | undefined {
  const match = /^\s*([A-Za-z_][\w.]*)\s*(?:=\s*|\s+)(?:'((?:[^'\\]|''|\\.)*)'|([^\s#']+))\s*(?:#.*)?$/.exec(line);
  if (match === null) return undefined;
  const quoted = match[2]?.replaceAll("''", "'").replaceAll(/\\(.)/g, '$1');
  return { name: (match[1] ?? '').toLowerCase(), value: quoted ?? match[3] ?? '' };
}

/** Every setting line of the file, in order. */
export function readLines(text: string): ConfLine[] {
  return text.split('\n').flatMap((line, index) => {
    const setting = readLine(line);
    return setting === undefined ? [] : [{ ...setting, index }];
  });
}

/** Effective values of an instance. */
export interface Settings {
  get(name: string): string;
  bool(name: string): boolean;
  number(name: string): number;
  all(): ReadonlyMap<string, string>;
  peers(): ReplConnInfo[];
}

/** The values in effect after reading the file: `before` are those in effect now (nothing at a start), `given` come from the command line. */
export function resolveSettings(
  text: string,
  given: ReadonlyMap<string, string>,
  before: Settings | undefined,
  complain: (line: string) => void,
): Settings {
  const values = new Map<string, string>(Object.entries(gucs).map(([name, guc]) => [name, guc.standard]));
  const seen = new Set<string>();
  for (const { name, value } of readLines(text)) {
    const fixedNow = before !== undefined && gucs[name]?.postmaster === true;
    if (fixedNow && before.get(name) !== value && !seen.has(name))
      complain(`parameter "${name}" cannot be changed without restarting the server`);
    const old = before?.all().get(name);
    if (validValue(name, value)) values.set(name, value);
    else {
      complain(`invalid value for parameter "${name}": "${value}"`);
      if (!seen.has(name) && old !== undefined) values.set(name, old);
    }
    seen.add(name);
  }
  if (before !== undefined)
    for (const [name, guc] of Object.entries(gucs)) if (guc.postmaster) values.set(name, before.get(name));
  for (const [name, value] of given) values.set(name, value);
  return settingsOf(values);
}

function settingsOf(values: ReadonlyMap<string, string>): Settings {
  const get = (name: string) => values.get(name) ?? '';
  return {
    get,
    bool: (name) => readBool(get(name)) === true,
    number: (name) => readNumber(get(name), gucs[name]?.unit) ?? 0,
    all: () => values,
    peers: () =>
      Array.from({ length: 8 }, (_, i) => get(`replconninfo${i + 1}`)).flatMap((value) => {
        const info = value.trim() === '' ? undefined : parseReplConnInfo(value);
        return info === undefined ? [] : [info];
      }),
  };
}

/** The file with one parameter set the way gs_guc does: the last uncommented line, else the first commented one, else a new last line. */
export function setLine(text: string, name: string, value: string): string {
  const lines = text.split('\n');
  const own = readLines(text).filter((line) => line.name === name);
  const comment = (line: string) => /(?<=\s)#.*$/.exec(line)?.[0];
  const render = (tail: string | undefined) => `${name} = ${value}${tail === undefined ? '' : `\t\t${tail}`}`;
  const last = own.at(-1);
  if (last !== undefined) lines[last.index] = render(comment(lines[last.index] ?? ''));
  else {
    const commented = lines.findIndex((line) => new RegExp(`^\\s*#\\s*${name}\\s*=`, 'i').test(line));
    if (commented >= 0) lines[commented] = render(comment((lines[commented] ?? '').replace(/^\s*#/, '')));
    else if (lines.at(-1) === '') lines.splice(-1, 0, render(undefined));
    else lines.push(render(undefined));
  }
  return lines.join('\n');
}
