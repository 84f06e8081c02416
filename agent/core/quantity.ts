/**
 * Amounts as people write them: bytes as `16MiB`, durations as `1500ms`, `8s` or `2m`. Pure text in, number out;
 * whoever asks decides what a missing amount means.
 */

const byteUnits: Record<string, bigint> = {
  '': 1n,
  B: 1n,
  KIB: 1n << 10n,
  MIB: 1n << 20n,
  GIB: 1n << 30n,
  TIB: 1n << 40n,
  KB: 1000n,
  MB: 1_000_000n,
  GB: 1_000_000_000n,
  TB: 1_000_000_000_000n,
  KI: 1n << 10n,
  MI: 1n << 20n,
  GI: 1n << 30n,
  TI: 1n << 40n,
};

/** Reads `16MiB`, `1Gi`, `500MB` or a plain number of bytes; undefined when it is none of these. */
export function parseBytes(text: string): bigint | undefined {
  const match = /^(\d{1,15})\s*([A-Za-z]{0,3})$/.exec(text.trim());
  const unit = byteUnits[(match?.[2] ?? '').toUpperCase()];
  return match === null || unit === undefined ? undefined : BigInt(match[1] ?? '0') * unit;
}

/** Prints bytes in the largest binary unit that leaves at least 1, with one decimal below 10: `0 B`, `1.5 MiB`, `16 MiB`. */
export function formatBytes(bytes: bigint | number): string {
  let amount = Number(bytes);
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (Math.abs(amount) < 1024) return `${shortNumber(amount, unit === 'B')} ${unit}`;
    amount /= 1024;
  }
  return `${shortNumber(amount, false)} TiB`;
}

function shortNumber(amount: number, whole: boolean): string {
  if (whole || Math.abs(amount) >= 10 || Number.isInteger(amount)) return String(Math.round(amount));
  return amount.toFixed(1);
}

/** Whether a text is a date and a time with its zone, as ISO 8601 writes them. */
export function isMoment(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));
}

const secondUnits: Record<string, number> = { ms: 0.001, '': 1, s: 1, m: 60, h: 3600 };

/** Reads `1500ms`, `8s`, `2m`, `1h` or a plain number of seconds; undefined when it is none of these. */
export function parseSeconds(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|)$/.exec(text.trim());
  const unit = secondUnits[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}
