/**
 * Goal: the loop that ships holds every invariant of the oracle under random faults, and comes back when
 * they end. Method: the simulator over a fixed share of seeds; `npm run sim` runs any others and tells failing ones as
 * stories.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { problemsOf } from './mutate.ts';
import { mutations } from './mutations.ts';
import { runSeeds, tryMutation } from './run.ts';
import { planOf, runPlan } from './seed.ts';

const share = { first: 1, seeds: Number(process.env['SEEDS'] ?? 8000), jobs: 2, minutes: 3, failures: 5 };

test(`${share.seeds} clusters under random faults: no violation, everybody comes back`, async () => {
  const result = await runSeeds(share);
  assert.deepEqual(result.failures, [], 'npm run sim -- --seed N --replay --lines 0 tells the story');
  assert.ok(result.thin * 100 <= result.seeds, `${result.thin} seeds have fewer than three faults or fifty acknowledged commits`);
  assert.ok(result.seeds > 0);
  if (share.seeds < 300) return;
  for (const reason of ['leads', 'freezing', 'comparing', 'lease-heir', 'lease-expired', 'degrading', 'switchover']) {
    assert.ok((result.counters['reason']?.[reason] ?? 0) > 0, `no seed has come across ${reason}`);
  }
});

test('a seed replays to the last event', async () => {
  const run = () =>
    new Promise<{ story: string[]; events: number }>((resolve) => {
      setImmediate(() => {
        const story: string[] = [];
        const { events } = runPlan(planOf(7), { tell: (at, who, what) => story.push(`${at} ${who} ${what}`) });
        resolve({ story, events });
      });
    });
  const first = await run();
  const second = await run();
  assert.equal(second.events, first.events);
  assert.deepEqual(second.story, first.story);
  assert.ok(first.story.length > 20);
});

test('every mutation of the table still finds the code it takes away', () => {
  assert.deepEqual(mutations.flatMap(problemsOf), [], 'test/sim/mutations.ts follows the code');
});

test('the table of mutations in the architecture is the table of the code', () => {
  const text = readFileSync('docs/ARCHITECTURE.md', 'utf8');
  const listed = [...text.matchAll(/^\| `([a-z-]+)` \| (.+?)(?: \(the control: nobody may notice\))? \| (.+) \|$/gm)];
  const rows = listed.map(([, name, rule, protects]) => ({ name, rule, protects }));
  assert.deepEqual(
    rows,
    mutations.map(({ name, rule, protects }) => ({ name, rule, protects })),
  );
});

test('every invariant stands in the architecture with the file that checks it', () => {
  const rows = [...readFileSync('docs/ARCHITECTURE.md', 'utf8').matchAll(/^\| ([SL]\d+) \| .+ \| (`.+`) \|$/gm)];
  const wanted = [...Array.from({ length: 22 }, (_, at) => `S${at + 1}`), ...Array.from({ length: 12 }, (_, at) => `L${at + 1}`)];
  assert.deepEqual(
    rows.map(([, name]) => name),
    wanted,
  );
  for (const [, name = '', files = ''] of rows)
    for (const file of files.replaceAll('`', '').split(', '))
      assert.match(readFileSync(`test/sim/${file}`, 'utf8'), new RegExp(`\\b${name}\\b`), `${file} does not check ${name}`);
});

test('without its rules the agent is caught: a few mutations that seeds notice at once', async () => {
  for (const name of ['whole-duration', 'old-entry-stays', 'fresh-read', 'grants-on-disk']) {
    const { caughtBy } = await tryMutation(name, 60, 1);
    assert.ok(caughtBy !== undefined, `nobody has noticed that ${name} is gone`);
  }
});
