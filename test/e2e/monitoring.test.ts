/**
 * Goal: what Prometheus scrapes from live agents is what the dashboard and the alerts ask for. Method: a lab under load, a
 * real Prometheus, one failover, and every query of every panel.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hasPrometheus, type Prometheus, startPrometheus, withVariables } from '../support/prometheus.ts';
import { newPrimary, primaryOf, type Scene, startScene, until, writing } from './harness.ts';

interface Panel {
  title: string;
  targets?: { expr: string }[];
}

const file = join(import.meta.dirname, '..', '..', 'manifests', 'dashboards', 'opengauss-agent.json');
const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { panels: Panel[] };
const skip = hasPrometheus() ? false : 'Prometheus is not installed (Debian package prometheus)';

describe('a Prometheus that scrapes the agents', { timeout: 300_000, skip }, () => {
  let scene: Scene;
  let prometheus: Prometheus;
  let from: number;
  before(async () => {
    scene = await startScene({});
    const { lab } = scene;
    const { members } = JSON.parse(readFileSync(join(lab.options.dir, 'lab.json'), 'utf8')) as {
      members: { pod: string; ip: string; httpPort: number }[];
    };
    const targets = members.map(({ pod, ip, httpPort }) => ({ pod, address: `${ip}:${httpPort}` }));
    from = Date.now();
    prometheus = await startPrometheus(join(lab.options.dir, 'prometheus'), targets, lab.options);
  });
  after(async () => {
    await prometheus?.stop();
    await scene?.close();
  });

  test('has data for every panel of the dashboard after a failover', async () => {
    const { lab } = scene;
    const old = primaryOf(lab);
    const writer = await writing(lab);
    await lab.inject({ command: 'kill', member: old, what: 'server' });
    await newPrimary(lab, old);
    assert.ok(await writer.whenAcknowledged(100, 60_000, performance.now()), `no rows after the failover: ${writer.lastError()}`);
    const { namespace, cluster } = lab.options;
    let empty: string[] = [];
    const allHaveData = async (): Promise<boolean> => {
      empty = [];
      for (const panel of panels) {
        for (const { expr } of panel.targets ?? []) {
          const found = await prometheus.range(withVariables(expr, namespace, cluster), from, Date.now());
          if (found.length === 0) empty.push(`${panel.title}: ${expr}`);
        }
      }
      return empty.length === 0;
    };
    await until('every panel has data', allHaveData, 60_000).catch(() => assert.deepEqual(empty, []));
    await writer.stop();
  });

  test('evaluates every alert, and says at once that there is one primary again', async () => {
    assert.deepEqual(await prometheus.brokenRules(), []);
    const { namespace, cluster } = scene.lab.options;
    const primaries = async () => {
      const now = Date.now();
      const [found] = await prometheus.range(
        withVariables(
          'sum(opengauss_agent_role{namespace="$namespace",cluster="$cluster",role=~"Primary|Normal"})',
          namespace,
          cluster,
        ),
        now,
        now,
      );
      return found?.values.at(-1)?.[1];
    };
    await until('one primary, as Prometheus sees it', async () => (await primaries()) === '1', 30_000);
  });
});
