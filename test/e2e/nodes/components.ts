/**
 * The components of the manifests, all in one overlay as somebody would have them. The sidecars' own images are not on these
 * nodes: a shell in the server's image stands in their places, and does what they need to be able to do.
 */
import assert from 'node:assert/strict';
import { type More, rolledOut, succeed } from './deploy.ts';
import { ask, goesOn, nothingLost, primaryPod, sentence, until, writing } from './scene.ts';

const exporterPassword = 'Exporter_1';
const server = { newName: 'opengauss-agent', newTag: '0.1.0' };
const shipper = [
  'until ls /var/lib/opengauss/log/*.log; do sleep 0.2; done',
  'echo "ships for $POD_NAMESPACE/$OG_CLUSTER/$POD_NAME"; head -2 /etc/filebeat/filebeat.yml; touch /state/sent',
  'touch /var/lib/opengauss/log/x || echo "cannot write"; trap "exit 0" TERM; tail -n 1 -F /var/lib/opengauss/log/*.log & wait',
].join('\n');
// PID 1 of a container ends by no signal that it does not ask for.
const exporter = `trap 'exit 0' TERM; while :; do psql "$DATA_SOURCE_NAME" -Atc "SELECT 'asked as ' || current_user"; sleep 1; done 2>&1`;

/** Each sidecar's command, in the order in which the components add their containers. */
function commands(): More['patches'] {
  const words = (name: string, script: string) => ({ name, command: ['bash', '-c', script], args: [] });
  const spec = { template: { spec: { containers: [words('filebeat', shipper), words('exporter', exporter)] } } };
  const patch = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'og-demo' }, spec };
  // There is no Prometheus operator here, and with it no such kind.
  const monitor = { apiVersion: 'monitoring.coreos.com/v1', kind: 'PodMonitor', metadata: { name: 'opengauss-exporter' } };
  return [
    { target: { kind: 'StatefulSet', name: 'og-demo' }, patch: JSON.stringify(patch) },
    { target: { kind: 'PodMonitor' }, patch: JSON.stringify({ ...monitor, $patch: 'delete' }) },
  ];
}

export function components() {
  sentence(
    'the components bring the agent to a stock image, ship logs, and let an exporter in, and go again',
    async (scene, say) => {
      const { database } = scene;
      const load = await writing(scene);
      const user = ['--from-literal=user=exporter', `--from-literal=password=${exporterPassword}`];
      await succeed(database.kubectl('create', 'secret', 'generic', 'og-demo-exporter', ...user));
      const gsql =
        'PATH=$GAUSSHOME/bin:$PATH LD_LIBRARY_PATH=$GAUSSHOME/lib gsql -h /run/opengauss -p 5432 -U omm -d postgres -c "$1"';
      const sql = `CREATE USER exporter PASSWORD '${exporterPassword}'`;
      await succeed(database.exec((await primaryPod(scene)).name, 'sh', '-c', gsql, 'gsql', sql));
      await database.apply(3, {
        components: ['agent-files', 'log-shipping', 'exporter', 'network-policy'],
        images: ['elastic/filebeat', 'opengauss-exporter'].map((name) => ({ name, ...server })),
        patches: commands(),
      });
      await rolledOut(database);
      await goesOn(load);
      for (const { name } of await database.pods()) {
        const says = async (container: string, words: RegExp) =>
          words.test((await database.kubectl('logs', name, '-c', container)).out);
        await until(`the logs of ${name} are shipped`, () => says('filebeat', new RegExp(`ships for opengauss/demo/${name}`)));
        await until(`${name} keeps its logs`, () => says('filebeat', /cannot write/));
        await until(`the exporter of ${name} is let in`, () => says('exporter', /asked as exporter/));
        const mounts = (await database.exec(name, 'sh', '-c', 'grep -c " /opt/opengauss-agent " /proc/mounts')).out.trim();
        assert.equal(mounts, '1', 'the agent comes from the volume');
      }
      assert.equal(await ask(database.write, scene, 'SELECT pg_is_in_recovery()::text'), 'false');
      await database.apply(3);
      await rolledOut(database);
      await succeed(database.kubectl('delete', 'secret', 'og-demo-exporter'));
      await succeed(database.kubectl('delete', 'networkpolicy', 'og-demo'));
      await nothingLost(scene, [load], say);
    },
    'long',
  );
}
