/** What is worked out once for each fingerprint, and again only when there are too many. */
const keptMax = 1_000_000;

/** What follows from the same view is decided once. */
export function kept<T>(known: Map<number, T>, print: number, make: () => T): T {
  let one = known.get(print);
  if (one !== undefined) return one;
  if (known.size >= keptMax) known.clear();
  one = make();
  known.set(print, one);
  return one;
}
