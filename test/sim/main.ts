/**
 * The simulator's command: `npm run sim -- --seeds 1000 [--seed FIRST] [--jobs 2] [--minutes M] [--replay]`.
 * A failing seed is made smaller and printed as a story, with the command that replays it. Exit code 1 on a violation.
 */
import { parseArgs } from 'node:util';
import { mutations } from './mutations.ts';
import { runSeeds, tryMutation, type Verdict } from './run.ts';
import { type Plan, planOf, runPlan } from './seed.ts';
import type { ShareResult } from './share.ts';
import { shrink } from './shrink.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    minutes: { type: 'string' },
    failures: { type: 'string', default: '5' },
    replay: { type: 'boolean', default: false },
    mutations: { type: 'boolean', default: false },
    only: { type: 'string' },
    lines: { type: 'string', default: '80' },
  },
});

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** The engine wants to be called outside of any promise. */
function outside<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => setImmediate(() => resolve(work())));
}

async function tellStory(plan: Plan, lines: number): Promise<void> {
  const story: string[] = [];
  const outcome = await outside(() =>
    runPlan(plan, { tell: (at, who, what) => story.push(`${(at / 1000).toFixed(3).padStart(8)}  ${who.padEnd(10)}  ${what}`) }),
  );
  const { members, config } = plan.world;
  print(`seed ${plan.seed}: ${members} members, mode ${config.sync.mode}, ${plan.faults.length} faults`);
  for (const line of lines > 0 ? story.slice(-lines) : story) print(line);
  if (outcome.violation !== undefined) print(`VIOLATION ${outcome.violation.invariant}: ${outcome.violation.text}`);
  else print(`no violation: ${outcome.acks} acknowledged commits, ${outcome.promotions} promotions`);
}

function printCounters(result: ShareResult): void {
  for (const [kind, names] of Object.entries(result.counters).sort(([a], [b]) => (a < b ? -1 : 1))) {
    print(`${kind.toUpperCase()}`);
    for (const [name, times] of Object.entries(names).sort(([, a], [, b]) => b - a))
      print(`  ${String(times).padStart(10)}  ${name}`);
  }
}

/** Takes away each rule in turn; all have to be noticed, and the control not. */
async function tryAll(seeds: number, first: number, jobs: number): Promise<number> {
  const queue = mutations.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name));
  const verdicts: Verdict[] = [];
  const take = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const verdict = await tryMutation(next.name, seeds, first);
      verdicts.push(verdict);
      const { caughtBy } = verdict;
      const how =
        caughtBy === undefined
          ? 'ALIVE'
          : `caught by seed ${caughtBy.seed}: ${caughtBy.invariant} ${caughtBy.text.slice(0, 110)}`;
      print(
        `${next.name.padEnd(22)} ${String(verdict.seeds).padStart(6)} seeds ${verdict.seconds.toFixed(1).padStart(6)} s  ${how}`,
      );
    }
  };
  await Promise.all(Array.from({ length: jobs }, take));
  const wrong = verdicts.filter(({ name, caughtBy }) => {
    const control = mutations.find((one) => one.name === name)?.control === true;
    return control === (caughtBy !== undefined);
  });
  print(
    `${verdicts.length - wrong.length} of ${verdicts.length} as they should be${wrong.length > 0 ? `; not: ${wrong.map(({ name }) => name).join(', ')}` : ''}`,
  );
  return wrong.length > 0 || verdicts.length === 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const first = Number(values.seed);
  if (values.mutations) return await tryAll(Number(values.seeds), first, Number(values.jobs));
  if (values.replay) {
    await tellStory(planOf(first), Number(values.lines));
    return 0;
  }
  const begun = performance.now();
  const result = await runSeeds({
    first,
    seeds: Number(values.seeds),
    jobs: Number(values.jobs),
    minutes: values.minutes === undefined ? undefined : Number(values.minutes),
    failures: Number(values.failures),
  });
  printCounters(result);
  const seconds = (performance.now() - begun) / 1000;
  for (const { seed, invariant } of result.failures.slice(0, 3)) {
    const small = await outside(() => shrink(planOf(seed), invariant));
    print('');
    await tellStory(small, Number(values.lines));
    for (const fault of small.faults) print(`  needs: ${(fault.at / 1000).toFixed(3)} s ${fault.kind}`);
    print(`replay: npm run sim -- --seed ${seed} --replay --lines 0`);
  }
  print('');
  for (const failure of result.failures) print(`failed: seed ${failure.seed} ${failure.invariant}: ${failure.text}`);
  print(
    `${result.seeds} seeds in ${seconds.toFixed(1)} s (${(result.cpuMs / Math.max(1, result.seeds)).toFixed(1)} ms of CPU each), ` +
      `${result.failures.length} violations, ${result.thin} too thin to count`,
  );
  return result.failures.length > 0 || result.seeds === 0 ? 1 : 0;
}

process.exit(await main());
