/**
 * `npm run kube:build [-- api|nodes]`: builds the programs of a real Kubernetes into the cache, or finds them there, and
 * prints where each one lies.
 */
import { buildParts, Missing } from './build.ts';
import type { Level } from './parts.ts';

const level = process.argv[2] ?? 'nodes';
if (level !== 'api' && level !== 'nodes') {
  process.stderr.write(`error: no level ${level}\nhint: There are api and nodes.\n`);
  process.exit(1);
}
try {
  const programs = await buildParts(level satisfies Level, { say: (line) => process.stderr.write(`${line}\n`) });
  for (const [name, path] of Object.entries(programs)) process.stdout.write(`${name.padEnd(24)} ${path}\n`);
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Missing) process.stderr.write(`hint: ${error.hint}\n`);
  process.exit(1);
}
