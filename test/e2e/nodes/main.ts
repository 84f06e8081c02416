/**
 * `npm run test:e2e [PATTERN]`: the sentences about the database on real nodes, all or those whose title matches. It builds
 * what is not in the cache, prints the counts at the end, and names what is pending.
 */
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { run as runTests } from 'node:test';
import { Missing } from '../../kube/real/build.ts';
import { checkMachine } from '../../kube/real/machine.ts';

const minutes = 40;

async function main(pattern: string | undefined): Promise<number> {
  checkMachine();
  const count = { passed: 0, failed: 0, pending: 0 };
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const files = [join(import.meta.dirname, 'cluster.nodes.ts')];
  const stream = runTests({
    files,
    concurrency: 1,
    signal: stop.signal,
    timeout: minutes * 60_000,
    ...(pattern === undefined ? {} : { testNamePatterns: [new RegExp(pattern)] }),
  });
  const began = new Map<string, number>();
  stream.on('test:dequeue', ({ name }) => began.set(name, performance.now()));
  const tell = (mark: string, name: string) => {
    const seconds = Math.round((performance.now() - (began.get(name) ?? performance.now())) / 1000);
    process.stdout.write(`${mark} ${name} (${seconds} s)\n`);
  };
  stream.on('test:pass', ({ name, todo, details }) => {
    if (details.type === 'suite' || name.endsWith('.ts')) return;
    count[todo === undefined ? 'passed' : 'pending'] += 1;
    tell(todo === undefined ? '✔' : `pending, ${String(todo)}, and would pass:`, name);
  });
  stream.on('test:fail', ({ name, todo, details }) => {
    if (details.type === 'suite') return;
    count[todo === undefined ? 'failed' : 'pending'] += 1;
    tell(todo === undefined ? '✖' : `pending, ${String(todo)}:`, name);
    const cause = details.error.cause;
    if (todo === undefined) process.stdout.write(`${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`);
  });
  stream.on('test:diagnostic', ({ message, nesting }) => {
    if (nesting > 0 || /none lost|healthy|granted/.test(message)) process.stdout.write(`    ${message}\n`);
  });
  stream.on('test:stderr', ({ message }) => process.stdout.write(message));
  await finished(stream.resume());
  process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.pending} pending\n`);
  return count.failed === 0 && count.passed > 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv[2]);
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Missing) process.stderr.write(`hint: ${error.hint}\n`);
  process.exitCode = 1;
}
