/**
 * Goal: in mode off nothing but the fence keeps an isolated primary from acknowledging beside its successor.
 * Method: the cut of a minute, with a client's session from before it.
 */
import { after, before, describe, test } from 'node:test';
import { type Scene, startScene } from './harness.ts';
import { isolate } from './isolation.ts';

describe('a cluster of three in mode off', { timeout: 600_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 3, configText: 'sync:\n  mode: off\n' });
  });
  after(async () => {
    await scene?.close();
  });

  test('fences a primary that is cut from everything, which wrote until then', async () => {
    await isolate(scene, true);
  });
});
