/**
 * Goal: no order of events of a small cluster loses an acknowledged row or has two votes in a term, whatever the clocks
 * say. Method: the shipped rules, breadth first through every interleaving of two members with two faults and of three
 * members with one; `npm run sim -- --exhaustive` explores more. Where a rule is taken away, somebody has to notice.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutations } from './mutations.ts';
import { boundedPlans, planFor } from './small/plans.ts';
import { exploreAll, exploreInThread } from './small/run.ts';

const budgetMs = 20_000;

test('every order of events of small clusters keeps what was acknowledged', async (t) => {
  const until = Date.now() + budgetMs;
  const plans = boundedPlans().map((plan) => ({ ...plan, until }));
  const { states, complete } = await exploreAll(plans, 1, (plan, { violation }) => {
    assert.equal(violation, undefined, `${plan.title}: ${violation?.text}\n${violation?.story.join('\n')}`);
  });
  t.diagnostic(`${states} states, ${complete} of ${plans.length} small clusters whole`);
  assert.ok(states > 10_000);
});

for (const { name, rule, small } of mutations.filter((one) => one.small !== undefined)) {
  test(`the small model notices when nobody keeps: ${rule}`, async () => {
    const { violation } = await exploreInThread(planFor(3, small ?? [], { states: 100_000 }), name);
    assert.ok(violation !== undefined, `${name} is not noticed`);
  });
}
