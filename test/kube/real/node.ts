/**
 * A node under test: kubelet, containerd and kube-proxy in network, mount and PID namespaces and a control group of
 * their own. It loses power, freezes and has its cable pulled like a machine; what is on its disk stays.
 */
import { execFile } from 'node:child_process';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { family, identify, type ProcessId, parentOf, send, allGone } from '../../lab/processes.ts';
import { type Cgroup, createCgroup } from './cgroups.ts';
import { createDaemon, type Daemon } from './daemon.ts';
import { containerdText, initText, kubeletText, type NodeSetting, podNetworkText, proxyText, routerText } from './nodefiles.ts';

export interface Outcome {
  code: number;
  out: string;
}

export interface Node {
  name: string;
  ip: string;
  dir: string;
  /** The directory of its one local volume; with a size of its own it is mounted inside the node alone. */
  volume: string;
  powerOn(): void;
  /** Everything on it is gone at once. */
  powerOff(): Promise<void>;
  isPowered(): boolean;
  freeze(on: boolean): Promise<void>;
  /** Runs a command inside the node. */
  shell(...words: string[]): Promise<Outcome>;
  processes(): ProcessId[];
  remove(): Promise<void>;
}

export interface NodeOptions {
  setting: NodeSetting;
  /** A router has a node's rules for Services and no pods. */
  router: boolean;
  onChange(): void;
}

/** openGauss's user. */
const databaseUser = 70;

/** Configured, without power yet. */
export function createNode({ setting, router, onChange }: NodeOptions): Node {
  const { dir, name, place } = setting;
  const volume = join(dir, 'volume');
  for (const path of ['log', 'cni', 'kubelet', 'containerd', 'opt', 'volume']) mkdirSync(join(dir, path), { recursive: true });
  chownSync(volume, databaseUser, databaseUser);
  const files: Record<string, string> = {
    'proxy.json': proxyText(setting),
    'init.sh': router ? routerText(setting) : initText(setting),
    ...(router
      ? {}
      : {
          'containerd.toml': containerdText(setting),
          'kubelet.json': kubeletText(setting),
          'cni/10-lab.conflist': podNetworkText(setting),
          'resolv.conf': `nameserver ${setting.dns}\n`,
        }),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text, { mode: 0o700 });
  const group = createCgroup(setting.cgroup);
  const daemon = createDaemon({
    name,
    command: initCommand(group, setting),
    log: join(dir, 'log', 'init.log'),
    cwd: dir,
    onChange,
  });

  return {
    name,
    ip: place.ip,
    dir,
    volume,
    powerOn: daemon.start,
    powerOff: () => cutPower(daemon, group),
    isPowered: () => daemon.id() !== undefined,
    freeze: group.freeze,
    shell: (...words) => shell(daemon, words),
    processes: () => (daemon.id() === undefined ? [] : [daemon.id()].flatMap((id) => id ?? [])),
    async remove() {
      await cutPower(daemon, group);
      group.remove();
    },
  };
}

/** Enters the group, then the network, then makes the other namespaces; the last is PID 1's parent and ends with it. */
function initCommand(group: Cgroup, { dir, place }: NodeSetting): string[] {
  const enter = group.dirs.map((path) => `echo $$ >${path}/cgroup.procs`).join(' && ');
  const spaces = `nsenter --net=/run/netns/${place.namespace} unshare --mount --pid --fork --kill-child --mount-proc`;
  return ['bash', '-c', `${enter} && exec ${spaces} bash ${join(dir, 'init.sh')}`];
}

/** PID 1 of the node, as this machine sees it. */
function initOf(daemon: Daemon): ProcessId | undefined {
  const outer = daemon.id();
  if (outer === undefined) return undefined;
  return family(outer).find((id) => id.pid !== outer.pid && parentOf(id.pid) === outer.pid);
}

async function cutPower(daemon: Daemon, group: Cgroup) {
  const outer = daemon.id();
  if (outer === undefined) return;
  const all = family(outer);
  const init = initOf(daemon);
  if (init !== undefined) send(init, 'SIGKILL');
  // What is frozen dies only when it thaws.
  await group.freeze(false).catch(() => undefined);
  await daemon.kill();
  await allGone(all, 10_000);
}

function shell(daemon: Daemon, words: string[]): Promise<Outcome> {
  const init = initOf(daemon);
  if (init === undefined || identify(init.pid) === undefined) return Promise.resolve({ code: 255, out: 'the node has no power' });
  const enter = ['-t', String(init.pid), '-m', '-p', '-n', ...words];
  return new Promise((resolve) => {
    execFile('nsenter', enter, { timeout: 30_000, maxBuffer: 16 << 20 }, (error, out, errors) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out: `${out}${errors}` }),
    );
  });
}
