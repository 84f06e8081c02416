/**
 * The test command: runs the suites one after the other, the fast ones first, prints what each counted and one closing
 * line for all, and fails when a suite fails, when it ran no test, or when something it needs is missing. Names of
 * suites as arguments run only those: `npm test -- core loop`.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { run as runTests } from 'node:test';
import { spec } from 'node:test/reporters';

interface Suite {
  name: string;
  /** Globs from the project's root. */
  files: string[];
  /** Test files side by side; real servers and namespaces want few. */
  concurrency: number;
  /** The longest one file may take. */
  minutes: number;
}

const suites: Suite[] = [
  {
    name: 'core',
    files: ['test/core/**/*.test.ts', 'test/probes/**/*.test.ts', 'test/settings/**/*.test.ts'],
    concurrency: 2,
    minutes: 2,
  },
  { name: 'loop', files: ['test/loop/**/*.test.ts'], concurrency: 2, minutes: 4 },
  { name: 'sim', files: ['test/sim/**/*.test.ts'], concurrency: 1, minutes: 5 },
  { name: 'adapters', files: ['test/adapters/**/*.test.ts', 'test/cli/**/*.test.ts'], concurrency: 2, minutes: 5 },
  { name: 'kube', files: ['test/kube/**/*.test.ts'], concurrency: 2, minutes: 3 },
  { name: 'manifests', files: ['test/manifests/**/*.test.ts', 'test/docs/**/*.test.ts'], concurrency: 2, minutes: 3 },
  { name: 'process', files: ['test/process/**/*.test.ts'], concurrency: 1, minutes: 5 },
  { name: 'standin', files: ['test/standin/**/*.test.ts'], concurrency: 2, minutes: 10 },
  {
    name: 'lab',
    files: ['test/lab/**/*.test.ts', 'test/bench/**/*.test.ts', 'test/chaos/**/*.test.ts', 'test/support/**/*.test.ts'],
    concurrency: 1,
    minutes: 5,
  },
  { name: 'e2e', files: ['test/e2e/**/*.test.ts'], concurrency: 2, minutes: 15 },
];

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

async function runSuite(suite: Suite): Promise<Count> {
  const files = suite.files.flatMap((pattern) => globSync(pattern)).sort();
  const count = { passed: 0, failed: 0, skipped: 0 };
  if (files.length === 0) return count;
  const stream = runTests({ files, concurrency: suite.concurrency, timeout: suite.minutes * 60_000, forceExit: false });
  const counted = (
    data: { name?: string; skip?: string | boolean; details?: { type?: string; duration_ms?: number } },
    key: 'passed' | 'failed',
  ) => {
    if (data.details?.type === 'suite') return;
    times.push({ suite: suite.name, name: data.name ?? '', seconds: (data.details?.duration_ms ?? 0) / 1000 });
    if (data.skip !== undefined && data.skip !== false) count.skipped += 1;
    else count[key] += 1;
  };
  stream.on('test:pass', (data) => counted(data, 'passed'));
  stream.on('test:fail', (data) => counted(data, 'failed'));
  const printed = stream.compose(spec);
  for await (const text of printed) process.stdout.write(text);
  return count;
}

/** A check that is a command of its own; it counts as one test. */
function runCheck(name: string, command: string, args: string[]): Promise<Count> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit' });
    child.on('error', (error) => {
      process.stdout.write(`✖ ${name}: ${error.message}\n`);
      resolve({ passed: 0, failed: 1, skipped: 0 });
    });
    child.on('exit', (code) => {
      process.stdout.write(`${code === 0 ? '✔' : '✖'} ${name}\n`);
      resolve({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 });
    });
  });
}

const wanted = process.argv.slice(2);
if (wanted.includes('--help') || wanted.includes('-h')) {
  process.stdout.write(
    `npm test [-- SUITE ...]: all suites, or these: checks, ${suites.map((suite) => suite.name).join(', ')}\n`,
  );
  process.exit(0);
}
const unknown = wanted.filter((name) => name !== 'checks' && !suites.some((suite) => suite.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `error: no suite ${unknown.join(', ')}\nhint: There are checks, ${suites.map((suite) => suite.name).join(', ')}.\n`,
  );
  process.exit(1);
}
/** How long each case took, to see where the time goes. */
const times: { suite: string; name: string; seconds: number }[] = [];
const slowestShown = 10;
const rows: (Count & { name: string; seconds: number })[] = [];

async function counted(name: string, work: () => Promise<Count>): Promise<void> {
  const startedAt = performance.now();
  const count = await work();
  rows.push({ name, ...count, seconds: Math.round((performance.now() - startedAt) / 1000) });
}

if (wanted.length === 0 || wanted.includes('checks')) {
  await counted('types', () => runCheck('types', 'node_modules/.bin/tsc', ['-p', 'tsconfig.json']));
  await counted('lint', () => runCheck('lint', 'node_modules/.bin/biome', ['check', '--error-on-warnings', '.']));
}
for (const suite of suites) {
  if (wanted.length > 0 && !wanted.includes(suite.name)) continue;
  process.stdout.write(`\n── ${suite.name}\n`);
  await counted(suite.name, () => runSuite(suite));
}

if (times.length > slowestShown) {
  process.stdout.write('\nslowest cases\n');
  for (const { suite, name, seconds } of times.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestShown))
    process.stdout.write(`${seconds.toFixed(1).padStart(7)} s  ${suite}: ${name}\n`);
}

process.stdout.write('\nSUITE        PASSED  FAILED  SKIPPED  SECONDS\n');
for (const row of rows) {
  process.stdout.write(
    `${row.name.padEnd(12)} ${String(row.passed).padStart(6)} ${String(row.failed).padStart(7)} ${String(row.skipped).padStart(8)} ${String(row.seconds).padStart(8)}\n`,
  );
}
const empty = rows.filter((row) => row.passed + row.failed === 0).map((row) => row.name);
const total = rows.reduce(
  (sum, row) => ({ passed: sum.passed + row.passed, failed: sum.failed + row.failed, skipped: sum.skipped + row.skipped }),
  {
    passed: 0,
    failed: 0,
    skipped: 0,
  },
);
if (empty.length > 0) process.stdout.write(`no test ran in: ${empty.join(', ')}\n`);
process.stdout.write(`${total.passed} passed, ${total.failed + empty.length} failed, ${total.skipped} skipped\n`);
process.exit(total.failed + empty.length > 0 ? 1 : 0);
