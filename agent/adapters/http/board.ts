/**
 * The board: keeps the last cycle's snapshot for everything that answers from it, and tells listeners of a new one.
 * It keeps one snapshot and no history.
 */
import type { Snapshot } from '../../core/view.ts';
import type { Board } from '../../ports/others.ts';

/** The reading side of the board. */
export interface ReadableBoard extends Board {
  last(): Snapshot | undefined;
  /** Called after each `show`, in order of registration. */
  onShow(listener: (snapshot: Snapshot) => void): void;
}

/** Makes an empty board. */
export function createBoard(): ReadableBoard {
  let last: Snapshot | undefined;
  const listeners: ((snapshot: Snapshot) => void)[] = [];
  return {
    show(snapshot) {
      last = snapshot;
      for (const listener of listeners) listener(snapshot);
    },
    last: () => last,
    onShow: (listener) => void listeners.push(listener),
  };
}
