/** Sentences about what users touch on a real cluster: labels, Services, the command line, probes. */
import assert from 'node:assert/strict';
import { ask, sentence, theScene } from './scene.ts';

export function surfaces() {
  sentence('three members come up from nothing, each on a node of its own', async ({ database }, say) => {
    const pods = await database.pods();
    assert.equal(new Set(pods.map((pod) => pod.node)).size, 3);
    say(`healthy ${theScene().bringUpSeconds} s after the overlay was applied`);
  });

  sentence('the write Service leads to the primary, the read Service to every fit standby and to nobody else', async (scene) => {
    const { database } = scene;
    const pods = await database.pods();
    const addresses = async (service: string) => {
      const selector = `kubernetes.io/service-name=${service}`;
      const { out } = await database.kubectl(
        'get',
        'endpointslices',
        '-l',
        selector,
        '-o',
        'jsonpath={.items[*].endpoints[*].addresses[0]}',
      );
      return out.trim().split(/\s+/).sort();
    };
    const byRole = (role: string) =>
      pods
        .filter((pod) => pod.labels['opengauss.role'] === role)
        .map((pod) => pod.ip)
        .sort();
    assert.deepEqual(await addresses('og-demo-svc'), byRole('primary'));
    assert.deepEqual(await addresses('og-demo-svc-read'), byRole('standby'));
    assert.equal(await ask(database.write, scene, 'SELECT pg_is_in_recovery()::text'), 'false');
    // Servers are told apart by when they were started.
    const who = "SELECT pg_is_in_recovery()::text || ' ' || pg_postmaster_start_time()::text";
    const readers = new Set<string>();
    for (let i = 0; i < 40; i += 1) readers.add(await ask(database.read, scene, who));
    assert.equal(readers.size, byRole('standby').length, [...readers].join('; '));
    for (const reader of readers) assert.match(reader, /^true /);
  });

  sentence('`agent status` answers in every container, as text and JSON, and passes its exit code on', async ({ database }) => {
    for (const { name } of await database.pods()) {
      const text = await database.exec(name, 'agent', 'status');
      assert.equal(text.code, 0, text.out);
      assert.match(text.out, /^CLUSTER {2}demo \(3 members, 1 primary, 2 sync\) {3}STATE {2}Healthy/);
    }
    const json = await database.exec('og-demo-0', 'agent', 'status', '-o', 'json');
    assert.equal((JSON.parse(json.out) as { kind: string }).kind, 'ClusterStatus');
    const wrong = await database.exec('og-demo-0', 'agent', 'nonsense');
    assert.equal(wrong.code, 1, wrong.out);
    assert.match(wrong.out, /^error: /m);
  });

  sentence('the probes answer as kubelet asks them, and the root file system takes no write', async ({ database }) => {
    for (const path of ['livez', 'readyz', 'startupz']) {
      const url = `/api/v1/namespaces/${database.namespace}/pods/og-demo-0:8008/proxy/${path}`;
      const { code, out } = await database.cluster.kubectl(['get', '--raw', url]);
      assert.equal(code, 0, out);
      assert.equal((JSON.parse(out) as { ok: boolean }).ok, true);
    }
    const written = await database.exec('og-demo-0', 'sh', '-c', 'id -u; touch /opt/x');
    assert.match(written.out, /^70\n.*Read-only file system/s);
  });

  sentence(
    'the log of a member is the preflight in words, and then JSON with the reason of each decision',
    async ({ database }) => {
      const { out } = await database.kubectl('logs', 'og-demo-0', '-c', 'og');
      const lines = out.trim().split('\n');
      assert.match(lines[0] ?? '', /^ok +settings +member og-demo-0 of cluster demo$/);
      const decisions = lines
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { msg: string; reason?: string });
      assert.ok(decisions.some((line) => line.msg === 'decision' && line.reason !== undefined));
    },
  );
}
