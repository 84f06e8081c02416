/** Breadth first through every order of events, each state once; a violation comes with the shortest way to it. */
import { Broken } from './model.ts';
import { hashOf, settled, type State } from './state.ts';
import { type Limits, stepsFrom } from './steps.ts';

interface Node {
  state: State | undefined;
  label: string;
  before: Node | undefined;
}

export interface Explored {
  states: number;
  steps: number;
  /** Nothing was left out within the limits. */
  complete: boolean;
  violation: { invariant: string; text: string; story: string[] } | undefined;
  counts: Record<string, number>;
}

export interface ExploreOptions extends Limits {
  members: number;
  /** Give up after so many states. */
  states?: number;
  /** Or at this moment (Date.now). */
  until?: number;
  onProgress?(states: number, waiting: number): void;
}

function storyOf(last: Node): string[] {
  const story: string[] = [];
  for (let at: Node | undefined = last; at?.before !== undefined; at = at.before) story.unshift(at.label);
  return story;
}

/** A set holds no more than 16.7 million. */
const statesMax = 16_000_000;

/** Everything that can be reached within the limits. */
export function explore(options: ExploreOptions): Explored {
  const first = settled(options.members);
  const seen = new Set<number>([hashOf(first)]);
  const counts: Record<string, number> = {};
  let level: Node[] = [{ state: first, label: '', before: undefined }];
  const result: Explored = { states: 1, steps: 0, complete: true, violation: undefined, counts };
  while (level.length > 0 && result.violation === undefined) {
    const next: Node[] = [];
    for (const node of level) {
      const { state } = node;
      if (state === undefined || result.violation !== undefined) break;
      // The way to a state is kept, the state itself is not.
      node.state = undefined;
      stepsFrom(state, options, (label, make) => {
        if (result.violation !== undefined) return;
        try {
          const made = make();
          if (made === undefined || made === state) return;
          result.steps += 1;
          const hash = hashOf(made);
          if (seen.has(hash)) return;
          seen.add(hash);
          next.push({ state: made, label, before: node });
        } catch (error) {
          if (!(error instanceof Broken)) throw error;
          const story = storyOf({ state: undefined, label, before: node });
          result.violation = { invariant: error.invariant, text: error.message, story };
        }
      });
      result.states = seen.size;
      if (seen.size % 20_000 < 3) options.onProgress?.(seen.size, next.length);
      if (seen.size >= (options.states ?? statesMax) || (options.until !== undefined && Date.now() >= options.until)) {
        result.complete = false;
        return result;
      }
    }
    level = next;
  }
  return result;
}
