// How gs_ctl waits: openGauss looks once a second and prints a dot each time. At the fast pace the look comes as soon as
// gaussdb.state shows a change, so that a wait ends with the event; dots still mean seconds.
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayMs, pace } from '../shared/pace.ts';
import { at } from './datadir.ts';
import { raw } from './messages.ts';

const STEP_MS = 20;

function stamp(data: string): string {
  try {
    const stat = statSync(at(data, 'gaussdb.state'), { bigint: true });
    return `${stat.mtimeNs}/${stat.ino}`;
  } catch {
    return '';
  }
}

/**
 * Waits until `done` answers something or the seconds are over. `dot` is printed once before each second that is waited;
 * `everySecond` runs with it, from the second second on.
 */
export async function waitFor<T>(
  data: string,
  seconds: number,
  done: () => Promise<T | undefined>,
  { dot = (): void => raw('.'), everySecond = (): void => {} } = {},
): Promise<T | undefined> {
  for (let second = 0; second < seconds; second++) {
    if (second > 0) everySecond();
    dot();
    const end = Date.now() + 1000;
    const answer = await withinSecond(data, end, done);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

async function withinSecond<T>(data: string, end: number, done: () => Promise<T | undefined>): Promise<T | undefined> {
  if (pace() === 'real') {
    await sleep(1000);
    return done();
  }
  const pollMs = delayMs('toolPollMs');
  let seen = '';
  let looked = Date.now();
  while (Date.now() < end) {
    await sleep(STEP_MS);
    const now = stamp(data);
    if (now === seen && Date.now() - looked < pollMs) continue;
    seen = now;
    looked = Date.now();
    const answer = await done();
    if (answer !== undefined) return answer;
  }
  return undefined;
}
