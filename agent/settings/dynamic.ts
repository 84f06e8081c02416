/**
 * The dynamic configuration: the text of `config.yaml` in, a whole DynamicConfig or all its problems out. A text with
 * any problem changes nothing: there is no half-taken edit. Unknown keys are problems too, because a
 * mistyped key would silently leave the default in force.
 */
import { isMap, type Document, LineCounter, parseDocument } from 'yaml';
import { type DynamicConfig, defaultConfig } from '../core/config.ts';
import { contradictions } from './contradictions.ts';
import { dynamicTable, type Field } from './fields.ts';
import { nearest, type Problem, quoted } from './problem.ts';

export type ReadConfig = { ok: true; config: DynamicConfig } | { ok: false; problems: Problem[] };

/** Longest text that is looked at; a ConfigMap holds at most 1 MiB. */
const textMax = 1 << 20;

/** Reads `config.yaml`. An absent or empty text is the default configuration. */
export function readConfig(text: string | undefined): ReadConfig {
  const tree = readTree(text ?? '');
  if (!tree.ok) return tree;
  const problems: Problem[] = [];
  const config = structuredClone(defaultConfig);
  walk(tree.value, '', config as unknown as Record<string, unknown>, problems);
  // Relations between values that could not be read would only repeat the first mistake; those of other groups are told.
  const spoilt = new Set(problems.map(groupOf));
  problems.push(...contradictions(config).filter((problem) => !spoilt.has(groupOf(problem))));
  return problems.length === 0 ? { ok: true, config } : { ok: false, problems };
}

/** The same in the loop's words: each problem is one message with its field. */
export function parseConfig(
  text: string | undefined,
): { ok: true; config: DynamicConfig } | { ok: false; problems: { field: string; message: string }[] } {
  const read = readConfig(text);
  if (read.ok) return read;
  return { ok: false, problems: read.problems.map(({ field, problem, hint }) => ({ field, message: `${problem}. ${hint}` })) };
}

function groupOf({ field }: Problem): string {
  return field.split('.')[0] ?? '';
}

type Tree = Record<string, unknown>;

function readTree(text: string): { ok: true; value: Tree } | { ok: false; problems: Problem[] } {
  const problem = (problem: string, hint: string) => ({
    ok: false as const,
    problems: [{ field: 'config.yaml', problem, hint }],
  });
  if (text.length > textMax) return problem('is longer than 1 MiB', 'Shorten it.');
  const lines = new LineCounter();
  const document = parseDocument(text, { uniqueKeys: true, lineCounter: lines, prettyErrors: false, version: '1.2' });
  if (document.errors.length > 0)
    return { ok: false, problems: document.errors.slice(0, 20).map((error) => syntaxProblem(error, lines)) };
  const value = plain(document);
  if (value === undefined) return problem('repeats an alias too often', 'Write the values out.');
  if (value === null || value === '') return { ok: true, value: {} };
  if (!isMap(document.contents)) return problem('is not a mapping', 'Write `key: value` lines.');
  return { ok: true, value: value as Tree };
}

/** The document as plain values; undefined where its aliases would multiply without end. */
function plain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 });
  } catch {
    return undefined;
  }
}

function syntaxProblem(error: { message: string; pos: [number, number] }, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(error.pos[0]);
  const message = error.message.split('\n')[0] ?? '';
  return { field: `config.yaml:${line}:${col}`, problem: lowerFirst(message), hint: 'Mend the YAML at that place.' };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
}

/** Goes down the tree along the table; `into` is the default configuration, which takes what the tree says. */
function walk(tree: Tree, path: string, into: Record<string, unknown>, problems: Problem[]): void {
  for (const [key, value] of Object.entries(tree)) {
    const at = path === '' ? key : `${path}.${key}`;
    const field = Object.hasOwn(dynamicTable, at) ? dynamicTable[at] : undefined;
    if (field !== undefined) {
      // `key:` with nothing behind it is the default, as in Kubernetes.
      if (value !== null) take(field, at, key, value, into, problems);
      continue;
    }
    const below = into[key];
    if (!isGroup(at)) problems.push(unknownKey(at));
    else if (value === null) continue;
    else if (isTree(value) && isTree(below)) walk(value, at, below, problems);
    else
      problems.push({
        field: at,
        problem: `is ${quoted(value)}, not a group of keys`,
        hint: `Known below it: ${keysBelow(at).join(', ')}.`,
      });
  }
}

function take(field: Field, at: string, key: string, value: unknown, into: Record<string, unknown>, problems: Problem[]): void {
  const read = field.read(value, at);
  if (read.ok) into[key] = read.value;
  else problems.push(...read.problems);
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isGroup(path: string): boolean {
  return Object.keys(dynamicTable).some((known) => known.startsWith(`${path}.`));
}

function keysBelow(path: string): string[] {
  return Object.keys(dynamicTable)
    .filter((known) => known.startsWith(`${path}.`))
    .map((known) => known.slice(path.length + 1));
}

function unknownKey(path: string): Problem {
  const known = Object.keys(dynamicTable);
  const meant = nearest(path, known) ?? known.find((candidate) => candidate.endsWith(`.${path}`));
  return { field: path, problem: 'is not a key', hint: meant === undefined ? 'Remove it.' : `Did you mean ${meant}?` };
}
