/**
 * Draws what docs show: time series as a line chart, and a terminal's text, as SVG that reads on light and dark pages.
 * Figures come from the caller; nothing is smoothed or invented, and a gap in the data is a gap in the line.
 */

export interface Line {
  name: string;
  /** Seconds from the start, and the value. */
  points: [number, number][];
}

export interface Chart {
  title: string;
  unit: string;
  lines: Line[];
  /** A vertical line at that second, with its word. */
  mark?: { at: number; text: string };
}

const width = 720;
const height = 220;
const left = 56;
const right = 16;
const top = 34;
const bottom = 46;
const colours = ['#2f6fde', '#c8541b', '#2a8a4a', '#8a3fb0', '#777777'];
const font = 'font-family="ui-sans-serif, system-ui, sans-serif" font-size="12"';

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="#777777" ${more}>${escapeText(words)}</text>`;
}

/** At most five even steps from zero to at least the largest value. */
function stepsTo(max: number): number[] {
  const raw = Math.max(max, 1e-9) / 4;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= raw) ?? raw;
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, at) => at * step);
}

function label(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toFixed(1)}k`;
  return String(+value.toPrecision(3));
}

/** A chart with a line for each series; samples more than three seconds apart are not joined. */
export function drawChart({ title, unit, lines, mark }: Chart): string {
  const all = lines.flatMap((line) => line.points);
  const end = Math.max(1, ...all.map(([at]) => at));
  const ticks = stepsTo(Math.max(1e-9, ...all.map(([, value]) => value)));
  const most = ticks.at(-1) ?? 1;
  const x = (at: number) => left + (at / end) * (width - left - right);
  const y = (value: number) => height - bottom - (value / most) * (height - top - bottom);
  const parts = [text(left, 18, `${title}, ${unit}`, 'font-weight="600"')];
  for (const tick of ticks) {
    parts.push(
      `<line x1="${left}" x2="${width - right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}" stroke="#999999" stroke-opacity="0.3"/>`,
    );
    parts.push(text(left - 8, y(tick) + 4, label(tick), 'text-anchor="end"'));
  }
  for (const at of stepsTo(end).filter((tick) => tick <= end))
    parts.push(text(x(at), height - bottom + 16, `${label(at)} s`, 'text-anchor="middle"'));
  if (mark !== undefined) {
    parts.push(
      `<line x1="${x(mark.at).toFixed(1)}" x2="${x(mark.at).toFixed(1)}" y1="${top}" y2="${height - bottom}" stroke="#cc0000" stroke-dasharray="4 3"/>`,
    );
    parts.push(text(x(mark.at) + 5, top + 10, mark.text));
  }
  let legendX = left;
  for (const [at, line] of lines.entries()) {
    const colour = colours[at % colours.length] ?? '#777777';
    parts.push(`<path d="${pathOf(line.points, x, y)}" fill="none" stroke="${colour}" stroke-width="1.6"/>`);
    parts.push(`<rect x="${legendX}" y="${height - 16}" width="10" height="10" fill="${colour}"/>`);
    parts.push(text(legendX + 15, height - 7, line.name));
    legendX += 30 + line.name.length * 7;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}" ${font}>\n${parts.join('\n')}\n</svg>\n`;
}

function pathOf(points: [number, number][], x: (at: number) => number, y: (value: number) => number): string {
  let last: number | undefined;
  return points
    .map(([at, value]) => {
      const joined = last !== undefined && at - last <= 3;
      last = at;
      return `${joined ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    })
    .join('');
}

/** What a terminal showed, letter for letter. */
export function drawTerminal(shown: string): string {
  const lines = shown.trimEnd().split('\n');
  const columns = Math.max(...lines.map((line) => line.length));
  const [w, h] = [columns * 7.3 + 24, lines.length * 17 + 24];
  const rows = lines.map(
    (line, at) => `<text x="12" y="${26 + at * 17}" xml:space="preserve" fill="#e6e6e6">${escapeText(line)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w.toFixed(0)} ${h}" role="img" aria-label="agent status" font-family="ui-monospace, monospace" font-size="12">\n<rect width="100%" height="100%" rx="6" fill="#1e1e1e"/>\n${rows.join('\n')}\n</svg>\n`;
}
