/**
 * How Kubernetes' objects look on the wire: the client library's models with dates as the text they are in JSON (its
 * models say Date, and that holds for some of its calls only). Types, and the one formatter for MicroTime.
 */

/** A model as JSON carries it. */
export type Wire<T> = T extends Date
  ? string
  : T extends (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T]: Wire<T[Key]> }
      : T;

/** MicroTime: exactly six fractional digits, or the API server refuses the object. */
export function microTime(iso: string): string {
  return iso.replace(/(?:\.(\d+))?Z$/, (_, fraction = '') => `.${String(fraction).slice(0, 6).padEnd(6, '0')}Z`);
}
