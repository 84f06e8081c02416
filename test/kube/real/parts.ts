/**
 * The programs of a real Kubernetes: which Go modules of ours they come from, where their builds are kept and under
 * which key. Nothing is built here, and nothing outside the cache is ever named.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `api`: an API server with its store and controllers. `nodes`: what nodes and their pods need as well. */
export type Level = 'api' | 'nodes';

export const KUBERNETES_VERSION = '1.36.3';

export interface Part {
  name: string;
  /** Directory of the Go module, below this one. */
  module: string;
  /** The package to build. */
  package: string;
  level: Level;
  ldflags: string;
}

const versionPackage = 'k8s.io/component-base/version';
// Without it clients see v0.0.0 and refuse what they think is too old.
const kubernetesFlags = [
  '-s -w',
  `-X ${versionPackage}.gitVersion=v${KUBERNETES_VERSION}`,
  `-X ${versionPackage}.gitMajor=${KUBERNETES_VERSION.split('.')[0]}`,
  `-X ${versionPackage}.gitMinor=${KUBERNETES_VERSION.split('.')[1]}`,
  `-X ${versionPackage}.gitTreeState=clean`,
].join(' ');

function command(name: string, level: Level): Part {
  return { name, module: 'kubernetes', package: `k8s.io/kubernetes/cmd/${name}`, level, ldflags: kubernetesFlags };
}

/** In the order they are built: what the cheaper level needs comes first. */
export const parts: Part[] = [
  { name: 'etcd', module: 'etcd', package: 'go.etcd.io/etcd/server/v3', level: 'api', ldflags: '-s -w' },
  command('kube-apiserver', 'api'),
  command('kube-controller-manager', 'api'),
  command('kubectl', 'api'),
  command('kube-scheduler', 'nodes'),
  command('kubelet', 'nodes'),
  command('kube-proxy', 'nodes'),
  { name: 'pause', module: 'pause', package: '.', level: 'nodes', ldflags: '-s -w' },
  { name: 'coredns', module: 'dns', package: '.', level: 'nodes', ldflags: '-s -w' },
];

/** The parts of a level, those of the levels below included. */
export function partsOf(level: Level): Part[] {
  return parts.filter((part) => level === 'nodes' || part.level === 'api');
}

/** Where the Go modules lie. */
export const modulesDir = fileURLToPath(new URL('.', import.meta.url));

/** The cache of everything that is built for tests, outside of every checkout. */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'opengauss-agent');
}

/** What a build depends on: the module's files, the flags, and the compiler's version. */
export function keyOf(part: Part, compiler: string, root: string = modulesDir): string {
  const hash = createHash('sha256');
  const dir = join(root, part.module);
  for (const name of readdirSync(dir).sort()) hash.update(`${name}\0`).update(readFileSync(join(dir, name)));
  return hash.update(`${part.ldflags}\0${compiler}`).digest('hex').slice(0, 16);
}

/** Where the program of a part is kept. */
export function programPath(part: Part, compiler: string, cache: string, root: string = modulesDir): string {
  return join(cache, 'kubernetes', `${part.module}-${keyOf(part, compiler, root)}`, part.name);
}
