/**
 * The images of nodes under test, made on this machine without a registry: a Debian base by mmdebstrap, on it the
 * project's own recipe by buildah with the stand-in packed as an openGauss installation, and the sandbox's. Archives
 * are kept in the cache under a key of what went in.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../../images/bundle.ts';
import { Missing, type Programs } from './build.ts';
import { cacheDir } from './parts.ts';

export interface Images {
  /** OCI archives to import on every node. */
  archives: string[];
  /** The same, with the name of each. */
  named: { name: string; path: string }[];
}

const root = fileURLToPath(new URL('../../../', import.meta.url));
const suite = 'bookworm';
const packages = ['bash', 'procps', 'postgresql-15'];
/** What a database in a container does not read; half of the base. */
const left = ['doc', 'man', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
const hooks = [
  `--essential-hook=mkdir -p "$1/etc/postgresql-common" && echo 'create_main_cluster = false' >"$1/etc/postgresql-common/createcluster.conf"`,
  // The compiler of expressions is larger than the server.
  `--customize-hook=rm -rf "$1"/usr/lib/*/libLLVM* "$1"/usr/lib/llvm* "$1"/usr/lib/postgresql/15/lib/bitcode "$1"/usr/lib/postgresql/15/lib/llvmjit*`,
];
export const serverImage = 'docker.io/library/opengauss-agent:0.1.0';
export const agentImage = 'docker.io/library/opengauss-agent-files:0.1.0';
export const pauseImage = 'lab.local/pause:1';
const kept = 2;
const stepMs = 10 * 60_000;

/** Makes what is not in the cache yet; throws Missing where a program is not installed. */
export async function buildImages(programs: Programs, say: (line: string) => void): Promise<Images> {
  const dir = join(cacheDir(), 'images');
  mkdirSync(dir, { recursive: true });
  const context = makeContext(dir);
  try {
    await bundle(join(context, 'dist', 'agent.mjs'));
    const baseKey = keyOf([Buffer.from([...packages, ...left, ...hooks].join('\0'))]);
    const key = keyOf([Buffer.from(baseKey), ...contentsOf(context)]);
    const pause = programs['pause'] ?? '';
    const wanted = [
      { name: serverImage, path: join(dir, `server-${key}.oci`) },
      { name: agentImage, path: join(dir, `agent-${key}.oci`) },
      { name: pauseImage, path: join(dir, `pause-${keyOf([readFileSync(pause)])}.oci`) },
    ];
    if (wanted.some(({ path }) => !existsSync(path))) {
      need('buildah', 'buildah');
      const base = join(dir, `base-${baseKey}.tar`);
      if (!existsSync(base)) await makeBase(base, say);
      await makeImages(context, base, pause, wanted, say);
    }
    const now = new Date();
    for (const { path } of wanted) utimesSync(path, now, now);
    removeStale(dir);
    return { archives: wanted.map(({ path }) => path), named: wanted };
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** Bytes of each layer, from the base up. */
function layersOf(archive: string): number[] {
  const read = (name: string) => JSON.parse(execFileSync('tar', ['-xOf', archive, name], { encoding: 'utf8' }));
  const { manifests } = read('index.json') as { manifests: { digest: string }[] };
  const manifest = read(`blobs/${manifests[0]?.digest.replace(':', '/')}`) as { layers: { size: number }[] };
  return manifest.layers.map(({ size }) => size);
}

/** The size of an archive: `138 MB in 3 layers (90 + 0.1 + 48)`. */
export function sizeInWords(archive: string): string {
  const size = (one: number) => (one / 1e6).toFixed(one < 1e6 ? 1 : 0);
  const layers = layersOf(archive);
  const each = layers.length === 1 ? '' : `s (${layers.map(size).join(' + ')})`;
  return `${size(statSync(archive).size)} MB in ${layers.length} layer${each}`;
}

/** What the recipe copies, and the stand-in as a tarball of GAUSSHOME. */
function makeContext(dir: string): string {
  const context = mkdtempSync(join(dir, 'context-'));
  for (const name of ['images', 'entrypoint', 'LICENSE']) cpSync(join(root, name), join(context, name), { recursive: true });
  mkdirSync(join(context, 'dist'));
  cpSync(process.execPath, join(context, 'dist', 'node'));
  const home = join(context, 'home');
  mkdirSync(join(home, 'lib'), { recursive: true });
  for (const name of ['bin', 'server', 'tools', 'shared'])
    cpSync(join(root, 'test', 'standin', name), join(home, name), { recursive: true });
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }\n');
  // The stand-in's programs look for Node on their PATH, where their own directory is.
  symlinkSync('/opt/opengauss-agent/node', join(home, 'bin', 'node'));
  // The same content makes the same file, whenever it is packed.
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  execFileSync('tar', [...same, '-cf', join(context, 'gausshome.tar'), '-C', home, '.']);
  rmSync(home, { recursive: true });
  return context;
}

function contentsOf(dir: string): Buffer[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.map'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => readFileSync(path));
}

function keyOf(parts: Buffer[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}

function need(program: string, debian: string) {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
  } catch {
    throw new Missing(`there is no ${program} on the PATH`, `Install the package ${debian}.`);
  }
}

async function makeBase(path: string, say: (line: string) => void) {
  need('mmdebstrap', 'mmdebstrap');
  const begin = performance.now();
  say('making the base image …');
  const draft = `${path}.${process.pid}`;
  const include = `--include=${packages.join(',')}`;
  await run('mmdebstrap', ['--quiet', '--variant=minbase', '--format=tar', include, ...left, ...hooks, suite, draft]);
  renameSync(draft, path);
  say(`made the base image: ${megabytes(path)} MB in ${seconds(begin)} s`);
}

async function makeImages(
  context: string,
  base: string,
  pause: string,
  wanted: { name: string; path: string }[],
  say: (line: string) => void,
) {
  const begin = performance.now();
  say('building the images …');
  // Layers are kept: what has not changed since the last build is not made again.
  const storage = join(dirname(base), 'layers');
  const plain = mkdtempSync(join(dirname(base), 'context-'));
  const buildah = (...words: string[]) =>
    run('buildah', ['--root', join(storage, 'root'), '--runroot', join(storage, 'run'), '--storage-driver', 'overlay', ...words]);
  const build = (file: string, from: string, name: string, more: string[] = []) =>
    buildah('bud', '--isolation', 'chroot', '--quiet', '--layers', '--force-rm', '-f', file, '-t', name, ...more, from);
  try {
    cpSync(pause, join(plain, 'pause'));
    cpSync(base, join(plain, 'base.tar'));
    writeFileSync(join(plain, 'base'), 'FROM scratch\nADD base.tar /\n');
    writeFileSync(join(plain, 'sandbox'), 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n');
    await build(join(plain, 'base'), plain, 'localhost/base');
    await build(join(plain, 'sandbox'), plain, pauseImage);
    const recipe = join(context, 'images', 'Dockerfile');
    const choices = ['--build-arg', 'BASE=localhost/base', '--build-arg', 'GAUSSHOME=gausshome.tar'];
    await build(recipe, context, agentImage, ['--target', 'agent', ...choices]);
    await build(recipe, context, serverImage, choices);
    for (const { name, path } of wanted) {
      const draft = `${path}.${process.pid}`;
      // Archives stay on this machine, and are unpacked by every node.
      await buildah('push', '--quiet', '--disable-compression', name, `oci-archive:${draft}:${name}`);
      renameSync(draft, path);
      say(`built ${name}: ${sizeInWords(path)}`);
    }
    say(`built the images in ${seconds(begin)} s`);
  } finally {
    rmSync(plain, { recursive: true, force: true });
    // buildah mounts its store over itself and may leave that; while another build uses it this fails, and rightly.
    await run('umount', [join(storage, 'root', 'overlay')]).catch(() => undefined);
  }
}

function run(program: string, words: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], timeout: stepMs });
    let tail = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        tail = (tail + text).slice(-4000);
      });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ${words.at(-1)} ended with ${code}:\n${tail}`)),
    );
  });
}

/** Each change of the agent makes new archives; the last two of a kind are kept. */
function removeStale(dir: string) {
  const byKind = new Map<string, { path: string; at: number }[]>();
  for (const name of readdirSync(dir)) {
    const kind = /^(server|agent|pause|base)-/.exec(name)?.[1];
    if (kind === undefined) continue;
    const path = join(dir, name);
    byKind.set(kind, [...(byKind.get(kind) ?? []), { path, at: statSync(path).mtimeMs }]);
  }
  for (const found of byKind.values())
    for (const { path } of found.sort((one, other) => other.at - one.at).slice(kept)) rmSync(path, { force: true });
}

const megabytes = (path: string) => Math.round(statSync(path).size / 1e6);
const seconds = (begin: number) => Math.round((performance.now() - begin) / 1000);
