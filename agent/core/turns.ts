/**
 * The turns in which things are done again and again: the whole seconds of the wall clock, at which members also ask each
 * other. What is due at the same moment shares one wake-up and one look at the server. Nothing rests on it.
 */
import type { Mono } from './model.ts';

const turnMs = 1000;
/** A timer fires a moment early or late; that is no reason to do it a turn earlier. */
const roomMs = 20;

/** The turn before that moment, or the moment itself when it would come in less than half of the time. */
export function onTurn(moment: Mono, now: Mono, wallMs: number): Mono {
  const left = moment - now;
  const over = (wallMs + left) % turnMs;
  if (over > turnMs - roomMs) return moment + turnMs - over;
  return left - over >= left / 2 ? moment - over : moment;
}
