/** The states that were seen, each as its print and the number of the one it was reached from; nothing is ever taken out. */
const chunk = 1 << 20;
const firstSlots = 1 << 16;

export interface Seen {
  readonly size: number;
  /** The new state's number; undefined when it was seen before. */
  add(print: number, before: number): number | undefined;
  /** The prints of the way to that state, the first state's first. */
  wayTo(number: number): number[];
}

export function createSeen(): Seen {
  const prints: Float64Array[] = [];
  const befores: Uint32Array[] = [];
  let slots = new Uint32Array(firstSlots);
  let size = 0;
  const printAt = (number: number): number => (prints[Math.floor(number / chunk)] as Float64Array)[number % chunk] as number;
  const slotOf = (print: number): number => {
    const mask = slots.length - 1;
    let slot = (print ^ (print / 4294967296)) & mask;
    for (let held = slots[slot] as number; held !== 0 && printAt(held - 1) !== print; held = slots[slot] as number)
      slot = (slot + 1) & mask;
    return slot;
  };
  const grow = (): void => {
    slots = new Uint32Array(slots.length * 2);
    for (let number = 0; number < size; number += 1) slots[slotOf(printAt(number))] = number + 1;
  };
  return {
    get size() {
      return size;
    },
    add(print, before) {
      const slot = slotOf(print);
      if (slots[slot] !== 0) return undefined;
      if (size % chunk === 0) {
        prints.push(new Float64Array(chunk));
        befores.push(new Uint32Array(chunk));
      }
      const number = size;
      (prints[prints.length - 1] as Float64Array)[number % chunk] = print;
      (befores[befores.length - 1] as Uint32Array)[number % chunk] = before;
      slots[slot] = number + 1;
      size += 1;
      if (size > slots.length * 0.6) grow();
      return number;
    },
    wayTo(number) {
      const way: number[] = [];
      for (let at = number; at > 0; at = (befores[Math.floor(at / chunk)] as Uint32Array)[at % chunk] as number)
        way.unshift(printAt(at));
      way.unshift(printAt(0));
      return way;
    },
  };
}
