/**
 * `npm run test:conformance`: puts the sentences about Kubernetes to the embedded API server and to a real
 * kube-apiserver of the pinned version, and compares what came of each. Every difference, every failure and every
 * sentence that only one server was asked is an error; so is a run without sentences.
 */
import { randomInt } from 'node:crypto';
import { globSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { run as runTests } from 'node:test';
import { endpointDelay } from './delay.ts';
import { buildParts, Missing, type Programs } from './real/build.ts';
import { type ControlPlane, startControlPlane } from './real/control.ts';
import { KUBERNETES_VERSION } from './real/parts.ts';
import { claimScratch } from './real/scratch.ts';

type Outcome = 'passed' | 'failed' | 'skipped';

/** The embedded server's own: its faults, and the programs around it. */
const NOT_COMMON = ['faults.test.ts'];
/** What only a real server can be asked. */
const realOnly = ['manifests/server.real.ts', 'lab/apiserver.real.ts', 'lab/commands.real.ts'].map((file) =>
  join(import.meta.dirname, '..', file),
);
const minutes = 8;

/** Every sentence of the files with what came of it; failures are printed. */
async function ask(files: string[], environment: Record<string, string>): Promise<Map<string, Outcome>> {
  const before = { ...process.env };
  Object.assign(process.env, environment);
  const outcomes = new Map<string, Outcome>();
  try {
    const stream = runTests({ files, concurrency: 2, timeout: minutes * 60_000 });
    const take = (
      data: { name: string; file?: string; skip?: string | boolean; details: { type?: string; error?: Error } },
      outcome: Outcome,
    ) => {
      if (data.details.type === 'suite' || /\.(test|real)\.ts$/.test(data.name)) return;
      const skipped = data.skip !== undefined && data.skip !== false;
      const sentence = `${basename(data.file ?? '')}: ${data.name}`;
      outcomes.set(sentence, skipped ? 'skipped' : outcome);
      if (outcome !== 'failed') return;
      const cause = data.details.error?.cause;
      process.stdout.write(`✖ ${sentence}\n${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`);
    };
    stream.on('test:pass', (data) => take(data, 'passed'));
    stream.on('test:fail', (data) => take(data, 'failed'));
    // The stream ends when every file has.
    await finished(stream.resume());
  } finally {
    for (const name of Object.keys(environment)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
  return outcomes;
}

function count(outcomes: Map<string, Outcome>, wanted: Outcome): number {
  return [...outcomes.values()].filter((outcome) => outcome === wanted).length;
}

/** Sentences that did not come to the same, each with both outcomes. */
function differences(embedded: Map<string, Outcome>, real: Map<string, Outcome>): string[] {
  return [...new Set([...embedded.keys(), ...real.keys()])].sort().flatMap((sentence) => {
    const [one, other] = [embedded.get(sentence) ?? 'not asked', real.get(sentence) ?? 'not asked'];
    return one === other ? [] : [`${sentence}\n    embedded ${one}, real ${other}`];
  });
}

async function startReal(
  programs: Programs,
): Promise<{ plane: ControlPlane; environment: Record<string, string>; end(): Promise<void> }> {
  const scratch = await claimScratch();
  const own: { plane?: ControlPlane } = {};
  const plane = await startControlPlane({
    dir: scratch.dir,
    host: `127.${randomInt(2, 250)}.${randomInt(0, 250)}.3`,
    programs,
    scheduler: false,
    serviceNetwork: '10.196.0',
    advertise: undefined,
    namespace: 'default',
    onChange: () => scratch.record(own.plane?.processes() ?? []),
    say: (line) => process.stdout.write(`${line}\n`),
  });
  own.plane = plane;
  // A server that begins later than its store remembers no version from before, as one that has run for long.
  await plane.compact();
  await plane.daemons.api.stop();
  plane.daemons.api.start();
  await plane.whenReady();
  scratch.record(plane.processes());
  const ca = join(scratch.dir, 'ca.crt');
  writeFileSync(ca, plane.authority.pem);
  return {
    plane,
    environment: {
      KUBE_TEST_URL: plane.url,
      KUBE_TEST_TOKEN: plane.adminToken,
      KUBE_TEST_CA: ca,
      KUBE_TEST_TOKEN_KEY: plane.authority.tokenKey,
      KUBE_TEST_KUBECTL: programs['kubectl'] ?? 'kubectl',
    },
    async end() {
      await plane.stop();
      scratch.remove();
    },
  };
}

async function main(): Promise<number> {
  const files = globSync(join(import.meta.dirname, '*.test.ts'))
    .filter((file) => !NOT_COMMON.includes(basename(file)))
    .sort();
  const programs = await buildParts('api', { say: (line) => process.stdout.write(`${line}\n`) });
  const { environment, end } = await startReal(programs);
  const stop = () => void end().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  let embedded: Map<string, Outcome>;
  let real: Map<string, Outcome>;
  let alone: Map<string, Outcome>;
  const delays: number[] = [];
  try {
    process.stdout.write('── embedded\n');
    embedded = await ask(files, { KUBE_TEST_KUBECTL: programs['kubectl'] ?? 'kubectl' });
    process.stdout.write(`── kube-apiserver ${KUBERNETES_VERSION}\n`);
    real = await ask(files, environment);
    process.stdout.write('── manifests and lab on the real one\n');
    alone = await ask(realOnly, environment);
    delays.push(await endpointDelay());
    Object.assign(process.env, environment);
    delays.push(await endpointDelay());
  } finally {
    await end();
  }
  const different = differences(embedded, real);
  const skipped = [...real, ...alone].filter(([, outcome]) => outcome === 'skipped').map(([sentence]) => sentence);
  process.stdout.write('\nSERVER                 PASSED  FAILED  SKIPPED\n');
  for (const [name, outcomes] of [
    ['embedded', embedded],
    [`kube-apiserver ${KUBERNETES_VERSION}`, real],
    ['on the real one alone', alone],
  ] as const) {
    const figures = (['passed', 'failed', 'skipped'] as const).map((wanted) => String(count(outcomes, wanted)).padStart(7));
    process.stdout.write(`${name.padEnd(21)} ${figures.join(' ')}\n`);
  }
  for (const sentence of skipped) process.stdout.write(`skipped: ${sentence}\n`);
  const [own = 0, others = 0] = delays.map((ms) => Math.round(ms));
  process.stdout.write(`from label to EndpointSlice, median: embedded ${own} ms, real ${others} ms\n`);
  process.stdout.write(`${different.length} differences\n${different.map((line) => `  ${line}\n`).join('')}`);
  const failed = count(embedded, 'failed') + count(real, 'failed') + count(alone, 'failed');
  const asked = count(real, 'passed') > 0 && count(alone, 'passed') > 0;
  const passed = count(embedded, 'passed') + count(real, 'passed') + count(alone, 'passed');
  const left = count(embedded, 'skipped') + skipped.length;
  process.stdout.write(`${passed} passed, ${Math.max(failed, different.length)} failed, ${left} skipped\n`);
  return different.length + failed === 0 && asked ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Missing) process.stderr.write(`hint: ${error.hint}\n`);
  process.exitCode = 1;
}
