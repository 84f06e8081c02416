/** What happened how often, by kind and name, so that a run can show what it has tried. */

export interface Counters {
  count(kind: string, name: string, times?: number): void;
  get(kind: string, name: string): number;
  /** As plain data, for another thread. */
  table(): Record<string, Record<string, number>>;
  add(table: Record<string, Record<string, number>>): void;
}

/** Nothing counted yet. */
export function createCounters(): Counters {
  const kinds = new Map<string, Map<string, number>>();
  const counters: Counters = {
    count(kind, name, times = 1) {
      let names = kinds.get(kind);
      if (names === undefined) {
        names = new Map();
        kinds.set(kind, names);
      }
      names.set(name, (names.get(name) ?? 0) + times);
    },
    get: (kind, name) => kinds.get(kind)?.get(name) ?? 0,
    table: () => Object.fromEntries([...kinds].map(([kind, names]) => [kind, Object.fromEntries(names)])),
    add(table) {
      for (const [kind, names] of Object.entries(table))
        for (const [name, times] of Object.entries(names)) counters.count(kind, name, times);
    },
  };
  return counters;
}
