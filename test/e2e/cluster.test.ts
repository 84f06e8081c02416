/**
 * Goal: the whole thing as users run it: real agents started by the real entrypoint, real PostgreSQL behind the
 * stand-in, three members in mode quorum, through each fault of the first release, losing no acknowledged row.
 * Method: one lab, one fault after the other, each test leaving a healthy cluster behind.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  agent,
  ask,
  command,
  leaseOf,
  newPrimary,
  nothingLost,
  primaryOf,
  type Scene,
  startScene,
  streamingMs,
  until,
  writing,
} from './harness.ts';
import { isolate } from './isolation.ts';

describe('a cluster of three in mode quorum', { timeout: 900_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 3 });
  });
  after(async () => {
    await scene?.close();
  });

  test('has one labelled primary, two readable standbys and a recorded system id', async () => {
    const { lab } = scene;
    const labels = [...lab.pods.values()].map((pod) => pod.metadata.labels ?? {});
    assert.equal(labels.filter((label) => label['opengauss.role'] === 'primary').length, 1);
    await until(
      'two readable standbys',
      () => [...lab.pods.values()].filter((pod) => pod.metadata.labels?.['opengauss.readable'] === 'true').length >= 2,
    );
    const state = await lab.api.call('GET', '/api/v1/namespaces/default/configmaps/og-demo-state');
    assert.match((state.body as { data?: Record<string, string> }).data?.['systemId'] ?? '', /^\d+$/);
  });

  test('waits with each commit for a standby', async () => {
    await until('synchronous names', async () =>
      /ANY 1/.test((await ask(scene.lab, primaryOf(scene.lab), 'SHOW synchronous_standby_names')) ?? ''),
    );
  });

  test('shows itself to kubectl', async (t) => {
    const { kubeconfig } = scene.lab.record();
    const kubectl = async (...args: string[]) => (await command('kubectl', ['--kubeconfig', kubeconfig, ...args], 20_000)).stdout;
    if ((await command('kubectl', ['version', '--client'])).code !== 0) {
      t.skip('kubectl is not installed here');
      return;
    }
    assert.match(await kubectl('get', 'pods', '-L', 'opengauss.role'), /og-demo-0 .*(primary|standby)/);
    assert.match(await kubectl('get', 'lease', 'og-demo-leader', '-o', 'yaml'), /leaseTransitions: \d+/);
    assert.match(await kubectl('get', 'endpointslices', '-l', 'kubernetes.io/service-name=og-demo-svc'), /og-demo-svc/);
    assert.match(await kubectl('get', 'events'), /Promoted/);
  });

  test("moves to a standby when the primary's server is killed, and takes the old one back as a standby", async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const { term } = await leaseOf(lab);
    const writer = await writing(lab);
    await lab.inject({ command: 'kill', member: old, what: 'server' });
    const successor = await newPrimary(lab, old);
    assert.ok(await writer.whenAcknowledged(100, 30_000, performance.now()), `no rows after the failover: ${writer.lastError()}`);
    assert.ok((await leaseOf(lab)).term > term, 'the term went up');
    await nothingLost(lab, [writer]);
    assert.equal(primaryOf(lab), successor);
  });

  test("keeps primary, term and server process when the primary's agent is killed", async () => {
    const { lab } = scene;
    const name = primaryOf(lab);
    const { term } = await leaseOf(lab);
    const pid = () => lab.record().members.find((member) => member.pod === name)?.serverPid;
    const before = pid();
    const writer = await writing(lab);
    await lab.inject({ command: 'kill', member: name, what: 'agent' });
    assert.ok(await writer.whenAcknowledged(500, 60_000, performance.now()), `writing went on: ${writer.lastError()}`);
    await until('the lease is renewed by the new agent', async () => (await leaseOf(lab)).holder === name);
    assert.equal((await leaseOf(lab)).term, term);
    assert.equal(pid(), before);
    await nothingLost(lab, [writer]);
    assert.equal(primaryOf(lab), name);
  });

  test('goes on writing while the API server is away for longer than a lease lasts', async () => {
    const { lab } = scene;
    const name = primaryOf(lab);
    const { term } = await leaseOf(lab);
    const pid = () => lab.record().members.find((member) => member.pod === name)?.serverPid;
    const before = pid();
    const writer = await writing(lab);
    for (const member of lab.members) await lab.inject({ command: 'cut', member: member.name, from: 'kube' });
    await until('the primary goes on by promises', async () => {
      const status = await agent(lab, name, 'status', '-o', 'json');
      return status.stdout.includes('"failsafe"');
    });
    await sleep(10_000);
    const from = performance.now();
    assert.ok(await writer.whenAcknowledged(100, 5000, from), `writing went on: ${writer.lastError()}`);
    await lab.inject({ command: 'heal' });
    const events = async () =>
      JSON.stringify((await lab.api.call('GET', '/apis/events.k8s.io/v1/namespaces/default/events')).body);
    await until('the end is told', async () => (await events()).includes('FailsafeEnded'));
    assert.deepEqual([primaryOf(lab), (await leaseOf(lab)).term, pid()], [name, term, before]);
    await nothingLost(lab, [writer]);
  });

  test('moves by a planned switchover asked for on the command line', async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const target = lab.members.map((member) => member.name).find((name) => name !== old) ?? '';
    const writer = await writing(lab);
    const asked = await agent(lab, old, 'switchover', '--to', target);
    assert.equal(asked.code, 0, `${asked.stdout}${asked.stderr}`);
    assert.equal(primaryOf(lab), target);
    assert.ok(
      await writer.whenAcknowledged(100, 30_000, performance.now()),
      `no rows after the switchover: ${writer.lastError()}`,
    );
    await nothingLost(lab, [writer]);
  });

  test('hands over before a deleted pod stops', async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const writer = await writing(lab);
    await lab.inject({ command: 'kill', member: old, what: 'pod' });
    await newPrimary(lab, old);
    assert.ok(
      await writer.whenAcknowledged(100, 60_000, performance.now()),
      `no rows after the hand-over: ${writer.lastError()}`,
    );
    await nothingLost(lab, [writer]);
  });

  test("survives the loss of the primary's node", async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const writer = await writing(lab);
    await lab.inject({ command: 'kill', member: old, what: 'node' });
    await newPrimary(lab, old);
    assert.ok(await writer.whenAcknowledged(100, 60_000, performance.now()), `no rows after the failover: ${writer.lastError()}`);
    await lab.inject({ command: 'heal' });
    assert.ok(await lab.whenStreaming(streamingMs));
    await nothingLost(lab, [writer]);
  });

  test('fences a primary that is cut from everything, and loses nothing', async () => {
    await isolate(scene, false);
  });
});
