/**
 * `npm run test:e2e [-- --short] [PATTERN]`: the sentences about the database on real nodes, all, those that are not long, or
 * those whose title matches. It builds what is not in the cache, names what is skipped, and ends with the counts. With
 * `--check` it only says whether this machine can run them.
 */
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { run as runTests } from 'node:test';
import { parseArgs } from 'node:util';
import { Missing } from '../../kube/real/build.ts';
import { checkMachine, tryMachine } from '../../kube/real/machine.ts';
import { shortRun } from './scene.ts';

const minutes = 40;

async function main(words: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: { short: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } },
  });
  checkMachine();
  tryMachine();
  if (values.check) return 0;
  if (values.short) process.env[shortRun] = '1';
  const count = { passed: 0, failed: 0, skipped: 0 };
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const files = [join(import.meta.dirname, 'cluster.nodes.ts')];
  const stream = runTests({
    files,
    concurrency: 1,
    signal: stop.signal,
    timeout: minutes * 60_000,
    ...(positionals[0] === undefined ? {} : { testNamePatterns: [new RegExp(positionals[0])] }),
  });
  const began = new Map<string, number>();
  stream.on('test:dequeue', ({ name }) => began.set(name, performance.now()));
  const tell = (mark: string, name: string) => {
    const seconds = Math.round((performance.now() - (began.get(name) ?? performance.now())) / 1000);
    process.stdout.write(`${mark} ${name} (${seconds} s)\n`);
  };
  stream.on('test:pass', ({ name, skip, details }) => {
    if (details.type === 'suite' || name.endsWith('.ts')) return;
    if (skip === undefined) {
      count.passed += 1;
      tell('✔', name);
    } else {
      count.skipped += 1;
      process.stdout.write(`skipped, ${String(skip)}: ${name}\n`);
    }
  });
  // A cluster that did not come up fails every sentence for one reason, which is told once.
  let told = '';
  stream.on('test:fail', ({ name, details }) => {
    if (details.type === 'suite') return;
    count.failed += 1;
    tell('✖', name);
    const { cause } = details.error;
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    if (why !== told) process.stdout.write(`${why}\n`);
    told = why;
  });
  stream.on('test:diagnostic', ({ message, nesting }) => {
    if (nesting > 0 || /none lost|healthy|granted/.test(message)) process.stdout.write(`    ${message}\n`);
  });
  stream.on('test:stderr', ({ message }) => process.stdout.write(message));
  await finished(stream.resume());
  process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  return count.failed === 0 && count.passed > 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Missing) process.stderr.write(`hint: ${error.hint}\n`);
  process.exitCode = 1;
}
