/** Sentences about an API server that is away, alone or with more, each with a writing client and a check of every row. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { succeed } from './deploy.ts';
import { containerInit, goesOn, nothingLost, primaryPod, type Scene, sentence, statusOf, until, writing } from './scene.ts';

const looks = 12;
const lookMs = 10_000;

/** Whether the member goes on without a renewal of its lease, as it says itself, without the API server. */
async function isFailsafe(scene: Scene, member: string): Promise<boolean | undefined> {
  return (await statusOf(scene, member)).status?.warnings.some(({ code }) => code === 'failsafe');
}

export function outages() {
  sentence(
    'writes go on while the API server is down for two minutes and then a standby as well',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const standby = (await scene.database.pods()).find((pod) => pod.name !== old.name);
      const node = await scene.database.node(standby?.name ?? '');
      const { api } = scene.cluster.plane.daemons;
      await api.kill();
      for (let i = 0; i < looks; i += 1) {
        await sleep(lookMs);
        await goesOn(load, 5000);
      }
      await node.powerOff();
      for (let i = 0; i < 2; i += 1) {
        await sleep(lookMs);
        await goesOn(load, 5000);
      }
      api.start();
      node.powerOn();
      await scene.cluster.plane.whenReady();
      await nothingLost(scene, [load], say);
      assert.equal((await primaryPod(scene)).name, old.name);
    },
    'long',
  );

  sentence(
    'a primary whose container ends while the API server is down loses no row, and somebody writes after it',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const node = await scene.database.node(old.name);
      const { api } = scene.cluster.plane.daemons;
      await api.kill();
      await sleep(lookMs);
      await goesOn(load, 5000);
      await node.shell('kill', '-9', await containerInit(node));
      await sleep(lookMs);
      api.start();
      await scene.cluster.plane.whenReady();
      await goesOn(load, 90_000);
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence(
    'tokens that are void cost no write, and the ones that the kubelet brings are taken up',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      // With the account all its tokens end at once, as by expiry; the kubelet thinks that they are good and keeps them.
      await succeed(scene.database.kubectl('delete', 'serviceaccount', 'og-demo'));
      await scene.database.apply(3);
      await until('the primary goes on by promises', async () => (await isFailsafe(scene, old.name)) === true);
      await goesOn(load);
      for (const node of scene.cluster.nodes) await node.shell('sh', '-c', 'kill $(pidof kubelet)');
      await until('the lease is renewed again', async () => (await isFailsafe(scene, old.name)) === false, 180_000);
      await nothingLost(scene, [load], say);
      assert.equal((await primaryPod(scene)).name, old.name);
    },
    'long',
  );
}
