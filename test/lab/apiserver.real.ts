/**
 * Goal: the lab on a real API server is the lab: its members come up, hand over and take over without losing a row, and the real
 * server's own record of what they asked for fits the Role. Part of `npm run test:conformance`; it needs root for the network.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { carriedOut, leaseOf, newPrimary, nothingLost, primaryOf, type Scene, startScene, writing } from '../e2e/harness.ts';
import { rightsFit } from '../e2e/rights.ts';

const skip = process.getuid?.() === 0 ? {} : { skip: 'needs root' };

describe('the lab on a real API server', { timeout: 420_000, ...skip }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 3, kube: 'apiserver', net: 'netns' });
  });
  after(async () => {
    await scene?.close();
  });

  test('a switchover, a pause and the loss of the primary cost no row', async () => {
    const { lab } = scene;
    const first = primaryOf(lab);
    const load = await writing(lab);
    const target = lab.members.find(({ name }) => name !== first)?.name ?? '';
    await carriedOut(lab, first, 'switchover', '--to', target);
    assert.equal(await newPrimary(lab, first), target);
    await carriedOut(lab, target, 'pause');
    await carriedOut(lab, target, 'resume');
    const { term } = await leaseOf(lab);
    await lab.inject({ command: 'kill', member: target, what: 'node' });
    await newPrimary(lab, target);
    await lab.inject({ command: 'heal', member: target });
    await nothingLost(lab, [load]);
    assert.ok((await leaseOf(lab)).term > term);
  });

  test('in all that, the members used every right of the Role and asked for no other', () => rightsFit(scene.lab));
});
