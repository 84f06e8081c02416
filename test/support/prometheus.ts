/**
 * A real Prometheus (Debian's package) that scrapes a lab as the PodMonitor would: job, namespace, cluster and pod as labels.
 * It evaluates the shipped rules too. Everything lies in one directory; nothing is left behind when it is stopped.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';

const root = join(import.meta.dirname, '..', '..');

export interface Target {
  pod: string;
  address: string;
}

export interface Sample {
  metric: Record<string, string>;
  values: [number, string][];
}

export interface Prometheus {
  /** Samples of a query between two moments, one a second. */
  range(expr: string, fromMs: number, toMs: number): Promise<Sample[]>;
  /** Rules that could not be evaluated, with the error. */
  brokenRules(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Whether Prometheus is installed here. */
export function hasPrometheus(): boolean {
  return spawnSync('prometheus', ['--version']).error === undefined;
}

/** What Grafana would put for the dashboard's variables. */
export function withVariables(expr: string, namespace: string, cluster: string): string {
  return expr.replaceAll('$namespace', namespace).replaceAll('$cluster', cluster).replaceAll('$__rate_interval', '10s');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts it and waits until it answers. */
export async function startPrometheus(
  dir: string,
  targets: Target[],
  { namespace, cluster }: { namespace: string; cluster: string },
): Promise<Prometheus> {
  mkdirSync(dir, { recursive: true });
  const rules = parse(readFileSync(join(root, 'manifests', 'rules', 'prometheusrule.yaml'), 'utf8')).spec;
  writeFileSync(join(dir, 'rules.yaml'), stringify(rules));
  const configs = targets.map(({ pod, address }) => ({ targets: [address], labels: { namespace, cluster, pod } }));
  writeFileSync(
    join(dir, 'prometheus.yaml'),
    stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: 'opengauss', static_configs: configs }],
    }),
  );
  const port = await freePort();
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(dir, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(-2000);
  });
  const base = `http://127.0.0.1:${port}`;
  const end = performance.now() + 30_000;
  while (!(await isReady(base))) {
    if (performance.now() > end || child.exitCode !== null) {
      await ended(child);
      throw new Error(`Prometheus did not start: ${said}`);
    }
    await sleep(50);
  }
  return {
    range: (expr, from, to) => range(base, expr, from, to),
    brokenRules: () => brokenRules(base),
    stop: () => ended(child),
  };
}

async function isReady(base: string): Promise<boolean> {
  try {
    return (await fetch(`${base}/-/ready`, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

async function range(base: string, expr: string, fromMs: number, toMs: number): Promise<Sample[]> {
  const query = new URLSearchParams({ query: expr, start: String(fromMs / 1000), end: String(toMs / 1000), step: '1' });
  const answer = await fetch(`${base}/api/v1/query_range?${query}`, { signal: AbortSignal.timeout(10_000) });
  const body = (await answer.json()) as { status: string; error?: string; data?: { result: Sample[] } };
  if (body.status !== 'success') throw new Error(`${expr}: ${body.error}`);
  return body.data?.result ?? [];
}

async function brokenRules(base: string): Promise<string[]> {
  const answer = await fetch(`${base}/api/v1/rules`, { signal: AbortSignal.timeout(10_000) });
  const body = (await answer.json()) as { data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] } };
  const rules = body.data.groups.flatMap((group) => group.rules);
  if (rules.length === 0) return ['no rules were loaded'];
  return rules.filter((rule) => rule.health === 'err').map((rule) => `${rule.name}: ${rule.lastError}`);
}
