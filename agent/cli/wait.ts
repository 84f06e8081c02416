/**
 * Waits until the own agent's status shows what a command has asked for, with progress on a terminal. It always ends in
 * words: done, refused, or timed out with what is still missing.
 */
import type { ClusterStatus } from '../adapters/http/document.ts';
import { complain, exit, type Io, pause } from './io.ts';
import { askLocal } from './local.ts';

const pollMs = 250;

export type Shown = { done: string } | { waiting: string } | { refused: string; hint: string };

/** Looks at the status until `judge` says that it is over. */
export async function waitForStatus(io: Io, ms: number, wish: string, judge: (status: ClusterStatus) => Shown): Promise<number> {
  const until = performance.now() + ms;
  const progress = progressOn(io);
  let last = 'the agent has not answered';
  while (performance.now() < until) {
    const answer = await askLocal(io, '/status');
    if ('unreachable' in answer) last = `the agent does not answer at ${answer.unreachable}`;
    else if (answer.status !== 200) last = 'the agent cannot tell yet';
    else {
      const shown = judge(answer.body as ClusterStatus);
      if ('done' in shown) {
        io.out.write(`done: ${shown.done}\n`);
        return exit.done;
      }
      if ('refused' in shown) return complain(io, exit.refused, shown.refused, shown.hint);
      last = shown.waiting;
    }
    progress(last);
    await pause(pollMs, io.signal);
    if (io.signal.aborted) return complain(io, exit.failed, `no longer followed: ${last}`, 'It is written down and goes on.');
  }
  return complain(
    io,
    exit.failed,
    `timed out before it was seen that ${wish}: ${last}`,
    'It is written down; agent status -o wide tells when it is so.',
  );
}

/** Prints each new line of progress once, for a terminal only. */
export function progressOn(io: Io): (text: string) => void {
  let said = '';
  return (text) => {
    if (text !== said && io.err.isTTY === true) io.err.write(`${text}\n`);
    said = text;
  };
}
