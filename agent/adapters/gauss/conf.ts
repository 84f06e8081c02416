/**
 * Rewrites postgresql.conf by parameter. Pure text. For every parameter that the agent sets there is exactly one
 * uncommented line, in one block at the end: where an earlier line of the same name is left, a value that the server
 * rejects silently falls back to it (opengauss-interface 4.2). `include` lines are commented out, because builds
 * refuse a file that has one.
 */

const begin = '# begin of what the agent manages; edits between these lines are lost';
const end = '# end of what the agent manages';

/** `name = value`, `name value` or `name='it''s'`, with an optional comment behind. */
const assignment = /^\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(?:=\s*|\s+)('(?:[^']|'')*'|[^\s#']+)/;
const include = /^\s*include(_if_exists|_dir)?[\s=]/i;

/** The parameters of the managed block, by lower-case name. */
export function managedParameters(text: string): Map<string, string> {
  const managed = new Map<string, string>();
  for (const line of blockOf(text).inside) {
    const match = assignment.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) managed.set(match[1].toLowerCase(), unquote(match[2]));
  }
  return managed;
}

/** The file with exactly those parameters managed; all that it says of other names stays as it is. */
export function renderConf(text: string, managed: ReadonlyMap<string, string>): string {
  const names = new Set([...managed.keys()].map((name) => name.toLowerCase()));
  const kept = blockOf(text)
    .outside.filter((line) => !names.has(assignment.exec(line)?.[1]?.toLowerCase() ?? ''))
    .map((line) => (include.test(line) ? `#${line}` : line));
  while (kept.at(-1)?.trim() === '') kept.pop();
  const lines = [...managed].map(([name, value]) => `${name.toLowerCase()} = ${quote(value)}`);
  return [...kept, begin, ...lines, end, ''].join('\n');
}

function blockOf(text: string): { inside: string[]; outside: string[] } {
  const inside: string[] = [];
  const outside: string[] = [];
  let within = false;
  for (const line of text.split('\n')) {
    if (line === begin) within = true;
    else if (line === end) within = false;
    else (within ? inside : outside).push(line);
  }
  return { inside, outside };
}

/** Numbers and switches bare, as gs_ctl's own reader of the file expects them; everything else quoted. */
function quote(value: string): string {
  if (/^-?\d+(\.\d+)?$/.test(value) || /^(on|off|true|false)$/i.test(value)) return value;
  return `'${value.replaceAll("'", "''").replaceAll(/[\r\n]/g, ' ')}'`;
}

function unquote(value: string): string {
  return value.startsWith("'") ? value.slice(1, -1).replaceAll("''", "'") : value;
}
