/**
 * The control groups of a node under test: one directory in every hierarchy of the machine (version 1), or one in the
 * only one (version 2). Freezing stops everything in it at once, as a stalled machine does.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Cgroup {
  /** The directories, one for each hierarchy. */
  dirs: string[];
  freeze(on: boolean): Promise<void>;
  remove(): void;
}

interface Hierarchies {
  version: 1 | 2;
  roots: string[];
  /** All that are mounted: on a machine of version 1 containers make groups in the other one's as well. */
  all: string[];
}

/**
 * A node is a machine: unweighted, all of it would get as much of the processors as one busy process beside it, and its pods as
 * much as its kubelet. Eight times the usual weight for the node, and for the pods on it.
 */
const weights: Record<string, string> = { 'cpu.shares': '8192', 'cpu.weight': '800' };

/** Where the hierarchies of this machine are mounted. */
export function hierarchies(): Hierarchies {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const of = (type: string) => mounts.filter((fields) => fields[2] === type).map((fields) => fields[1] ?? '');
  const [old, unified] = [of('cgroup'), of('cgroup2')];
  const all = [...old, ...unified];
  return old.length > 0 ? { version: 1, roots: old, all } : { version: 2, roots: unified.slice(0, 1), all };
}

/** Makes the group of that path (no leading slash), with `kube` in it for the pods. */
export function createCgroup(path: string): Cgroup {
  const { version, roots } = hierarchies();
  const dirs = roots.map((root) => join(root, path));
  for (const [index, dir] of dirs.entries()) {
    const root = roots[index] ?? '';
    // Without it a new group of cpuset has no processors, and nothing may enter it.
    if (existsSync(join(root, 'cpuset.cpus'))) writeFileSync(join(root, 'cgroup.clone_children'), '1');
    mkdirSync(join(dir, 'kube'), { recursive: true });
    for (const place of [dir, join(dir, 'kube')])
      for (const [file, weight] of Object.entries(weights))
        if (existsSync(join(place, file))) writeFileSync(join(place, file), weight);
  }
  return {
    dirs,
    async freeze(on) {
      const dir = dirs.find((one) => existsSync(join(one, 'freezer.state')));
      if (version === 2) return writeFileSync(join(dirs[0] ?? '', 'cgroup.freeze'), on ? '1' : '0');
      if (dir === undefined) throw new Error('there is no freezer among the control groups');
      const file = join(dir, 'freezer.state');
      for (const end = performance.now() + 5000; ; await sleep(20)) {
        // Asked again until it stands: a process that is being made escapes the first time.
        writeFileSync(file, on ? 'FROZEN' : 'THAWED');
        if (readFileSync(file, 'utf8').trim() === (on ? 'FROZEN' : 'THAWED')) return;
        if (performance.now() > end) throw new Error('the node does not freeze');
      }
    },
    remove: () => removeCgroups([path]),
  };
}

/** Removes groups and everything below them; their processes must be gone. */
export function removeCgroups(paths: string[]) {
  for (const root of hierarchies().all) for (const path of paths) removeTree(join(root, path));
}

function removeTree(dir: string) {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) if (entry.isDirectory()) removeTree(join(dir, entry.name));
    rmdirSync(dir);
  } catch {
    // Not there, or still in use: then the next sweep finds it.
  }
}
