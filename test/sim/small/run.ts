/** Explores small worlds in threads of their own, one after the other. */
import { Worker } from 'node:worker_threads';
import type { Explored } from './explore.ts';
import type { SmallPlan } from './plans.ts';

/** With a mutation the shipped rules lack one of theirs. */
export function exploreInThread(plan: SmallPlan, mutation?: string): Promise<Explored> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { plan, mutation } });
    worker.once('message', (result: Explored) => resolve(result));
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a thread of the small model ended with ${code}`)));
  });
}

/** Each plan, so many at a time; `tell` hears of each. */
export async function exploreAll(
  plans: SmallPlan[],
  jobs: number,
  tell: (plan: SmallPlan, explored: Explored, seconds: number) => void,
): Promise<{ states: number; complete: number; violations: number }> {
  const sum = { states: 0, complete: 0, violations: 0 };
  const queue = [...plans];
  const take = async (): Promise<void> => {
    for (let plan = queue.shift(); plan !== undefined; plan = queue.shift()) await one(plan);
  };
  const one = async (plan: SmallPlan): Promise<void> => {
    if (plan.until !== undefined && Date.now() >= plan.until) return;
    const begun = performance.now();
    const explored = await exploreInThread(plan);
    sum.states += explored.states;
    if (explored.complete) sum.complete += 1;
    if (explored.violation !== undefined) sum.violations += 1;
    tell(plan, explored, (performance.now() - begun) / 1000);
  };
  await Promise.all(Array.from({ length: jobs }, take));
  return sum;
}
