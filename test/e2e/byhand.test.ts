/** Goal: what people do by hand works on real processes, from the command line, without losing a row. Method: one lab of three. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  agent,
  ask,
  carriedOut,
  leaseOf,
  newPrimary,
  nothingLost,
  primaryOf,
  type Scene,
  startScene,
  until,
  writing,
} from './harness.ts';
import { rightsFit } from './rights.ts';

describe('by hand', { timeout: 600_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 3 });
  });
  after(async () => {
    await scene?.close();
  });

  const run = (member: string, ...words: string[]) => carriedOut(scene.lab, member, ...words);

  test('a paused cluster leaves a killed standby down, keeps writing, and starts it when it is resumed', async () => {
    const { lab } = scene;
    const primary = primaryOf(lab);
    const { term } = await leaseOf(lab);
    const writer = await writing(lab);
    const standby = lab.members.find((member) => member.name !== primary)?.name ?? '';
    assert.match(await run(standby, 'pause', '--for', '10m'), /^done: the cluster is paused until /);
    await lab.inject({ command: 'kill', member: standby, what: 'server' });
    assert.equal((await agent(lab, primary, 'status')).code, 2);
    assert.ok(await writer.whenAcknowledged(200, 60_000, performance.now()), writer.lastError());
    assert.equal(lab.members.find((member) => member.name === standby)?.server(), undefined, 'it stays down');
    const refused = await agent(lab, primary, 'fence', standby);
    assert.deepEqual([refused.code, /is paused/.test(refused.stderr)], [5, true]);
    await run(primary, 'resume');
    assert.equal((await leaseOf(lab)).term, term);
    await nothingLost(lab, [writer]);
  });

  test('a fenced primary hands over, stays down, and comes back when it is let go', async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const writer = await writing(lab);
    await run(old, 'fence', old);
    const next = await newPrimary(lab, old);
    assert.ok(await writer.whenAcknowledged(100, 60_000, performance.now()), writer.lastError());
    await assert.rejects(ask(lab, old, 'select 1'));
    await run(next, 'unfence', old);
    await nothingLost(lab, [writer]);
  });

  test('a standby is copied anew and every server is restarted, one after the other', async () => {
    const { lab } = scene;
    const primary = primaryOf(lab);
    const writer = await writing(lab);
    const standby = lab.members.find((member) => member.name !== primary)?.name ?? '';
    assert.match(
      await run(primary, 'reinit', standby),
      new RegExp(`^done: ${standby} was built anew from ${primary} and streams`),
    );
    await until('the copied member is well', async () => (await agent(lab, primary, 'status')).code === 0);
    const out = await run(standby, 'restart', '--all');
    assert.equal(out.match(/^done: /gm)?.length, 3, out);
    await nothingLost(lab, [writer]);
  });

  test('the wishes that reach one agent or the configuration are heard', async () => {
    const { lab } = scene;
    const primary = primaryOf(lab);
    assert.match(await run(primary, 'log-level', 'debug'), /debug/);
    await run(primary, 'reload');
    await run(primary, 'config', 'edit', 'failover=manual');
    await until('a member says so', async () =>
      (await agent(lab, primary, 'status')).stdout.includes('no standby takes over by itself'),
    );
    await lab.inject({ command: 'kill', member: primary, what: 'node' });
    const other = lab.members.find((member) => member.name !== primary)?.name ?? '';
    await until('there is no primary', async () => (await agent(lab, other, 'status')).code === 3);
    const asked = await agent(lab, other, 'failover', '--to', other);
    const named = /Use agent failover --to (\S+)\./.exec(asked.stderr)?.[1];
    const target = asked.code === 0 ? other : (named ?? '');
    if (asked.code !== 0) await run(other, 'failover', '--to', target);
    assert.equal(primaryOf(lab), target);
  });

  test('in all that, the members used every right of the Role and asked for no other', () => rightsFit(scene.lab));
});
