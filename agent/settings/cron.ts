/** Cron expressions: only whether a text is one. Five fields, numbers within bounds, lists, ranges and steps; no names. */

const bounds: [number, number][] = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
];

/** Whether a text is a cron expression of five fields. */
export function isCron(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  return fields.length === bounds.length && fields.every((field, index) => isField(field, bounds[index] ?? [0, 0]));
}

function isField(field: string, [min, max]: [number, number]): boolean {
  return field.split(',').every((part) => {
    const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
    if (match === null) return false;
    const from = Number(match[1] ?? min);
    const to = Number(match[2] ?? match[1] ?? max);
    return from >= min && to <= max && from <= to && match[3] !== '0';
  });
}
