/**
 * Figures of a benchmark as people and programs read them: order statistics, a table and JSON. Computes and prints,
 * measures nothing.
 */

export interface Summary {
  runs: number;
  min: number;
  median: number;
  p99: number;
  max: number;
}

/** Order statistics; the p-th percentile is the smallest value that p per cent of the values do not exceed. */
export function summarise(values: number[]): Summary | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (ratio: number) => sorted[Math.max(0, Math.ceil(ratio * sorted.length) - 1)] ?? Number.NaN;
  if (sorted.length === 0) return undefined;
  const middle = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? at(0.5) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return { runs: sorted.length, min: at(0), median, p99: at(0.99), max: at(1) };
}

/** Columns aligned, the first one to the left and the others to the right. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)));
  return rows.map((row) => line(row).join('   ').trimEnd()).join('\n');
}

/** Milliseconds as seconds with three decimals. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}

/** The line of one summary in a table. */
export function summaryRow(name: string, summary: Summary | undefined): string[] {
  if (summary === undefined) return [name, '0', '-', '-', '-', '-'];
  return [name, String(summary.runs), ...[summary.min, summary.median, summary.p99, summary.max].map(seconds)];
}

export const summaryHead = ['WRITE GAP', 'RUNS', 'MIN', 'MEDIAN', 'P99', 'MAX'];
