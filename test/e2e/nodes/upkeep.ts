/** Sentences about what people do to a running cluster, each with a writing client and a check of every acknowledged row. */
import assert from 'node:assert/strict';
import { rolledOut, succeed } from './deploy.ts';
import { goesOn, nothingLost, primaryPod, sentence, until, writing } from './scene.ts';

export function upkeep() {
  sentence('the primary is drained away from its node', async (scene, say) => {
    const load = await writing(scene);
    const old = await primaryPod(scene);
    await succeed(scene.cluster.kubectl(['drain', old.node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=100s']));
    await goesOn(load);
    assert.notEqual((await primaryPod(scene)).name, old.name);
    await succeed(scene.cluster.kubectl(['uncordon', old.node]));
    await nothingLost(scene, [load], say);
  });

  sentence(
    'a rolling update goes through every member',
    async (scene, say) => {
      const load = await writing(scene);
      const before = new Set((await scene.database.pods()).map((pod) => pod.uid));
      await succeed(scene.database.kubectl('rollout', 'restart', 'statefulset/og-demo'));
      await rolledOut(scene.database);
      await goesOn(load);
      await nothingLost(scene, [load], say);
      for (const pod of await scene.database.pods()) assert.ok(!before.has(pod.uid), `${pod.name} is the pod from before`);
    },
    'long',
  );

  sentence(
    'a cluster whose pods are all deleted comes back with every row',
    async (scene, say) => {
      const load = await writing(scene);
      await load.writer.stop();
      await succeed(scene.database.kubectl('delete', 'pods', '-l', 'opengauss.cluster=demo', '--wait=true', '--timeout=150s'));
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence(
    'data and claims survive that everything else is deleted, and are found when it is applied again',
    async (scene, say) => {
      const load = await writing(scene);
      await load.writer.stop();
      const claims = async () => (await scene.database.kubectl('get', 'pvc', '-o', 'name')).out.trim().split('\n').length;
      const { code, out } = await scene.database.deleteAll();
      assert.equal(code, 0, out);
      await until('the pods are gone', async () => (await scene.database.pods()).length === 0);
      assert.equal(await claims(), 3);
      await scene.database.apply(3);
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence(
    'a cluster is scaled to one member, to three, and to two',
    async (scene, say) => {
      const load = await writing(scene);
      const { database } = scene;
      const scale = async (members: number) => {
        await succeed(database.kubectl('scale', 'statefulset/og-demo', `--replicas=${members}`));
        await until(`${members} members are there`, async () => (await database.pods()).length === members, 150_000);
        await goesOn(load, 150_000);
        await database.whenHealthy(members);
      };
      await scale(1);
      await scale(3);
      await scale(2);
      await succeed(database.kubectl('scale', 'statefulset/og-demo', '--replicas=3'));
      await nothingLost(scene, [load], say);
    },
    'long',
  );
}
