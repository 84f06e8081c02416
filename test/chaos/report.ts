/** The table of a run of scenes, for a terminal and for a document. Text only. */
import { elsewhere, type Scene, scenes, wantedRows } from './scenes.ts';
import { type Result, type Verdict, verdictOf } from './run.ts';

const seconds = (ms: number | undefined) => (ms === undefined ? '-' : `${(ms / 1000).toFixed(2)} s`);

/** All runs of one scene in one mode. */
interface Line {
  scene: Scene;
  mode: string;
  runs: number;
  /** The longest; undefined: there is none. */
  outageMs: number | undefined;
  /** Per second before the fault, on average. */
  rate: number;
  acknowledged: number;
  lost: number;
  /** The worst. */
  verdict: Verdict;
}

function linesOf(results: Result[]): Line[] {
  const groups = Map.groupBy(results, ({ scene, mode }) => `${scene.name} ${mode}`);
  return [...groups.values()].flatMap((own) => {
    const [first] = own;
    if (first === undefined) return [];
    const outages = own.flatMap(({ outageMs }) => (outageMs === undefined ? [] : [outageMs]));
    const verdicts = own.map(verdictOf);
    return {
      scene: first.scene,
      mode: first.mode,
      runs: own.length,
      outageMs: outages.length === 0 ? undefined : Math.max(...outages),
      rate: Math.round(own.reduce((sum, { rate }) => sum + rate, 0) / own.length),
      acknowledged: own.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
      lost: own.reduce((sum, { lost }) => sum + lost, 0),
      verdict: (['failed', 'over', 'pending'] as const).find((word) => verdicts.includes(word)) ?? 'ok',
    };
  });
}

/** One line per scene and mode; of several runs the longest outage and the worst verdict count. */
export function renderTable(results: Result[]): string {
  const head = ['ROWS', 'SCENE', 'MODE', 'RUNS', 'OUTAGE', 'BOUND', 'ROWS/S', 'ACKED', 'LOST', 'VERDICT'];
  const lines = linesOf(results).map((line) => [
    line.scene.rows.join(' ') || '-',
    line.scene.name,
    line.mode,
    String(line.runs),
    seconds(line.outageMs),
    seconds(line.scene.boundMs),
    String(line.rate),
    String(line.acknowledged),
    String(line.lost),
    line.verdict === 'pending' ? `pending: ${line.scene.pending}` : line.verdict,
  ]);
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

/** The same as a table for docs/TESTING.md. */
export function renderMarkdown(results: Result[]): string {
  const plain = (ms: number | undefined) => (ms === undefined ? '–' : (ms / 1000).toFixed(2).replace(/\.?0+$/, ''));
  const lines = linesOf(results).map(({ scene, mode, outageMs, acknowledged, lost, rate, verdict }) => {
    const outage = `${plain(outageMs)}${verdict === 'ok' ? '' : ` (${verdict})`}`;
    const cells = [
      scene.rows.join(', ') || '–',
      `\`${scene.name}\``,
      mode,
      outage,
      plain(scene.boundMs),
      acknowledged,
      lost,
      rate,
    ];
    return `| ${cells.join(' | ')} |\n`;
  });
  const head = '| row | scene | mode | outage, s | bound, s | rows acknowledged | rows lost | rows/s |\n';
  return `${head}| --- | --- | --- | --- | --- | --- | --- | --- |\n${lines.join('')}`;
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
