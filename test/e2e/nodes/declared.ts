/**
 * A machine that people have declared off, by the component that lets members believe it: the lease is made so long that nobody
 * could have waited for its end.
 */
import assert from 'node:assert/strict';
import { rolledOut, succeed } from './deploy.ts';
import { goesOn, newPrimary, nothingLost, primaryPod, sentence, until, writing } from './scene.ts';

const leaseSeconds = 240;
const taint = 'node.kubernetes.io/out-of-service';

/** The configuration of the manifests but for the lease. */
function longLease() {
  const text = JSON.stringify({ lease: { durationSeconds: leaseSeconds }, sync: { mode: 'quorum' } });
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'og-demo-config' }, data: { 'config.yaml': text } };
  return { target: { kind: 'ConfigMap', name: 'og-demo-config' }, patch: JSON.stringify(map) };
}

export function declared() {
  sentence(
    'a primary whose node has lost its power and was declared out of service is succeeded long before its lease runs out',
    async (scene, say) => {
      const { cluster, database } = scene;
      await database.apply(3, { components: ['out-of-service'], images: [], patches: [longLease()] });
      await rolledOut(database);
      const lease = () => database.kubectl('get', 'lease', 'og-demo-leader', '-o', 'jsonpath={.spec.leaseDurationSeconds}');
      await until('the lease is that long', async () => (await lease()).out === String(leaseSeconds));
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const node = await database.node(old.name);
      const lostAt = performance.now();
      await node.powerOff();
      try {
        const gone = ['wait', '--for=condition=Ready=Unknown', `node/${node.name}`, '--timeout=120s'];
        await succeed(cluster.kubectl(gone, undefined, 130_000));
        assert.equal(await database.primary(), old.name, 'a node of which nothing is heard proves nothing');
        const declaredAt = performance.now();
        await succeed(cluster.kubectl(['taint', 'nodes', node.name, `${taint}=nodeshutdown:NoExecute`]));
        await newPrimary(scene, old.name, 60_000);
        await goesOn(load);
        assert.ok(performance.now() - lostAt < leaseSeconds * 1000, 'before the end of the lease');
        say(`declared: another primary wrote after ${((performance.now() - declaredAt) / 1000).toFixed(1)} s, none lost yet`);
      } finally {
        await cluster.kubectl(['taint', 'nodes', node.name, `${taint}-`]);
        node.powerOn();
      }
      await nothingLost(scene, [load], say);
      await database.apply(3);
      await rolledOut(database);
      for (const kind of ['clusterrolebinding/og-demo-nodes', 'clusterrole/opengauss-agent-nodes'])
        await succeed(cluster.kubectl(['delete', kind]));
    },
    'long',
  );
}
