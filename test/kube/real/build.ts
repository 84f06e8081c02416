/**
 * Builds the programs of a real Kubernetes from the Go modules beside this file, each once: a finished build is kept in
 * the cache under a key of its lock files, and found there the next time. With KUBEBUILDER_ASSETS (a directory with
 * etcd, kube-apiserver and kubectl, as envtest's tools make it) what lies there is used instead. Nothing is built
 * inside the checkout, and what is missing on the machine is said in one message.
 */
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheDir, type Level, modulesDir, type Part, partsOf, programPath } from './parts.ts';

/** Absolute paths of programs by name. */
export type Programs = Record<string, string>;

export interface BuildOptions {
  env?: NodeJS.ProcessEnv;
  /** Where the Go modules lie. */
  root?: string;
  say(line: string): void;
}

/** Something the machine lacks; the hint is the cure. */
export class Missing extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'Missing';
    this.hint = hint;
  }
}

/** One build may take that long, on a machine that does much else. */
const buildDeadlineMs = 20 * 60_000;
/** Builds under keys that nobody has asked for since then are removed. */
const keepMs = 30 * 24 * 3600_000;

/** Every program of the level: found, or built now. Throws Missing, or an Error with the compiler's last lines. */
export async function buildParts(level: Level, options: BuildOptions): Promise<Programs> {
  const env = options.env ?? process.env;
  const root = options.root ?? modulesDir;
  const programs: Programs = {};
  const wanted = partsOf(level).filter((part) => {
    const asset = assetOf(part, env);
    if (asset !== undefined) programs[part.name] = asset;
    return asset === undefined;
  });
  if (wanted.length === 0) return programs;
  const compiler = compilerVersion(env);
  const cache = cacheDir(env);
  for (const part of wanted) {
    const path = programPath(part, compiler, cache, root);
    if (!existsSync(path)) await buildPart(part, path, join(root, part.module), env, options.say);
    const now = new Date();
    utimesSync(dirname(path), now, now);
    programs[part.name] = path;
  }
  removeStale(join(cache, 'kubernetes'));
  return programs;
}

/** A program of the user's own; only what the API level needs is looked for there. */
function assetOf(part: Part, env: NodeJS.ProcessEnv): string | undefined {
  const dir = env['KUBEBUILDER_ASSETS'];
  if (dir === undefined || dir === '' || part.level !== 'api') return undefined;
  const path = join(dir, part.name);
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    // envtest brings no controller-manager: that one is built.
    if (part.name === 'kube-controller-manager') return undefined;
    throw new Missing(`KUBEBUILDER_ASSETS has no ${part.name}`, `Unset it, or put ${part.name} into ${dir}.`);
  }
}

function compilerVersion(env: NodeJS.ProcessEnv): string {
  try {
    return execFileSync('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], { env, encoding: 'utf8', cwd: '/' }).trim();
  } catch {
    throw new Missing(
      'Kubernetes is built from its Go modules, and there is no go on the PATH',
      'Install Go 1.26 or newer; for the API server alone KUBEBUILDER_ASSETS may name a directory with etcd, kube-apiserver, kube-controller-manager and kubectl.',
    );
  }
}

async function buildPart(part: Part, path: string, dir: string, env: NodeJS.ProcessEnv, say: (line: string) => void) {
  const begin = performance.now();
  say(`building ${part.name} …`);
  mkdirSync(dirname(path), { recursive: true });
  // Two may build the same at once; whoever is later replaces the file by an equal one.
  const draft = `${path}.${process.pid}`;
  try {
    await runGo(part, draft, dir, env);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  const megabytes = Math.round(statSync(path).size / 1e6);
  say(`built ${part.name}: ${megabytes} MB in ${Math.round((performance.now() - begin) / 1000)} s`);
}

function runGo(part: Part, output: string, dir: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-ldflags', part.ldflags, '-o', output, part.package];
  return new Promise((resolve, reject) => {
    const child = spawn('go', args, {
      cwd: dir,
      env: { ...env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: buildDeadlineMs,
    });
    let tail = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const last = tail.trim().split('\n').slice(-12).join('\n');
      reject(new Error(`go build of ${part.name} ended with ${code ?? 'its deadline'}:\n${last}`));
    });
  });
}

function removeStale(dir: string) {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (Date.now() - statSync(path).mtimeMs > keepMs) rmSync(path, { recursive: true, force: true });
  }
}
