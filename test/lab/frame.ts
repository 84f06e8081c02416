/**
 * What stands around the members of a lab: directories, addresses, API server with the cluster's objects, network and
 * services. Started in order; every step says how it is undone.
 */
import { readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { installAgent, installEntrypoint } from './agent.ts';
import { type Addresses, findAddresses } from './addresses.ts';
import { type Api, createApi, type KubeObject } from './api.ts';
import { type Isolation, passwdLine } from './container.ts';
import { superuser } from './environment.ts';
import { controlDir, startApiServer } from './apiserver.ts';
import { type KubeOptions, type KubeServer, startKube } from './kube.ts';
import type { Member } from './member.ts';
import { type Network, startNetwork } from './network.ts';
import { startNetns } from './netns.ts';
import { clusterObjects, nodeName, podName, setName } from './objects.ts';
import type { LabOptions } from './options.ts';
import { makePlace, makeSecrets, type Place, root, writeFiles } from './place.ts';
import { identify } from './processes.ts';
import { type ClientAccount, labFile, runFile, writeWhole } from './record.ts';
import { createService, type ServiceListener } from './service.ts';

/** How something started is taken down again. */
export type Undo = () => Promise<void> | void;

/** Takes everything down, last first; one failure does not keep the rest up. */
export async function unwind(undo: Undo[]) {
  for (const action of undo.splice(0).reverse()) {
    await Promise.resolve()
      .then(action)
      .catch(() => undefined);
  }
}

/** The members and what is known of them. */
export interface Parts {
  isolation: Isolation;
  members: Member[];
  pods: Map<string, KubeObject>;
  client: ClientAccount | undefined;
}

async function startLoopback(members: number): Promise<{ addresses: Addresses; network: Network }> {
  const addresses = await findAddresses(members);
  return { addresses, network: await startNetwork(addresses) };
}

/** Everything but the members. */
export interface Frame {
  options: LabOptions;
  dir: string;
  place: Place;
  addresses: Addresses;
  kube: KubeServer;
  api: Api;
  network: Network;
  services: { write: ServiceListener; read: ServiceListener };
  /** The StatefulSet's uid, the owner of the pods. */
  setUid: string;
  gaussHome: string;
  /** PID 1 of the members. */
  command: string[];
  /** What the members' agents run. */
  agentFile: string;
  /** What members see as /etc/passwd; undefined: this machine's own. */
  passwd: string | undefined;
  /** The StatefulSet's status as last written. */
  setStatus: string;
  /** Being taken down: no more records are written. */
  ended: boolean;
}

/** Starts all of it; what is started is in `undo` even when a later step throws. */
export async function startFrame(options: LabOptions, dir: string, undo: Undo[], say: (line: string) => void): Promise<Frame> {
  const names = { namespace: options.namespace, cluster: options.cluster };
  const place = makePlace(
    dir,
    Array.from({ length: options.members }, (_, i) => podName(names, i)),
  );
  place.keep = options.keep;
  undo.push(() => removePlace(place));
  recordFrame(place, undefined);
  const { addresses, network } = await (options.net === 'netns' ? startNetns(options.members) : startLoopback(options.members));
  undo.push(() => network.close());
  recordFrame(place, network);
  const asked = {
    ...names,
    listen: addresses.kube,
    members: addresses.members.map(({ kubeOwn }, i) => ({ pod: podName(names, i), listen: kubeOwn })),
    secure: addresses.secureKube,
    certificates: place.binDir,
    kubeconfig: place.kubeconfig,
    logOf: (pod: string) => logOf(place, pod),
    clock: options.kubeClock,
  };
  const kube = options.kube === 'embedded' ? await startKube(asked) : await startRealKube(asked, place, network, say);
  if (kube.ca !== undefined) for (const member of addresses.members) member.kubeUrl = kube.url;
  undo.push(() => kube.stop());
  const api = createApi({ url: kube.url, token: kube.adminToken, ca: kube.ca });
  undo.push(() => api.close());
  await createObjects(options, place, addresses, api, kube);
  const agentFile = await installAgent(place, options.tamper);
  const command = installEntrypoint(place, options.tamper);
  const services = { write: createService(addresses.write), read: createService(addresses.read) };
  undo.push(async () => {
    await Promise.all([services.write.close(), services.read.close()]);
  });
  const set = await api.call('GET', `/apis/apps/v1/namespaces/${options.namespace}/statefulsets/${setName(names)}`);
  const setUid = set.body.metadata.uid ?? '';
  return {
    options,
    dir,
    place,
    addresses,
    kube,
    api,
    network,
    services,
    setUid,
    gaussHome: gaussHomeOf(options),
    command,
    agentFile,
    passwd: options.server === 'opengauss' ? writePasswd(place) : undefined,
    setStatus: '',
    ended: false,
  };
}

/** The cluster's objects, and in each member's directory what its pod mounts of them. */
async function createObjects(options: LabOptions, place: Place, addresses: Addresses, api: Api, kube: KubeServer) {
  const secrets = makeSecrets();
  const [first] = addresses.members;
  if (first === undefined) throw new Error('a lab has at least one member');
  const objects = clusterObjects(options, {
    members: options.members,
    ports: first.ports,
    secret: { ...secrets },
    config: options.config,
  });
  for (const { collection, object } of objects) await api.ensure(collection, object);
  const token = await kube.memberToken();
  const trust: Record<string, string> = kube.ca === undefined ? {} : { 'ca.crt': kube.ca };
  for (const [index, member] of place.members.entries()) {
    writeFiles(member.authDir, { ...secrets });
    writeFiles(member.serviceAccountDir, { token, namespace: options.namespace, ...trust });
    kube.nodePower(nodeName(index), true);
  }
}

/** Everything it writes goes when the place goes. */
async function startRealKube(
  asked: KubeOptions,
  place: Place,
  network: Network,
  say: (line: string) => void,
): Promise<KubeServer> {
  const dir = controlDir(place.dir);
  place.paths.push(dir);
  recordFrame(place, network);
  return await startApiServer(asked, dir, say);
}

/** For the sweep after a lab that is killed before it has members; the programs until then are bound to the lab and end with it. */
function recordFrame({ dir, control, paths }: Place, network: Network | undefined) {
  const lab = identify(process.pid);
  if (lab === undefined) return;
  const traces = network?.traces() ?? { links: [], namespaces: [] };
  writeWhole(runFile(dir), { lab, control, processes: [], paths, traces });
}

function removePlace(place: Place) {
  for (const path of place.paths)
    if (!place.keep || path !== join(place.dir, 'members')) rmSync(path, { recursive: true, force: true });
  rmSync(labFile(place.dir), { force: true });
  rmSync(runFile(place.dir), { force: true });
  try {
    rmdirSync(place.dir);
  } catch {
    // Something that is not ours is in there, or what was asked to be kept.
  }
}

function gaussHomeOf(options: LabOptions): string {
  if (options.server === 'standin') return join(root, 'test', 'standin');
  const home = process.env['GAUSSHOME'];
  if (home === undefined || home === '') throw new Error('--server opengauss needs GAUSSHOME, the directory of an installation');
  return home;
}

/** The end of a member's log, as much as `kubectl logs` may show. */
function logOf(place: Place, pod: string): string | undefined {
  const own = place.members.find(({ dir }) => basename(dir) === pod);
  if (own === undefined) return undefined;
  try {
    return readFileSync(own.logFile, 'utf8').slice(-logBytesMax);
  } catch {
    return undefined;
  }
}

const logBytesMax = 4 << 20;

/** This machine's users and the server's, whom openGauss looks up by its number. */
function writePasswd(place: Place): string {
  const file = join(place.binDir, 'passwd');
  writeFileSync(file, `${passwdLine(superuser, place.dir)}${readFileSync('/etc/passwd', 'utf8')}`, { mode: 0o644 });
  return file;
}
