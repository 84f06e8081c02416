/**
 * Makes dist/agent.mjs: the agent with everything it imports in one file that needs Node and nothing else. Names and
 * line structure stay readable, as stack traces are read by people. It installs and downloads nothing.
 */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Libraries in the old module format call `require`, which an ES module does not have by itself. */
const banner =
  "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);";

/** Writes the bundle, and its source map beside it; answers the number of bytes. */
export async function bundle(outfile: string): Promise<number> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['agent/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    keepNames: true,
    minifySyntax: true,
    sourcemap: 'linked',
    legalComments: 'linked',
    banner: { js: banner },
    metafile: true,
    logLevel: 'warning',
  });
  const [bytes = 0] = Object.entries(result.metafile.outputs).flatMap(([path, file]) =>
    path.endsWith('.mjs') ? [file.bytes] : [],
  );
  return bytes;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outfile = process.argv[2] ?? 'dist/agent.mjs';
  const bytes = await bundle(outfile);
  process.stdout.write(`${outfile}: ${Math.round(bytes / 1024)} KiB\n`);
}
