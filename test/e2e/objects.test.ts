/**
 * Goal: what somebody changes by hand in the objects around a running cluster costs no row, makes no second writer, and is
 * told where a user looks. Method: one lab of three under load, on an embedded API server whose clock the test holds; each
 * case ends with every acknowledged row read back from every member.
 */
import assert from 'node:assert/strict';
import { renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { agent, leaseOf, newPrimary, nothingLost, primaryOf, type Scene, startScene, until, writing } from './harness.ts';
import { placeOf, textSince } from './places.ts';

const hourMs = 3_600_000;
const core = '/api/v1/namespaces/default';
const role = '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/og-demo';
const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/og-demo-leader';
const events = '/apis/events.k8s.io/v1/namespaces/default/events';

interface Seen {
  code: string;
  message: string;
  hint: string;
}

describe('objects changed by hand', { timeout: 600_000 }, () => {
  let scene: Scene;
  const clock = { ahead: 0, now: () => Date.now() + clock.ahead };
  before(async () => {
    scene = await startScene({ members: 3, kubeClock: clock, configText: 'sync:\n  mode: strict\n' });
  });
  after(async () => {
    await scene?.close();
  });

  /** Waits for a warning of the member's status. */
  async function warned(member: string, code: string): Promise<Seen> {
    let found: Seen | undefined;
    await until(`the warning ${code} of ${member}`, async () => {
      const { stdout } = await agent(scene.lab, member, 'status', '-o', 'json');
      const { warnings = [] } = (stdout.startsWith('{') ? JSON.parse(stdout) : {}) as { warnings?: Seen[] };
      found = warnings.find((one) => one.code === code);
      return found !== undefined;
    });
    return found as Seen;
  }

  async function healthy(member: string): Promise<void> {
    await until(`${member} says that all is well`, async () => (await agent(scene.lab, member, 'status')).code === 0);
  }

  const logOf = (member: string) => placeOf(scene.lab, member).log;

  /** A load, what the lease says before, and the check that neither term nor holder changed. */
  async function undisturbed(work: (primary: string, standby: string) => Promise<void>): Promise<void> {
    const { lab } = scene;
    const [load, before, primary] = [await writing(lab), await leaseOf(lab), primaryOf(lab)];
    await work(primary, lab.members.find(({ name }) => name !== primary)?.name ?? '');
    assert.ok(await load.whenAcknowledged(100, 60_000, performance.now()), `writing goes on: ${load.lastError()}`);
    await healthy(primary);
    assert.deepEqual([await leaseOf(lab), primaryOf(lab)], [before, primary]);
    await nothingLost(lab, [load]);
  }

  /** A new token of ten minutes for every member, put in place as the kubelet does. */
  async function newTokens(): Promise<void> {
    const { lab } = scene;
    const ask = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
    const { body } = await lab.api.call('POST', `${core}/serviceaccounts/og-demo/token`, ask);
    for (const member of lab.members) {
      const file = join(member.env()['OG_SERVICE_ACCOUNT_DIR'] ?? '', 'token');
      writeFileSync(`${file}.new`, String(body['status'].token), { mode: 0o644 });
      renameSync(`${file}.new`, file);
    }
  }

  test('pods that are stripped of their labels get back what they are found by, and are told of in the log', () =>
    undisturbed(async (primary, standby) => {
      const { lab } = scene;
      for (const name of [primary, standby]) {
        const mark = statSync(logOf(name)).size;
        const labels = { ...lab.pods.get(name)?.metadata.labels };
        const nothing = Object.fromEntries(Object.keys(labels).map((key) => [key, null]));
        assert.equal((await lab.api.merge(`${core}/pods/${name}`, { metadata: { labels: nothing } })).status, 200);
        await until('the labels are back', () =>
          Object.entries(labels).every(
            ([key, value]) => /kubernetes\.io\/pod-/.test(key) || lab.pods.get(name)?.metadata.labels?.[key] === value,
          ),
        );
        await until('the log says so', () => /labels of the own pod were missing/.test(textSince(logOf(name), mark)));
      }
    }));

  test('a Lease that is deleted under its holder is written again, with the reason for it', () =>
    undisturbed(async (primary) => {
      const { lab } = scene;
      const mark = statSync(logOf(primary)).size;
      assert.equal((await lab.api.call('DELETE', lease)).status, 200);
      await until('it is there again', async () => (await leaseOf(lab)).holder === primary);
      await until('the log says so', () => /lease-mended/.test(textSince(logOf(primary), mark)));
    }));

  test('a configuration that is emptied stays in force as it was, and an Event says that it is gone', () =>
    undisturbed(async (primary) => {
      const { lab } = scene;
      const path = `${core}/configmaps/og-demo-config`;
      const { body: good } = await lab.api.call('GET', path);
      await lab.api.merge(path, { data: null });
      await until('every member says so', async () => {
        const { body } = await lab.api.call('GET', events);
        const all = (body['items'] ?? []) as { reason: string; note: string }[];
        const gone = /it is gone; write it again/;
        return all.filter(({ reason, note }) => reason === 'ConfigRejected' && gone.test(note)).length >= 3;
      });
      await warned(primary, 'config-rejected');
      const { stdout } = await agent(lab, primary, 'status', '-o', 'json');
      assert.equal((JSON.parse(stdout) as { sync: { mode: string } }).sync.mode, 'strict');
      await lab.api.merge(path, { data: good['data'] });
    }));

  test('a write Service that selects nobody costs no term, and leads to the primary when it is put right', () =>
    undisturbed(async () => {
      const { lab } = scene;
      const select = (value: string) =>
        lab.api.merge(`${core}/services/og-demo-svc`, { spec: { selector: { 'opengauss.role': value } } });
      await select('nobody');
      await until('the Service has no endpoint', async () => {
        const { body } = await lab.api.call('GET', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices');
        const slices = (body['items'] ?? []) as { metadata: { labels: Record<string, string> }; endpoints?: unknown[] }[];
        const own = slices.filter(({ metadata }) => metadata.labels['kubernetes.io/service-name'] === 'og-demo-svc');
        return own.every(({ endpoints }) => (endpoints ?? []).length === 0);
      });
      await select('primary');
    }));

  test('a primary that may not renew any more goes on by promises, and names the verb that it lacks', () =>
    undisturbed(async (primary) => {
      const { lab } = scene;
      const mark = statSync(logOf(primary)).size;
      const { body } = await lab.api.call('GET', role);
      const rules = body['rules'] as { resources: string[]; verbs: string[] }[];
      const lesser = rules.map((rule) =>
        rule.resources.includes('leases') ? { ...rule, verbs: rule.verbs.filter((verb) => verb !== 'update') } : rule,
      );
      await lab.api.merge(role, { rules: lesser.filter(({ verbs }) => verbs.length > 0) });
      const { message } = await warned(primary, 'failsafe');
      assert.match(message, /cannot be renewed/);
      await until('the log names the verb', () => /needs the verb update on leases/.test(textSince(logOf(primary), mark)));
      const checked = await agent(lab, primary, 'preflight');
      assert.deepEqual([checked.code, /may not update leases\/og-demo-leader/.test(checked.stdout)], [1, true], checked.stdout);
      await lab.api.merge(role, { rules });
    }));

  test('tokens that an API server an hour ahead calls expired are said to be, and new ones are used at once', () =>
    undisturbed(async (primary) => {
      await newTokens();
      await healthy(primary);
      const mark = statSync(logOf(primary)).size;
      clock.ahead = hourMs;
      await warned(primary, 'failsafe');
      await until('the log says why', () => /token mounted and current/.test(textSince(logOf(primary), mark)));
      await newTokens();
    }));

  test('an API server an hour behind changes neither a failover nor the times of the Lease and of Events', async () => {
    const { lab } = scene;
    clock.ahead = -hourMs;
    await newTokens();
    const old = primaryOf(lab);
    const { term } = await leaseOf(lab);
    const load = await writing(lab);
    const began = Date.now();
    await lab.inject({ command: 'kill', member: old, what: 'pod' });
    const next = await newPrimary(lab, old);
    await nothingLost(lab, [load]);
    assert.ok((await leaseOf(lab)).term > term);
    const { body } = await lab.api.call('GET', lease);
    const off = Math.abs(Date.parse(body['spec'].renewTime) - Date.now());
    assert.ok(off < 60_000, `renewed by the agent's clock: ${body['spec'].renewTime}`);
    const { body: list } = await lab.api.call('GET', events);
    const all = (list['items'] ?? []) as { reason: string; eventTime: string }[];
    const promoted = all.filter(({ reason }) => reason === 'Promoted').map(({ eventTime }) => Date.parse(eventTime));
    assert.ok(promoted.some((at) => at >= began && at <= Date.now()));
    // The pod that was made anew bears the server's time.
    const { stdout } = await agent(lab, next, 'status', '--no-headers');
    assert.doesNotMatch(stdout, /NaN|-\d+[smhd]\b/);
  });
});
