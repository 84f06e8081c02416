/** Goal: clusters of one and of two members come up, fail over and switch over too. Method: a lab each. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { agent, leaseOf, newPrimary, nothingLost, primaryOf, type Scene, startScene, writing } from './harness.ts';

describe('a single member', { timeout: 300_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 1 });
  });
  after(async () => {
    await scene?.close();
  });

  test('restarts its killed server in place with a higher term', async () => {
    const { lab } = scene;
    const { term } = await leaseOf(lab);
    const writer = await writing(lab);
    await lab.inject({ command: 'kill', member: 'og-demo-0', what: 'server' });
    assert.ok(await writer.whenAcknowledged(100, 60_000, performance.now()), `no rows after the restart: ${writer.lastError()}`);
    assert.ok((await leaseOf(lab)).term > term);
    await nothingLost(lab, [writer]);
  });
});

describe('a cluster of two', { timeout: 400_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 2 });
  });
  after(async () => {
    await scene?.close();
  });

  test('fails over to its standby, degraded until the old primary is back', async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const writer = await writing(lab);
    await lab.inject({ command: 'kill', member: old, what: 'server' });
    await newPrimary(lab, old);
    assert.ok(await writer.whenAcknowledged(100, 60_000, performance.now()), `no rows after the failover: ${writer.lastError()}`);
    await nothingLost(lab, [writer]);
  });

  test('switches over on the command line', async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const writer = await writing(lab);
    const asked = await agent(lab, old, 'switchover');
    assert.equal(asked.code, 0, `${asked.stdout}${asked.stderr}`);
    assert.notEqual(primaryOf(lab), old);
    assert.ok(
      await writer.whenAcknowledged(100, 60_000, performance.now()),
      `no rows after the switchover: ${writer.lastError()}`,
    );
    await nothingLost(lab, [writer]);
  });
});
