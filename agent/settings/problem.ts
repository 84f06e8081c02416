/**
 * What is wrong with a setting, and how a whole list of such problems is printed. All problems are collected
 * before anything is refused, so that one restart is enough to mend them all (style 7, SettingsError).
 */

/** One thing that is wrong, with the field it is wrong in and what cures it. */
export interface Problem {
  /** Environment name, or path in `config.yaml` such as `lease.fenceSeconds`. */
  field: string;
  /** Lower case, no full stop. */
  problem: string;
  /** A sentence. */
  hint: string;
}

/** The exit code of a process whose settings are not valid. */
export const settingsExitCode = 78;

/** Prints problems as a table with a column per part. */
export function renderProblems(problems: Problem[]): string {
  const rows = [{ field: 'FIELD', problem: 'PROBLEM', hint: 'HINT' }, ...problems];
  const width = (key: 'field' | 'problem') => Math.max(...rows.map((row) => row[key].length));
  const widths = { field: width('field'), problem: width('problem') };
  return rows.map((row) => `${row.field.padEnd(widths.field)}   ${row.problem.padEnd(widths.problem)}   ${row.hint}`).join('\n');
}

/** The known name that was most likely meant, if one is near enough. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }));
  scored.sort((a, b) => a.distance - b.distance);
  const best = scored[0];
  return best !== undefined && best.distance <= Math.max(2, Math.floor(name.length / 3)) ? best.candidate : undefined;
}

/** Text that a message may quote: one line, bounded. */
export function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  const line = text.replace(/\p{Cc}+/gu, ' ');
  return `"${line.length > 40 ? `${line.slice(0, 37)}...` : line}"`;
}

function editDistance(a: string, b: string): number {
  const limit = 64;
  const left = a.slice(0, limit);
  const right = b.slice(0, limit);
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const swap = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? limit;
}
