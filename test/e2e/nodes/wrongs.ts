/**
 * Sentences about mistakes in what surrounds a running cluster: what the user sees, and that rows are safe. The primary
 * writes on meanwhile; a standby is the one that meets the mistake, unless it is said otherwise.
 */
import assert from 'node:assert/strict';
import { succeed } from './deploy.ts';
import { fillVolume, growVolume } from './disk.ts';
import { goesOn, type Load, nothingLost, primaryPod, type Scene, sentence, statusOf, until, writing } from './scene.ts';

/** A standby whose pod is deleted, to come up with the mistake. */
async function renewedStandby(scene: Scene): Promise<string> {
  const primary = await primaryPod(scene);
  const standby = (await scene.database.pods()).find((pod) => pod.name !== primary.name);
  assert.ok(standby !== undefined);
  await scene.database.kubectl('delete', 'pod', standby.name, '--wait=true');
  return standby.name;
}

/** Waits until the log of a member that does not come up says it. */
async function says(scene: Scene, member: string, words: RegExp): Promise<void> {
  let log = '';
  await until(`${member} says ${words}`, async () => {
    const now = await scene.database.kubectl('logs', member, '-c', 'og', '--tail=60');
    const before = await scene.database.kubectl('logs', member, '-c', 'og', '--previous', '--tail=60');
    log = `${now.out}${before.out}`;
    return words.test(log);
  });
}

/** What the Events of a reason say. */
async function notes({ database }: Scene, reason: string): Promise<string[]> {
  const { out } = await database.kubectl(
    'get',
    'events',
    '--field-selector',
    `reason=${reason}`,
    '-o',
    'jsonpath={range .items[*]}{.message}{"\\n"}{end}',
  );
  return out.trim().split('\n').filter(Boolean);
}

async function mended(scene: Scene, load: Load, member: string, say: (line: string) => void) {
  // Otherwise the wait between two starts of the container would be waited out.
  await scene.database.kubectl('delete', 'pod', member, '--wait=true');
  await goesOn(load);
  await nothingLost(scene, [load], say);
}

export function wrongs() {
  sentence('a member whose Secret lacks a key says which, and how to make it', async (scene, say) => {
    const { database } = scene;
    const load = await writing(scene);
    const key = await succeed(database.kubectl('get', 'secret', 'og-demo-auth', '-o', 'jsonpath={.data.peer-key}'));
    await succeed(
      database.kubectl('patch', 'secret', 'og-demo-auth', '--type=json', '-p', '[{"op":"remove","path":"/data/peer-key"}]'),
    );
    const patch = JSON.stringify({ data: { 'peer-key': key.trim() } });
    let member = '';
    try {
      member = await renewedStandby(scene);
      await says(scene, member, /peer-key cannot be read[\s\S]*Create the Secret og-demo-auth/);
      // The pod's own status says it as well: `kubectl describe pod` is where people look first.
      const ended = 'jsonpath={.status.containerStatuses[?(@.name=="og")]..terminated.message}';
      const status = async () => (await database.kubectl('get', 'pod', member, '-o', ended)).out;
      await until('the status of the pod says it', async () => /peer-key cannot be read/.test(await status()));
    } finally {
      await succeed(database.kubectl('patch', 'secret', 'og-demo-auth', '--type=merge', '-p', patch));
    }
    await mended(scene, load, member, say);
  });

  sentence(
    'a member that may not do something names the right that is missing',
    async (scene, say) => {
      const { database } = scene;
      const load = await writing(scene);
      const rules = await succeed(database.kubectl('get', 'role', 'og-demo', '-o', 'jsonpath={.rules}'));
      const without = (JSON.parse(rules) as { resources: string[] }[]).filter(({ resources }) => !resources.includes('events'));
      const put = (value: unknown) =>
        succeed(database.kubectl('patch', 'role', 'og-demo', '--type=merge', '-p', JSON.stringify({ rules: value })));
      await put(without);
      const member = await renewedStandby(scene);
      await says(scene, member, /events/);
      const { code, out } = await database.exec((await primaryPod(scene)).name, 'agent', 'preflight');
      assert.equal(code, 1, out);
      assert.match(out, /failed +rights +.*events/);
      await put(JSON.parse(rules));
      await mended(scene, load, member, say);
    },
    'long',
  );

  sentence(
    'a ConfigMap that is emptied or deleted changes nothing that was valid',
    async (scene, say) => {
      const { database } = scene;
      const load = await writing(scene);
      const before = await succeed(database.kubectl('get', 'configmap', 'og-demo-config', '-o', 'json'));
      await succeed(
        database.kubectl(
          'patch',
          'configmap',
          'og-demo-config',
          '--type=merge',
          '-p',
          '{"data":{"config.yaml":"sync: {mode: nonsense}"}}',
        ),
      );
      await until('an Event names the field', async () => (await notes(scene, 'ConfigRejected')).join().includes('sync.mode'));
      const isTold = async () => {
        const { status } = await statusOf(scene, (await primaryPod(scene)).name);
        return status?.warnings.some(({ code }) => code === 'config-rejected') === true;
      };
      await until('the status says that it is not in force', isTold);
      await succeed(database.kubectl('delete', 'configmap', 'og-demo-config'));
      await until('an Event tells of the deletion', async () =>
        (await notes(scene, 'ConfigRejected')).join().includes('it is gone'),
      );
      await goesOn(load);
      const kept = JSON.parse(before) as { data: object };
      const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'og-demo-config' }, data: kept.data };
      await succeed(scene.cluster.kubectl(['-n', database.namespace, 'create', '-f', '-'], JSON.stringify(map)));
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence(
    'a primary whose volume is full takes no write, says why everywhere, and writes on when it has grown',
    async (scene, say) => {
      const { database } = scene;
      const load = await writing(scene);
      const old = await primaryPod(scene);
      const node = await database.node(old.name);
      await fillVolume(node, 96);
      await until('an Event says that it is read-only', async () => (await notes(scene, 'ReadOnlySet')).length > 0);
      assert.match((await notes(scene, 'DiskPressure')).join('\n'), /data/);
      const { code, status } = await statusOf(scene, old.name);
      const isTold = status?.warnings.some((warning) => warning.code === 'read-only');
      assert.deepEqual([code, status?.state, status?.readOnly, isTold], [2, 'Degraded', { on: true, owner: 'agent' }, true]);
      await says(scene, old.name, /"reason":"read-only"/);
      await growVolume(node);
      await until('an Event says that it writes again', async () => (await notes(scene, 'ReadOnlyCleared')).length > 0);
      await goesOn(load);
      await nothingLost(scene, [load], say);
    },
  );

  sentence(
    'labels that are stripped by hand come back, and a Lease that is deleted costs no second writer',
    async (scene, say) => {
      const { database } = scene;
      const load = await writing(scene);
      const old = await primaryPod(scene);
      await succeed(database.kubectl('label', 'pod', old.name, 'opengauss.role-', 'opengauss.readable-'));
      await until('the label is back', async () => (await database.primary()) === old.name);
      await succeed(database.kubectl('delete', 'lease', 'og-demo-leader'));
      await goesOn(load);
      await nothingLost(scene, [load], say);
    },
    'long',
  );

  sentence(
    'a write Service whose selector was changed leads to the primary again when the overlay is applied',
    async (scene, say) => {
      const { database } = scene;
      const load = await writing(scene);
      const patch = '{"spec":{"selector":{"opengauss.role":"nobody"}}}';
      await succeed(database.kubectl('patch', 'service', 'og-demo-svc', '--type=merge', '-p', patch));
      await database.apply(3);
      await goesOn(load);
      await nothingLost(scene, [load], say);
    },
    'long',
  );
}
