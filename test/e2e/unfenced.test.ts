/**
 * Goal: the test of the isolated primary sees what it is there for: with the fence taken out, it fails.
 * Method: the members run copies of agent and entrypoint that differ by the fence alone: the agent's guard of its
 * permit, what it decides when the permit has ended, and PID 1's kill.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Scene, startScene } from './harness.ts';
import { isolate } from './isolation.ts';

function replaced(text: string, from: string | RegExp, to: string): string {
  const next = text.replaceAll(from, to);
  assert.ok(next !== text, `nothing to take out: ${String(from)}`);
  return next;
}

describe('a cluster of three in mode off, without the fence', { timeout: 300_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({
      members: 3,
      configText: 'sync:\n  mode: off\n',
      tamper: {
        agent(bundle) {
          const unguarded = replaced(bundle, /async function guard\(ctx, ?permit, ?replaced\w*\) ?\{/g, '$&return;');
          return replaced(unguarded, /do: ?"fence"/g, 'do: "nothing"');
        },
        entrypoint: (script) => replaced(script, /^( +)kill -KILL "\$\{process% \*\}".*$/gm, '$1:'),
      },
    });
  });
  after(async () => {
    await scene?.close();
  });

  test('the isolated primary acknowledges beside its successor, and the test of isolation fails', async () => {
    const fails = { name: 'AssertionError', message: /nothing is acknowledged after the fence/ };
    await assert.rejects(isolate(scene, true, 12_000), fails);
  });
});
