/**
 * WAL positions. openGauss prints them as text `X/Y`: upper-case hexadecimal, no padding, both halves
 * 32 bit (opengauss-interface 3.2). They are compared as numbers, never as strings: "0/9" > "0/10" as text.
 */

/** A WAL position in bytes. */
export type Lsn = bigint;

const form = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** Reads `X/Y`; anything else is undefined. `0/0` means "no position" in openGauss and is undefined too. */
export function parseLsn(text: string | null | undefined): Lsn | undefined {
  const match = form.exec(text ?? '');
  if (match === null) return undefined;
  const lsn = (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
  return lsn === 0n ? undefined : lsn;
}

/** Prints a position the way openGauss does. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

/** Prints a position that may be missing; `null` stands for unknown in JSON. */
export function lsnOrNull(lsn: Lsn | undefined): string | null {
  return lsn === undefined ? null : formatLsn(lsn);
}
