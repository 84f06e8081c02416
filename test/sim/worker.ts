/** A thread that runs one share of the seeds, with a mutation applied to the agent's code first where one is named. */
import { parentPort, workerData } from 'node:worker_threads';
import { applyMutation } from './mutate.ts';
import type { Share, Word } from './share.ts';

const { share } = workerData as { share: Share };
if (share.mutation !== undefined) applyMutation(share.mutation);
const { runShare } = await import('./share.ts');
// Outside of any promise: the engine drains the microtasks itself.
const say = (word: Word) => parentPort?.postMessage(word);
setImmediate(() => parentPort?.postMessage({ of: 'result', result: runShare(share, say) }));
