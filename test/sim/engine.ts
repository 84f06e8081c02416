/**
 * Virtual time: a queue of events, each at a moment of true time in milliseconds. Between two events nothing happens.
 * After an event that may have woken somebody's promise the microtasks are drained by V8 itself, in the same turn of
 * Node's loop: that is what makes two virtual minutes of a cluster cost milliseconds. The order of events is total
 * (time, then order of scheduling), so that a seed replays exactly.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--allow-natives-syntax');
/** Runs all promise reactions that are due; works only outside of a microtask. */
const drainMicrotasks = new Function('%PerformMicrotaskCheckpoint()') as () => void;

export interface Timer {
  at: number;
  order: number;
  run: (() => void) | undefined;
}

export interface Engine {
  /** True time in ms since the beginning. */
  now: number;
  /** Something has been resolved: the microtasks are drained after this event. */
  woken: boolean;
  stopped: boolean;
  events: number;
  at(moment: number, run: () => void): Timer;
  after(delay: number, run: () => void): Timer;
  cancel(timer: Timer): void;
  /** Runs all events up to that moment, or until somebody stops it. Must not be called from within a promise. */
  run(until: number): void;
}

/** An empty queue at time zero. */
export function createEngine(): Engine {
  const heap: Timer[] = [];
  let order = 0;

  function before(a: Timer, b: Timer): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  function push(timer: Timer): void {
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!before(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  function pop(): Timer | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    const size = heap.length;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Timer, heap[child] as Timer)) child += 1;
      const below = heap[child] as Timer;
      if (!before(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return top;
  }

  const engine: Engine = {
    now: 0,
    woken: false,
    stopped: false,
    events: 0,
    at(moment, run) {
      order += 1;
      const timer = { at: Math.max(moment, engine.now), order, run };
      push(timer);
      return timer;
    },
    after: (delay, run) => engine.at(engine.now + delay, run),
    cancel(timer) {
      timer.run = undefined;
    },
    run(until) {
      drainMicrotasks();
      engine.woken = false;
      while (!engine.stopped) {
        const next = heap[0];
        if (next === undefined || next.at > until) break;
        pop();
        if (next.run === undefined) continue;
        engine.now = next.at;
        engine.events += 1;
        next.run();
        if (engine.woken) {
          engine.woken = false;
          drainMicrotasks();
        }
      }
      if (!engine.stopped) engine.now = until;
    },
  };
  return engine;
}

type Listener = () => void;

/** What the loop uses of an AbortSignal. The real one makes an exception with a stack for each abort. */
class LightSignal {
  aborted = false;
  reason: unknown = undefined;
  listeners: Listener[] = [];
  addEventListener(_type: string, listener: Listener): void {
    this.listeners.push(listener);
  }
  removeEventListener(_type: string, listener: Listener): void {
    const at = this.listeners.indexOf(listener);
    if (at >= 0) this.listeners.splice(at, 1);
  }
}

class LightController {
  signal = new LightSignal();
  abort(): void {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    const listeners = this.signal.listeners;
    this.signal.listeners = [];
    for (const listener of listeners) listener();
  }
}

/** Puts the light controllers in the place of the platform's, for this thread. */
export function installLightAbort(): void {
  globalThis.AbortController = LightController as unknown as typeof AbortController;
}
