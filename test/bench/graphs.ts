/**
 * `npm run docs:graphs`: makes the pictures of docs/MONITORING.md. A lab under load, a real Prometheus that scrapes it, one
 * killed primary; then the main graphs of the dashboard are drawn from what Prometheus stored, and the status as printed.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLab } from '../lab/lab.ts';
import { defaultOptions } from '../lab/options.ts';
import { prepareTable, startWriter } from '../support/client.ts';
import { startPrometheus, withVariables } from '../support/prometheus.ts';
import { writeAddress } from './failover.ts';
import { drawChart, drawTerminal } from './svg.ts';

/** The panels that tell a failover, by the title in the dashboard, and the files of their pictures. */
const pictures: Record<string, { file: string; unit: string }> = {
  Role: { file: 'role', unit: '1 is primary' },
  Lease: { file: 'lease', unit: 'seconds left' },
  'Lag of the standbys': { file: 'lag', unit: 'bytes' },
  'WAL written': { file: 'wal', unit: 'bytes a second' },
};

const beforeMs = 30_000;
const afterMs = 45_000;
const root = join(import.meta.dirname, '..', '..');
const images = join(root, 'docs', 'images');
const dir = mkdtempSync(join(tmpdir(), 'og-graphs-'));
const { panels } = JSON.parse(readFileSync(join(root, 'manifests', 'dashboards', 'opengauss-agent.json'), 'utf8')) as {
  panels: { title: string; targets?: { expr: string; legendFormat: string }[] }[];
};

const lab = await startLab({ ...defaultOptions, dir: join(dir, 'lab') }, () => undefined, AbortSignal.timeout(300_000));
try {
  const { members } = JSON.parse(readFileSync(join(dir, 'lab', 'lab.json'), 'utf8')) as {
    members: { pod: string; ip: string; httpPort: number }[];
  };
  const targets = members.map(({ pod, ip, httpPort }) => ({ pod, address: `${ip}:${httpPort}` }));
  const prometheus = await startPrometheus(join(dir, 'prometheus'), targets, lab.options);
  await prepareTable(writeAddress(lab), 'graphs');
  const writer = startWriter({ address: writeAddress(lab), table: 'graphs', from: 1 });
  await sleep(8000);
  const from = Date.now();
  await sleep(beforeMs);
  const killedAt = Date.now();
  await lab.inject({ command: 'kill', member: lab.primary() ?? 'og-demo-0', what: 'server' });
  await sleep(afterMs);
  const to = Date.now();
  await writer.stop();
  mkdirSync(images, { recursive: true });
  for (const panel of panels) {
    const picture = pictures[panel.title];
    const [target] = panel.targets ?? [];
    if (picture === undefined || target === undefined) continue;
    const expr = withVariables(target.expr, lab.options.namespace, lab.options.cluster);
    const samples = await prometheus.range(expr, from, to);
    const lines = samples.map(({ metric, values }) => ({
      name: target.legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => metric[name] ?? ''),
      points: values.map(([at, value]): [number, number] => [at - from / 1000, Number(value)]),
    }));
    const mark = { at: (killedAt - from) / 1000, text: 'server killed' };
    writeFileSync(join(images, `${picture.file}.svg`), drawChart({ title: panel.title, unit: picture.unit, lines, mark }));
  }
  const words = ['test/lab/main.ts', '--dir', lab.dir, 'exec', members[0]?.pod ?? '', '--', 'agent', 'status'];
  const status = await promisify(execFile)(process.execPath, words, { cwd: root });
  writeFileSync(join(images, 'status.svg'), drawTerminal(status.stdout));
  await prometheus.stop();
  process.stdout.write(`wrote ${images}\n`);
} finally {
  await lab.stop();
  rmSync(dir, { recursive: true, force: true });
}
