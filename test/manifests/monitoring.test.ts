/**
 * Goal: what is shipped for Prometheus and Grafana is true: every alert fires on its scene and on no other, has a runbook
 * section, and every expression uses metrics and labels that the agent has. Method: promtool on the rules, the registry
 * for the names; where kubectl is at hand, the component is rendered.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Registry } from 'prom-client';
import { parse, stringify } from 'yaml';
import { instruments } from '../../agent/adapters/http/instruments.ts';
import { healthy, scenes } from './alerts.ts';

interface Rule {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface Panel {
  title: string;
  type: string;
  description?: string;
  targets?: { expr: string }[];
}

const root = join(import.meta.dirname, '..', '..');
const manifests = join(root, 'manifests');
const rules: { groups: { rules: Rule[] }[] } = parse(readFileSync(join(manifests, 'rules', 'prometheusrule.yaml'), 'utf8')).spec;
const alerts = rules.groups.flatMap((group) => group.rules);
const dashboardFile = join(manifests, 'dashboards', 'opengauss-agent.json');
const dashboard: { panels: Panel[]; annotations: { list: { expr: string }[] } } = JSON.parse(readFileSync(dashboardFile, 'utf8'));
const panels = dashboard.panels.filter((panel) => panel.type !== 'row');

const scratch = mkdtempSync(join(tmpdir(), 'og-rules-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const rulesFile = join(scratch, 'rules.yaml');
writeFileSync(rulesFile, stringify(rules));

function promtool(...args: string[]): { found: boolean; status: number | null; text: string } {
  const run = spawnSync('promtool', args, { encoding: 'utf8', cwd: scratch });
  return { found: run.error === undefined, status: run.status, text: `${run.stdout}${run.stderr}` };
}

test('promtool finds nothing wrong with the rules', (t) => {
  const run = promtool('check', 'rules', '--lint-fatal', rulesFile);
  if (!run.found) return t.skip('promtool is not installed (Debian package prometheus)');
  assert.equal(run.status, 0, run.text);
});

test('every alert fires on its scene, and on no other', (t) => {
  const fired = new Set(scenes.flatMap((scene) => scene.fires));
  assert.deepEqual(
    alerts.map((rule) => rule.alert).filter((name) => !fired.has(name)),
    [],
    'alerts without a scene',
  );
  const tests = scenes.map((scene) => ({
    name: scene.title,
    interval: '1m',
    input_series: Object.entries({ ...healthy, ...scene.series }).map(([series, values]) => ({ series, values })),
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: scene.at,
        exp_samples: scene.fires.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
      },
    ],
  }));
  const file = join(scratch, 'tests.yaml');
  writeFileSync(file, stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests }));
  const run = promtool('test', 'rules', file);
  if (!run.found) return t.skip('promtool is not installed (Debian package prometheus)');
  assert.equal(run.status, 0, run.text);
});

test('every alert says how bad it is, what it means and where to read on', () => {
  const operations = readFileSync(join(root, 'docs', 'OPERATIONS.md'), 'utf8');
  const sections = new Set([...operations.matchAll(/^#+ (OpenGauss\w+)$/gm)].map((match) => match[1]));
  for (const { alert, labels, annotations } of alerts) {
    assert.match(labels['severity'] ?? '', /^(critical|warning|info)$/, alert);
    for (const name of ['summary', 'description']) assert.ok(annotations[name], `${alert} has no ${name}`);
    assert.equal(annotations['runbook_url'], `docs/OPERATIONS.md#${alert.toLowerCase()}`, alert);
    assert.ok(sections.has(alert), `docs/OPERATIONS.md has no section ${alert}`);
  }
  assert.deepEqual([...sections].sort(), alerts.map((rule) => rule.alert).sort());
});

/** Every series that an agent can have, by the name that a query uses, with its labels. */
async function exported(): Promise<Map<string, string[]>> {
  const registry = new Registry();
  instruments(registry);
  const found = new Map<string, string[]>();
  for (const metric of await registry.getMetricsAsJSON()) {
    const single = registry.getSingleMetric(metric.name) as unknown as { labelNames: string[] };
    const suffixes = String(metric.type) === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) {
      found.set(`${metric.name}${suffix}`, [...single.labelNames, ...(suffix === '_bucket' ? ['le'] : [])]);
    }
  }
  return found;
}

/** What the scraper adds to every series. */
const targetLabels = ['namespace', 'cluster', 'pod', 'job', 'alertname'];
/** Of the process and of Prometheus itself. */
const foreign = ['up', 'process_resident_memory_bytes', 'process_cpu_seconds_total'];

function problemsOf(expr: string, metrics: Map<string, string[]>): string[] {
  const problems: string[] = [];
  const used = [...expr.matchAll(/\b((?:opengauss|process|nodejs)_\w+|up)\b(?:\{([^}]*)\})?/g)];
  if (used.length === 0) problems.push(`no metric in ${expr}`);
  const labels = new Set(targetLabels);
  for (const [, name = '', selector = ''] of used) {
    if (foreign.includes(name)) continue;
    const own = metrics.get(name);
    if (own === undefined) {
      problems.push(`no metric ${name}`);
      continue;
    }
    for (const label of own) labels.add(label);
    const asked = [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map((match) => match[1] ?? '');
    problems.push(
      ...asked
        .filter((label) => !own.includes(label) && !targetLabels.includes(label))
        .map((label) => `${name} has no label ${label}`),
    );
  }
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap((match) =>
    (match[1] ?? '').split(',').map((label) => label.trim()),
  );
  problems.push(...grouped.filter((label) => !labels.has(label)).map((label) => `nothing has the label ${label}: ${expr}`));
  return problems;
}

test('alerts and dashboard use only metrics and labels that exist', async () => {
  const metrics = await exported();
  assert.deepEqual(problemsOf('sum by (foo) (opengauss_agent_role{bar="x"}) + opengauss_agent_nothing', metrics).length, 3);
  const expressions = [
    ...alerts.map((rule) => rule.expr),
    ...panels.flatMap((panel) => (panel.targets ?? []).map((target) => target.expr)),
    ...dashboard.annotations.list.map((list) => list.expr),
  ];
  assert.deepEqual(
    expressions.flatMap((expr) => problemsOf(expr, metrics)),
    [],
  );
});

test('every panel says what it shows, and asks for the chosen cluster alone', () => {
  for (const panel of panels) {
    assert.ok(panel.description, `${panel.title} has no description`);
    for (const { expr } of panel.targets ?? []) {
      for (const [, selector] of expr.matchAll(/\w+\{([^}]*)\}/g))
        assert.match(selector ?? '', /^namespace="\$namespace",cluster="\$cluster"/);
    }
  }
});

test('kubectl renders the component into an overlay', (t) => {
  const overlay = mkdtempSync(join(manifests, '.overlay-'));
  t.after(() => rmSync(overlay, { recursive: true, force: true }));
  writeFileSync(
    join(overlay, 'kustomization.yaml'),
    stringify({
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: ['../base'],
      components: ['../components/monitoring'],
    }),
  );
  const run = spawnSync('kubectl', ['kustomize', overlay], { encoding: 'utf8' });
  if (run.error !== undefined) return t.skip('kubectl is not installed');
  assert.equal(run.status, 0, run.stderr);
  for (const kind of ['PodMonitor', 'PrometheusRule', 'StatefulSet'])
    assert.match(run.stdout, new RegExp(`^kind: ${kind}$`, 'm'));
  assert.ok(readdirSync(join(manifests, 'components')).includes('monitoring'));
});
