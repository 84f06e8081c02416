/**
 * What a machine needs to run nodes under test, all said in one message.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Missing } from './build.ts';
import { createCgroup } from './cgroups.ts';

const programs: [program: string, debian: string][] = [
  ['containerd', 'containerd'],
  ['ctr', 'containerd'],
  ['runc', 'runc'],
  ['iptables', 'iptables'],
  ['mmdebstrap', 'mmdebstrap'],
  ['buildah', 'buildah'],
  ['mkfs.xfs', 'xfsprogs'],
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['setpriv', 'util-linux'],
  ['openssl', 'openssl'],
];
const plugins = '/usr/lib/cni/bridge';

/** Throws Missing with everything that is lacking; Go is asked for when something has to be built. */
export function checkMachine(env: NodeJS.ProcessEnv = process.env, uid: number | undefined = process.getuid?.()) {
  const lacking = programs
    .filter(([name]) => spawnSync('/bin/sh', ['-c', `command -v ${name}`], { env }).status !== 0)
    .map(([, debian]) => debian);
  if (!existsSync(plugins)) lacking.push('containernetworking-plugins');
  const isRoot = uid === 0;
  if (isRoot && lacking.length === 0) return;
  const words = [...new Set(lacking)].join(' ');
  throw new Missing(
    [isRoot ? '' : 'nodes under test need root', words === '' ? '' : `missing here: ${words}`].filter(Boolean).join('; '),
    [
      isRoot ? '' : 'Run it as root.',
      words === '' ? '' : `Install the packages: apt-get install --no-install-recommends ${words}.`,
    ]
      .filter(Boolean)
      .join(' '),
  );
}

/** Throws Missing where the kernel, or the container that this runs in, refuses what nodes are made of. It is tried and undone. */
export function tryMachine() {
  const refused: string[] = [];
  const dir = mkdtempSync(join(tmpdir(), 'opengauss-agent-try-'));
  for (const name of ['low', 'up', 'work', 'all']) mkdirSync(join(dir, name));
  const overlay = `mount -t overlay overlay -o lowerdir=${dir}/low,upperdir=${dir}/up,workdir=${dir}/work ${dir}/all`;
  const tries: [what: string, script: string][] = [
    ['network, mount and PID namespaces', 'true'],
    ['a bridge', 'ip link add ogktry type bridge'],
    ['an overlay file system', overlay],
    ['a loop device', 'losetup -f'],
  ];
  for (const [what, script] of tries) {
    const spaces = ['--mount', '--pid', '--net', '--fork', '--mount-proc', 'sh', '-c', script];
    if (spawnSync('unshare', spaces, { timeout: 20_000 }).status !== 0) refused.push(what);
  }
  rmSync(dir, { recursive: true, force: true });
  try {
    createCgroup('ogktry').remove();
  } catch {
    refused.push('control groups');
  }
  if (refused.length === 0) return;
  throw new Missing(`this machine refuses ${refused.join(', ')}`, 'Run it on a machine, or in a container, that permits them.');
}
