/** Sentences about what goes wrong, each with a writing client through the write Service and a check of every acknowledged row. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cutPod } from './cut.ts';
import {
  containerInit,
  goesOn,
  newPrimary,
  nothingLost,
  primaryPod,
  type Scene,
  sentence,
  until,
  writing,
  writingOn,
} from './scene.ts';

export function faults() {
  sentence(
    'the container of the primary whose PID 1 is killed is started again, and another member writes',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const node = await scene.database.node(old.name);
      await node.shell('kill', '-9', await containerInit(node));
      await goesOn(load);
      await until('the container was started again', async () => (await find(scene, old.name))?.restarts === old.restarts + 1);
      await nothingLost(scene, [load], say);
    },
  );

  sentence('an agent that is killed costs neither a failover nor a restart of the server', async (scene, say) => {
    const load = await writing(scene);
    const old = await primaryPod(scene);
    const began = async () => (await scene.database.exec(old.name, 'head', '-3', '/var/lib/opengauss/pgdata/postmaster.pid')).out;
    const before = await began();
    const { code, out } = await scene.database.exec(
      old.name,
      'sh',
      '-c',
      'read pid _ </run/opengauss-agent/agent.pid && kill -9 $pid',
    );
    assert.equal(code, 0, out);
    await goesOn(load);
    await nothingLost(scene, [load], say);
    assert.equal((await primaryPod(scene)).name, old.name);
    assert.equal((await find(scene, old.name))?.restarts, old.restarts);
    assert.equal(await began(), before);
  });

  sentence('a primary whose pod is deleted hands over first', async (scene, say) => {
    const load = await writing(scene);
    const old = await primaryPod(scene);
    await scene.database.kubectl('delete', 'pod', old.name, '--wait=false');
    await newPrimary(scene, old.name);
    await goesOn(load);
    await nothingLost(scene, [load], say);
  });

  sentence(
    'a primary whose pod is deleted by force is replaced, and loses nothing that was acknowledged',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      await scene.database.kubectl('delete', 'pod', old.name, '--force', '--grace-period=0');
      await goesOn(load);
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence('a primary on a node that loses power is replaced, and comes back as a standby with the power', async (scene, say) => {
    const load = await writing(scene);
    const old = await primaryPod(scene);
    const node = await scene.database.node(old.name);
    await node.powerOff();
    await newPrimary(scene, old.name);
    await goesOn(load);
    node.powerOn();
    await nothingLost(scene, [load], say);
    assert.notEqual((await primaryPod(scene)).name, old.name);
  });

  sentence(
    'a primary on a node that is frozen for a minute acknowledges nothing after the thaw that is lost',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const stuck = await writingOn(scene, old);
      const node = await scene.database.node(old.name);
      await node.freeze(true);
      await newPrimary(scene, old.name);
      await goesOn(load);
      await sleep(60_000);
      await node.freeze(false);
      await nothingLost(scene, [load, stuck], say);
    },
    'long',
  );

  sentence(
    'a primary on a node whose cable is pulled is replaced',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const { cluster } = scene;
      const index = cluster.nodes.findIndex((node) => node.name === old.node) + 1;
      cluster.wires.cable(index, false);
      await newPrimary(scene, old.name);
      await goesOn(load);
      cluster.wires.cable(index, true);
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence('a primary that is cut from the API server only goes on, as its members promise to wait', async (scene, say) => {
    const load = await writing(scene);
    const old = await primaryPod(scene);
    const node = await scene.database.node(old.name);
    await cutPod(node, old, [scene.cluster.wires.host]);
    await sleep(20_000);
    await goesOn(load);
    await node.shell('iptables', '-F', 'LABCUT');
    await nothingLost(scene, [load], say);
    assert.equal((await primaryPod(scene)).name, old.name);
  });

  sentence(
    'a primary that is cut from its peers only hands over or goes on, and writes are acknowledged again',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const node = await scene.database.node(old.name);
      const peers = (await scene.database.pods()).filter((pod) => pod.name !== old.name).map((pod) => pod.ip);
      await cutPod(node, old, peers);
      await sleep(20_000);
      await node.shell('iptables', '-F', 'LABCUT');
      await goesOn(load, 120_000);
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence(
    'etcd that is restarted and compacted is not noticed by clients',
    async (scene, say) => {
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const { plane } = scene.cluster;
      await plane.daemons.etcd.kill();
      plane.daemons.etcd.start();
      await plane.whenReady();
      await plane.compact();
      await goesOn(load);
      await nothingLost(scene, [load], say);
      assert.equal((await primaryPod(scene)).name, old.name);
    },
    'long',
  );
}

async function find({ database }: Scene, name: string) {
  return (await database.pods()).find((pod) => pod.name === name);
}
