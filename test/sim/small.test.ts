/**
 * Goal: no order of events of a small cluster loses an acknowledged row or has two votes in a term, whatever the clocks
 * say. Method: the shipped rules, breadth first through every interleaving of two members with two faults and of three
 * members with one; `npm run sim -- --exhaustive` explores more. Where a rule is taken away, somebody has to notice. What
 * is not followed, and what makes no difference between two states, is tried on clusters that can be explored without.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutations } from './mutations.ts';
import { explore, type ExploreOptions } from './small/explore.ts';
import { boundedPlans, planFor } from './small/plans.ts';
import { hashOf } from './small/prints.ts';
import { exploreAll, exploreInThread } from './small/run.ts';
import { settled, type State } from './small/state.ts';
import { stepsFrom } from './small/steps.ts';

const budgetMs = 20_000;

test('every order of events of small clusters keeps what was acknowledged', async (t) => {
  const until = Date.now() + budgetMs / 2;
  const plans = boundedPlans().map((plan) => ({ ...plan, until }));
  const { states, complete } = await exploreAll(plans, 1, (plan, { violation }) => {
    assert.equal(violation, undefined, `${plan.title}: ${violation?.text}\n${violation?.story.join('\n')}`);
  });
  t.diagnostic(`${states} states, ${complete} of ${plans.length} small clusters whole`);
  assert.ok(states > 1000);
});

test('the death of a server is enough for another one to take the lease and be promoted', () => {
  assert.ok(explore(planFor(3, ['death'], { term: 2 })).over > 0);
});

test('once the last term has its primary, nothing that is judged depends on what follows', () => {
  const until = Date.now() + budgetMs / 4;
  const { over, violation } = explore(planFor(3, ['death'], { term: 2, apart: 'swap', beyond: true, until }));
  assert.equal(violation, undefined, violation?.story.join('\n'));
  assert.ok(over > 100);
});

function nextPrints(state: State, limits: ExploreOptions): string {
  const prints = new Set<number>();
  stepsFrom(state, limits, (_, make) => {
    const made = make();
    if (made !== undefined) prints.add(hashOf(made));
  });
  // An order that is refused as too low is as good as lost: that it arrives is no step.
  prints.delete(hashOf(state));
  return [...prints].sort().join();
}

/** As text, but for what is only a means: prints that were kept. */
const fullText = (state: State): string =>
  JSON.stringify(state, (key, value) => (key === 'print' || key === 'sight' || key === 'inner' ? undefined : value));

test('states with the same print go on in the same way', () => {
  const plan = planFor(3, ['silent', 'death'], { apart: 'swap' });
  const until = Date.now() + budgetMs / 4;
  const first = settled(3);
  const seen = new Map([[hashOf(first), first]]);
  const texts = new Set<string>();
  let compared = 0;
  for (const state of seen.values()) {
    if (Date.now() > until || seen.size > 20_000) break;
    stepsFrom(state, plan, (label, make) => {
      const made = make();
      if (made === undefined) return;
      const same = seen.get(hashOf(made));
      if (same === undefined) return void seen.set(hashOf(made), made);
      const text = fullText(made);
      if (texts.has(text) || text === fullText(same)) return;
      texts.add(text);
      compared += 1;
      assert.equal(nextPrints(made, plan), nextPrints(same, plan), label);
    });
  }
  assert.ok(compared > 10, `${compared} of ${seen.size}`);
});

for (const { name, rule, small, rows = 1 } of mutations.filter((one) => one.small !== undefined)) {
  test(`the small model notices when nobody keeps: ${rule}`, async () => {
    const { violation } = await exploreInThread(planFor(3, small ?? [], { rows, states: 100_000 }), name);
    assert.ok(violation !== undefined, `${name} is not noticed`);
  });
}
