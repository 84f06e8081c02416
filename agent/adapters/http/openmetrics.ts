/**
 * The text exposition format rewritten as OpenMetrics 1.0, for scrapers that ask for it: families of counters are named
 * without `_total`, there are no empty lines, and the end is marked. Pure text.
 */

export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** Whether an Accept header asks for OpenMetrics 1.0; a wildcard does not. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  return (accept ?? '').split(',').some((part) => {
    const [type, ...parameters] = part.split(';').map((word) => word.trim().toLowerCase());
    if (type !== 'application/openmetrics-text') return false;
    const version = parameters.find((parameter) => parameter.startsWith('version='));
    return version === undefined || version === 'version=1.0.0';
  });
}

/** Rewrites what the registry renders. */
export function openMetrics(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const counters = new Set(lines.flatMap((line) => /^# TYPE (\w+)_total counter$/.exec(line)?.[1] ?? []));
  const named = lines.map((line) =>
    line.replace(/^# (HELP|TYPE) (\w+)_total /, (whole, what: string, name: string) =>
      counters.has(name) ? `# ${what} ${name} ` : whole,
    ),
  );
  return `${named.join('\n')}\n# EOF\n`;
}
