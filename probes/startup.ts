/** Startup: the first cycle is done. Whether the server recovers for an hour is not its business. */
import type { Snapshot } from '../agent/core/view.ts';
import { no, type Verdict, yes } from './verdict.ts';

/** Succeeds once the loop has finished a cycle. */
export function startup(snapshot: Snapshot | undefined): Verdict {
  return snapshot === undefined ? no('the first cycle is not done yet') : yes('the first cycle is done');
}
