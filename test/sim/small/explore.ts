/** Breadth first through every order of events, each state once; a violation comes with the shortest way to it. */
import { Broken } from './judge.ts';
import { ordersFrom } from './orders.ts';
import { isOver } from './over.ts';
import { hashOf } from './prints.ts';
import { createSeen } from './seen.ts';
import { settled, type State } from './state.ts';
import { type Limits, stepsFrom, type Take } from './steps.ts';

export interface Explored {
  states: number;
  steps: number;
  /** States of which only the orders under way were followed (`isOver`). */
  over: number;
  /** Nothing was left out within the limits. */
  complete: boolean;
  violation: { invariant: string; text: string; story: string[] } | undefined;
}

export interface ExploreOptions extends Limits {
  members: number;
  /** Follow everything, also what is over; the first step that leads out of such a state is told as a violation. */
  beyond?: boolean;
  /** Give up after so many states. */
  states?: number;
  /** Or at this moment (Date.now). */
  until?: number;
  onProgress?(states: number, waiting: number): void;
}

/** Two prints and two numbers for each take 24 bytes; more than this nobody has the hours for. */
const statesMax = 100_000_000;

interface Level {
  states: State[];
  numbers: number[];
}

/** Everything that can be reached within the limits. */
export function explore(options: ExploreOptions): Explored {
  const first = settled(options.members);
  const seen = createSeen();
  seen.add(hashOf(first), 0);
  const result: Explored = { states: 1, steps: 0, over: 0, complete: true, violation: undefined };
  const most = Math.min(options.states ?? statesMax, statesMax);
  let level: Level = { states: [first], numbers: [0] };
  while (level.states.length > 0 && result.violation === undefined) {
    const next: Level = { states: [], numbers: [] };
    for (const [at, state] of level.states.entries()) {
      follow(state, level.numbers[at] as number, next);
      if (result.violation !== undefined) break;
      if (at % 256 === 0) options.onProgress?.(seen.size, next.states.length);
      if (seen.size < most && (at % 64 > 0 || options.until === undefined || Date.now() < options.until)) continue;
      return { ...result, states: seen.size, complete: false };
    }
    level = next;
  }
  return { ...result, states: seen.size };

  function follow(state: State, number: number, next: Level): void {
    const over = isOver(state, options);
    if (over) result.over += 1;
    const take: Take = (label, make) => {
      if (result.violation !== undefined) return;
      try {
        const made = make();
        if (made === undefined || made === state) return;
        result.steps += 1;
        if (over && options.beyond === true && !isOver(made, options)) throw new Broken('over', 'it was not over');
        const added = seen.add(hashOf(made), number);
        if (added === undefined) return;
        next.states.push(made);
        next.numbers.push(added);
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        const story = [...told(seen.wayTo(number), options), label];
        result.violation = { invariant: error.invariant, text: error.message, story };
      }
    };
    if (over && options.beyond !== true) ordersFrom(state, take);
    else stepsFrom(state, options, take);
  }
}

/** Only prints are kept of the way: it is walked again. */
function told([, ...prints]: number[], options: ExploreOptions): string[] {
  let state = settled(options.members);
  return prints.map((print) => {
    let found: { label: string; state: State } | undefined;
    const take: Take = (label, make) => {
      if (found !== undefined) return;
      try {
        const made = make();
        if (made !== undefined && hashOf(made) === print) found = { label, state: made };
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
      }
    };
    stepsFrom(state, options, take);
    if (found === undefined) throw new Error('the way to a violation cannot be walked again');
    state = found.state;
    return found.label;
  });
}
