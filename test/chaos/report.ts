/** The table of a run of scenes, and the same as data. Text only. */
import { elsewhere, scenes, wantedRows } from './scenes.ts';
import { type Result, verdictOf } from './run.ts';

const seconds = (ms: number | undefined) => (ms === undefined ? '-' : `${(ms / 1000).toFixed(2)} s`);

/** One line per scene; of several runs the longest outage and the worst verdict count. */
export function renderTable(results: Result[]): string {
  const head = ['ROWS', 'SCENE', 'RUNS', 'OUTAGE', 'BOUND', 'ROWS/S', 'ACKED', 'LOST', 'VERDICT'];
  const lines = [...new Set(results.map(({ scene }) => scene))].map((scene) => {
    const own = results.filter((result) => result.scene === scene);
    const longest = own.reduce<number | undefined>(
      (most, { outageMs }) => (outageMs === undefined ? most : Math.max(most ?? 0, outageMs)),
      undefined,
    );
    const verdict = (['failed', 'over', 'pending', 'ok'] as const).find((word) =>
      own.some((result) => verdictOf(result) === word),
    );
    return [
      scene.rows.join(' ') || '-',
      scene.name,
      String(own.length),
      seconds(longest),
      seconds(scene.boundMs),
      String(Math.round(own.reduce((sum, { rate }) => sum + rate, 0) / own.length)),
      String(own.reduce((sum, { acknowledged }) => sum + acknowledged, 0)),
      String(own.reduce((sum, { lost }) => sum + lost, 0)),
      verdict === 'pending' ? `pending: ${scene.pending}` : (verdict ?? '-'),
    ];
  });
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i]?.length ?? 0)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The rows that were asked for and not played, each with the reason. */
export function renderMissing(results: Result[]): string {
  const played = new Set(results.flatMap(({ scene }) => scene.rows));
  const lines = wantedRows
    .filter((row) => !played.has(row))
    .map(
      (row) => `${row}: ${elsewhere[row] ?? (scenes.some((scene) => scene.rows.includes(row)) ? 'not asked for' : 'no scene')}`,
    );
  return lines.join('\n');
}
