#!/usr/bin/env node
/**
 * `agent <command>`. The daemon and the command line are loaded apart, as a status command must not pay for the
 * Kubernetes client at every call.
 */
const [command, ...rest] = process.argv.slice(2);

if (command === 'run') {
  const { run } = await import('./run.ts');
  process.exit(await run(process.env));
} else {
  const { runCli } = await import('./cli.ts');
  process.exitCode = await runCli(command === undefined ? [] : [command, ...rest]);
}
