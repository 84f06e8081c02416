/**
 * Faults on demand: rules that match requests by client, verb and resource, and say what goes wrong. Rules are added
 * and removed while clients run; a rule may be bounded by a number of hits. The server asks; nothing here touches a
 * socket.
 */
import type { Dict } from './json.ts';

/** Which requests a rule is for; what is left out matches everything. */
export interface FaultMatch {
  /** The label of the listener, or the user's name. */
  client?: string;
  verb?: string | string[];
  resource?: string | string[];
  subresource?: string;
  name?: string;
  /** By path, for requests that are for no resource too. */
  path?: RegExp;
}

export type FaultEffect =
  /** Answers later, after the work was done late too. */
  | { do: 'delay'; ms: number }
  /** Accepts and never answers; nothing is done. */
  | { do: 'hang' }
  /** Does the work and never answers. */
  | { do: 'hold-answer' }
  /** Does the work and destroys the connection instead of answering. */
  | { do: 'lose-answer' }
  /** Destroys the connection before anything is done. */
  | { do: 'drop' }
  | { do: 'error'; code: number; reason?: string; message?: string; body?: Dict | string; headers?: Record<string, string> }
  /** 429 with Retry-After. */
  | { do: 'throttle'; retryAfterSeconds: number }
  /** A watch stays open and says nothing any more; also those that are open already. */
  | { do: 'mute-watch' };

export interface FaultRule {
  match: FaultMatch;
  effect: FaultEffect;
  /** After that many hits the rule is gone. */
  times?: number;
}

/** What a rule is compared with. */
export interface Sighting {
  clients: string[];
  verb: string;
  resource: string;
  subresource: string;
  name: string;
  path: string;
}

export interface FaultHandle {
  remove(): void;
  hits(): number;
}

export interface Faults {
  add(rule: FaultRule): FaultHandle;
  clear(): void;
  list(): FaultRule[];
  /** The effects for a request, each counted as a hit. */
  take(sighting: Sighting): FaultEffect[];
  /** True while an open watch must say nothing; not counted. */
  muted(sighting: Sighting): boolean;
}

function oneOf(wanted: string | string[] | undefined, value: string): boolean {
  if (wanted === undefined) return true;
  return Array.isArray(wanted) ? wanted.includes(value) : wanted === value;
}

function matches(match: FaultMatch, seen: Sighting): boolean {
  if (match.client !== undefined && !seen.clients.includes(match.client)) return false;
  if (match.path !== undefined && !match.path.test(seen.path)) return false;
  if (match.name !== undefined && match.name !== seen.name) return false;
  if (match.subresource !== undefined && match.subresource !== seen.subresource) return false;
  return oneOf(match.verb, seen.verb) && oneOf(match.resource, seen.resource);
}

/** An empty set of rules. */
export function createFaults(): Faults {
  const rules = new Map<number, { rule: FaultRule; hits: number }>();
  let last = 0;

  return {
    add(rule) {
      last += 1;
      const id = last;
      const entry = { rule, hits: 0 };
      rules.set(id, entry);
      return { remove: () => rules.delete(id), hits: () => entry.hits };
    },
    clear: () => rules.clear(),
    list: () => [...rules.values()].map((entry) => entry.rule),
    take(sighting) {
      const effects: FaultEffect[] = [];
      for (const [id, entry] of rules) {
        if (entry.rule.effect.do === 'mute-watch' || !matches(entry.rule.match, sighting)) continue;
        entry.hits += 1;
        if (entry.rule.times !== undefined && entry.hits >= entry.rule.times) rules.delete(id);
        effects.push(entry.rule.effect);
      }
      return effects;
    },
    muted: (sighting) =>
      [...rules.values()].some((entry) => entry.rule.effect.do === 'mute-watch' && matches(entry.rule.match, sighting)),
  };
}
