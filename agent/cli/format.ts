/**
 * Output formats: tables in kubectl's manner, JSON, YAML. No colour and no borders: what a terminal shows is what a
 * script gets.
 */
export type Format = 'table' | 'wide' | 'json' | 'yaml' | 'name';

const formats: readonly string[] = ['table', 'wide', 'json', 'yaml', 'name'];

/** Reads the value of `-o`. */
export function readFormat(text: string | undefined, allowed: readonly Format[]): Format | { problem: string; hint: string } {
  const format = text ?? 'table';
  if (formats.includes(format) && allowed.includes(format as Format)) return format as Format;
  const names = allowed.filter((one) => one !== 'table').join(', ');
  return { problem: `no output format ${JSON.stringify(text)}`, hint: `There are ${names}.` };
}

/** A document as JSON or YAML, ending in a line end. The YAML library is loaded only for those who ask for it. */
export async function render(format: 'json' | 'yaml', document: unknown): Promise<string> {
  if (format === 'json') return `${JSON.stringify(document, null, 2)}\n`;
  const { stringify } = await import('yaml');
  return stringify(document, { lineWidth: 0 });
}

/** Rows in columns: two blanks behind the first, three behind the others, none at the end of a line. */
export function columns(rows: string[][]): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => cell.padEnd((widths[column] ?? 0) + (column === 0 ? 2 : 3)));
    return cells.join('').trimEnd();
  });
}

/** How long ago, in one unit, as kubectl prints an AGE; `-` where it is not known. */
export function age(since: string | null, now: number): string {
  const at = since === null ? Number.NaN : Date.parse(since);
  if (Number.isNaN(at)) return '-';
  const seconds = Math.max(0, Math.floor((now - at) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 3 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
