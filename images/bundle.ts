/**
 * Makes dist/agent.mjs: the agent with everything it imports in one file that needs Node and nothing else, and puts the
 * Node that runs this beside it, for the image. Names stay, as stack traces are read by people; white space goes, as the
 * text of the whole file stays in memory. It installs and downloads nothing.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Libraries in the old module format call `require`, which an ES module does not have by itself. */
const banner =
  "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);";

/**
 * Two things that nobody uses and every agent would carry in memory. An `import` of a built-in module reads each of its
 * exports, and one of node:http's is a second HTTP client, loaded when it is read: 7 MB; by `require` nothing is read that
 * is not asked for. And prom-client loads the API of OpenTelemetry for exemplars, which are off: 6 MB.
 */
const lean: Plugin = {
  name: 'lean',
  setup(on) {
    on.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'built-in' } : { path, external: true },
    );
    on.onLoad({ filter: /.*/, namespace: 'built-in' }, ({ path }) => ({ contents: `module.exports = require('${path}');` }));
    on.onResolve({ filter: /^@opentelemetry\/api$/ }, ({ path }) => ({ path, namespace: 'unused' }));
    on.onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** The packages that are in the bundle, each with its licence, as they ask for. */
function licences(inputs: string[]): string {
  const packages = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  return [...packages]
    .sort()
    .map((path) => {
      const dir = join(root, path);
      const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Record<string, string>;
      const file = readdirSync(dir).find((one) => /^licen[cs]e/i.test(one));
      return `${name} ${version}\n\n${file === undefined ? license : readFileSync(join(dir, file), 'utf8').trim()}\n`;
    })
    .join('\n----\n\n');
}

/** Writes the bundle, and beside it its source map and the licences of what is in it; answers the number of bytes. */
export async function bundle(outfile: string): Promise<number> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['agent/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    // A line and column that somebody can find.
    lineLimit: 160,
    sourcemap: 'linked',
    legalComments: 'none',
    banner: { js: banner },
    plugins: [lean],
    metafile: true,
    logLevel: 'warning',
  });
  writeFileSync(resolve(root, `${outfile}.LEGAL.txt`), licences(Object.keys(result.metafile.inputs)));
  const [bytes = 0] = Object.entries(result.metafile.outputs).flatMap(([path, file]) =>
    path.endsWith('.mjs') ? [file.bytes] : [],
  );
  return bytes;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outfile = process.argv[2] ?? 'dist/agent.mjs';
  const bytes = await bundle(outfile);
  copyFileSync(process.execPath, join(dirname(outfile), 'node'));
  process.stdout.write(`${outfile}: ${Math.round(bytes / 1024)} KiB\n`);
}
