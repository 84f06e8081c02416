/** Spreads seeds over threads and gathers what they found. */
import { Worker } from 'node:worker_threads';
import { createCounters } from './counters.ts';
import { mutations } from './mutations.ts';
import type { Failure, Share, ShareResult, Word } from './share.ts';
import { planFor } from './small/plans.ts';
import { exploreInThread } from './small/run.ts';

export interface Wish {
  first: number;
  seeds: number;
  jobs: number;
  minutes: number | undefined;
  /** Give up after so many failures. */
  failures: number;
  /** Told every few seconds how many seeds are done, and of each failure when it is found. */
  onProgress?(seeds: number): void;
  onFailure?(failure: Failure): void;
}

/** Runs the seeds; several threads see different ones. */
export async function runSeeds(wish: Wish): Promise<ShareResult> {
  const until = wish.minutes === undefined ? Number.MAX_SAFE_INTEGER : Date.now() + wish.minutes * 60_000;
  const shares = Array.from({ length: wish.jobs }, (_, at): Share => {
    const count = Math.ceil((wish.seeds - at) / wish.jobs);
    return { first: wish.first + at, count, step: wish.jobs, until, failures: wish.failures };
  });
  const done = shares.map(() => 0);
  const results = await Promise.all(
    shares.map((share, at) =>
      runShareInThread(share, (word) => {
        if (word.of === 'failure') wish.onFailure?.(word.failure);
        else {
          done[at] = word.seeds;
          wish.onProgress?.(done.reduce((sum, seeds) => sum + seeds, 0));
        }
      }),
    ),
  );
  const counters = createCounters();
  for (const result of results) counters.add(result.counters);
  return {
    seeds: results.reduce((sum, result) => sum + result.seeds, 0),
    failures: results.flatMap((result) => result.failures).sort((a, b) => a.seed - b.seed),
    thin: results.reduce((sum, result) => sum + result.thin, 0),
    cpuMs: results.reduce((sum, result) => sum + result.cpuMs, 0),
    counters: counters.table(),
  };
}

export interface Verdict {
  name: string;
  /** Undefined: no seed noticed. */
  caughtBy: ShareResult['failures'][number] | undefined;
  seeds: number;
  seconds: number;
}

/** Takes one rule away and looks how soon somebody notices. */
export async function tryMutation(name: string, seeds: number, first: number): Promise<Verdict> {
  const begun = performance.now();
  const until = Number.MAX_SAFE_INTEGER;
  const { small, rows = 1 } = mutations.find((one) => one.name === name) ?? {};
  if (small !== undefined) {
    const { violation } = await exploreInThread(planFor(3, small, { rows, states: 200_000 }), name);
    const seconds = (performance.now() - begun) / 1000;
    if (violation !== undefined)
      return {
        name,
        caughtBy: { seed: 0, invariant: violation.invariant, text: `small model: ${violation.text}` },
        seeds: 0,
        seconds,
      };
  }
  const result = await runShareInThread({ first, count: seeds, step: 1, until, failures: 1, mutation: name });
  const seconds = (performance.now() - begun) / 1000;
  return { name, caughtBy: result.failures[0], seeds: result.seeds, seconds };
}

type Message = Word | { of: 'result'; result: ShareResult };

function runShareInThread(share: Share, hear: (word: Word) => void = () => undefined): Promise<ShareResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { share } });
    worker.on('message', (message: Message) => {
      if (message.of === 'result') resolve(message.result);
      else hear(message);
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a thread of the simulator ended with ${code}`)));
  });
}
