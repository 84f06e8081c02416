/** A thread that explores one small world, with a mutation applied to the agent's code first where one is named. */
import { parentPort, workerData } from 'node:worker_threads';
import { applyMutation } from '../mutate.ts';
import type { SmallPlan } from './plans.ts';

const { plan, mutation } = workerData as { plan: SmallPlan; mutation: string | undefined };
if (mutation !== undefined) applyMutation(mutation);
const { explore } = await import('./explore.ts');
parentPort?.postMessage(explore(plan));
