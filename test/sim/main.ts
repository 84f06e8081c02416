/**
 * The simulator's command, `npm run sim -- --help`: seeds, scenes, mutations, and the exhaustive model. A failing seed is
 * made smaller and printed as a story, with the command that replays it; a long run tells how far it is.
 */
import { appendFileSync } from 'node:fs';
import { reasons } from '../../agent/core/reasons.ts';
import { faultKinds } from './faults.ts';
import { mutations } from './mutations.ts';
import { optionsOrExit } from './options.ts';
import { runSeeds, tryMutation, type Verdict } from './run.ts';
import { paths } from './judge.ts';
import { elsewhere, scenes } from './scenes/index.ts';
import { play } from './scenes/play.ts';
import { planOfScene } from './scenes/scene.ts';
import { type Plan, planOf, runPlan } from './seed.ts';
import type { ShareResult } from './share.ts';
import { wholePlans } from './small/plans.ts';
import { exploreAll } from './small/run.ts';
import { shrink } from './shrink.ts';

const values = optionsOrExit();

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

/** What no seed has come across is as telling as what they have. */
function printUnseen(result: ShareResult): void {
  const unseen = (kind: string, names: readonly string[]) => names.filter((name) => result.counters[kind]?.[name] === undefined);
  print(`faults that did not strike: ${unseen('fault', faultKinds).join(', ') || 'none'}`);
  const rare = (kind: string, names: readonly string[]) =>
    names.filter((name) => (result.counters[kind]?.[name] ?? 0) * 100_000 < 100 * result.seeds);
  const rows = [...new Set(scenes.map((scene) => scene.row))];
  print(
    `fewer than 100 in 100 000 seeds: ${[...rare('fault', faultKinds), ...rare('reason', Object.keys(reasons)), ...rare('scene', rows), ...rare('path', paths)].join(', ') || 'nothing'}`,
  );
  print(`reasons that were not given: ${unseen('reason', Object.keys(reasons)).join(', ') || 'none'}`);
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

/** Every small world, and how many states it has. */
async function exploreSmall(jobs: number): Promise<number> {
  const limits = {
    ...(values.states === undefined ? {} : { states: Number(values.states) }),
    ...(values.minutes === undefined ? {} : { until: Date.now() + Number(values.minutes) * 60_000 }),
  };
  const plans = wholePlans().map((plan) => ({ ...plan, ...limits }));
  const rest = new Set(plans.map(({ title }) => title));
  const sum = await exploreAll(plans, jobs, ({ title }, { states, steps, complete, violation }, seconds) => {
    const left = complete ? 'whole' : 'not whole';
    if (complete) rest.delete(title);
    print(
      `${String(states).padStart(9)} states ${String(steps).padStart(9)} steps ${seconds.toFixed(1).padStart(7)} s  ${left}  ${title}`,
    );
    if (violation === undefined) return;
    print(`VIOLATION ${violation.invariant}: ${violation.text}`);
    for (const line of violation.story) print(`  ${line}`);
  });
  print(`not whole: ${[...rest].join('; ') || 'none'}`);
  print(`${sum.states} states in ${plans.length} small clusters, ${sum.complete} of them whole: ${sum.violations} violations`);
  return sum.violations > 0 ? 1 : 0;
}

/** Plays the scenes of a row, or all; with --replay the first of them is told as a story. */
async function playScenes(row: string, seeds: number, first: number): Promise<number> {
  const chosen = scenes.filter((scene) => row === 'all' || scene.row === row);
  const [one] = chosen;
  if (values.replay && one !== undefined) {
    await tellStory(planOfScene(one, first), Number(values.lines));
    return 0;
  }
  let failures = 0;
  for (const scene of chosen) {
    const played = await outside(() => Array.from({ length: seeds }, (_, at) => play(scene, first + at)));
    const outages = played.map(({ outageMs }) => outageMs).sort((a, b) => a - b);
    const bad = played.filter(({ problems }) => problems.length > 0);
    failures += bad.length;
    const half = outages[outages.length >> 1];
    print(
      `${bad.length === 0 ? 'ok  ' : 'FAIL'} ${scene.row.padEnd(4)} ${scene.title}: writes away ${half} ms, at most ${outages.at(-1)} ms`,
    );
    for (const { seed, problems } of bad.slice(0, 3)) print(`       seed ${seed}: ${problems.join('; ')}`);
  }
  if (row === 'all') for (const [name, why] of Object.entries(elsewhere)) print(`--   ${name.padEnd(4)} ${why}`);
  print(`${chosen.length} scenes, ${seeds} times each: ${failures} not as they should be`);
  return failures > 0 || chosen.length === 0 ? 1 : 0;
}

/** The same, but not more often than that. */
function sayEvery(everyMs: number, say: (seeds: number) => void): (seeds: number) => void {
  let last = performance.now();
  return (seeds) => {
    if (performance.now() - last < everyMs) return;
    last = performance.now();
    say(seeds);
  };
}

async function main(): Promise<number> {
  const first = Number(values.seed);
  if (values.mutations) return await tryAll(Number(values.seeds), first, Number(values.jobs));
  if (values.exhaustive) return await exploreSmall(Number(values.jobs));
  if (values.scene !== undefined) return await playScenes(values.scene, Number(values.seeds), first);
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
    onProgress: sayEvery(30_000, (seeds) => {
      const spent = (performance.now() - begun) / 1000;
      print(`${seeds} seeds after ${spent.toFixed(0)} s, ${(seeds / spent).toFixed(1)} a second`);
    }),
    onFailure({ seed, invariant, text }) {
      print(`violation: seed ${seed} ${invariant}: ${text}`);
      if (values.save !== undefined) appendFileSync(values.save, `${seed} ${invariant} ${text}\n`);
    },
  });
  printCounters(result);
  printUnseen(result);
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
      `${result.failures.length} violations, ${result.thin} too thin, another one played in the place of each`,
  );
  return result.failures.length > 0 || result.seeds === 0 ? 1 : 0;
}

process.exit(await main());
