/** Goal: clusters of one and of two members come up, fail over and switch over too. Method: a lab each. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { agent, leaseOf, newPrimary, nothingLost, primaryOf, type Scene, startScene, until, writing } from './harness.ts';

/** Far enough below 100 that no WAL segment jumps over one of them on a small volume. */
const limits = 'disk:\n  warnPercent: 60\n  readOnlyPercent: 80\n  resumePercent: 70\n';

describe('a single member', { timeout: 300_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 1, configText: limits, volumeBytes: 512 * 2 ** 20 });
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

  test('takes no writes while its volume is full, tells so, and takes them again once it has grown', async (t) => {
    const { lab, told } = scene;
    if (told.some((line) => line.includes('no volumes of bounded size'))) return t.skip('needs mounts in a user namespace');
    const writer = await writing(lab);
    const filled = await lab.inject({ command: 'fill', member: 'og-demo-0', percent: 82 });
    assert.equal(filled.exit, 0, filled.line);
    await until('writes are refused', () => /read-only/.test(writer.lastError() ?? ''));
    const status = async () => JSON.parse((await agent(lab, 'og-demo-0', 'status', '-o', 'json')).stdout);
    await until('the status tells whose it is', async () => (await status()).readOnly.owner === 'agent');
    assert.ok((await status()).warnings.some((one: { code: string }) => one.code === 'disk-full'));
    const since = performance.now();
    const grown = await lab.inject({ command: 'grow', member: 'og-demo-0' });
    assert.equal(grown.exit, 0, grown.line);
    assert.ok(await writer.whenAcknowledged(100, 60_000, since), `no rows once there is room: ${writer.lastError()}`);
    assert.equal((await status()).readOnly.owner, null);
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
