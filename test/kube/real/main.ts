/**
 * `npm run kube:build [api|nodes|images]`: builds the programs of a real Kubernetes into the cache, or finds them there,
 * and prints where each one lies; `images` makes the images of nodes under test as well.
 */
import { buildParts, Missing } from './build.ts';
import { buildImages, sizeInWords } from './image.ts';

const level = process.argv[2] ?? 'nodes';
const usage =
  'npm run kube:build [api|nodes|images]: a real Kubernetes into the cache: API server only, nodes (default), or with images';
if (level === '--help' || level === '-h') {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
if (level !== 'api' && level !== 'nodes' && level !== 'images') {
  process.stderr.write(`error: no level ${level}\nhint: There are api, nodes and images.\n`);
  process.exit(1);
}
const say = (line: string) => process.stderr.write(`${line}\n`);
try {
  const programs = await buildParts(level === 'api' ? 'api' : 'nodes', { say });
  for (const [name, path] of Object.entries(programs)) process.stdout.write(`${name.padEnd(24)} ${path}\n`);
  if (level === 'images') {
    const { named } = await buildImages(programs, say);
    for (const { name, path } of named) process.stdout.write(`${name}: ${sizeInWords(path)}\n`);
  }
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Missing) process.stderr.write(`hint: ${error.hint}\n`);
  process.exit(1);
}
