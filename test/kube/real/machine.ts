/**
 * What a machine needs to run nodes under test, all said in one message.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Missing } from './build.ts';

const programs: [program: string, debian: string][] = [
  ['containerd', 'containerd'],
  ['ctr', 'containerd'],
  ['runc', 'runc'],
  ['iptables', 'iptables'],
  ['mmdebstrap', 'mmdebstrap'],
  ['buildah', 'buildah'],
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
