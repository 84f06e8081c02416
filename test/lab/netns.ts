/**
 * Real network namespaces for `--net netns` (root only): every member has its own, joined by a router namespace of the
 * lab that forwards between them and to this machine. A cut is a blackhole rule in the router, which drops packets
 * without telling anybody. Touches nothing of the machine's network but one interface of its own.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type { Addresses } from './addresses.ts';
import { layoutNetns } from './addresses.ts';
import type { Network } from './network.ts';

const ipDeadlineMs = 20_000;

/** Runs lines of `ip -batch`, in a namespace or here; rejects with what it complained about. */
function ip(namespace: string | undefined, lines: string[], force = false): Promise<void> {
  const args = [...(namespace === undefined ? [] : ['-n', namespace]), ...(force ? ['-force'] : []), '-batch', '-'];
  return new Promise((resolve, reject) => {
    const child = spawn('ip', args, { stdio: ['pipe', 'ignore', 'pipe'], timeout: ipDeadlineMs });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 || force ? resolve() : reject(new Error(`ip: ${complaint.trim()}`))));
    child.stdin.end(`${lines.join('\n')}\n`);
  });
}

/** Runs a shell line inside a namespace. */
function inside(namespace: string, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('ip', ['netns', 'exec', namespace, 'sh', '-c', line], { stdio: 'ignore', timeout: ipDeadlineMs });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${line}: exit ${code ?? 'by signal'}`))));
  });
}

interface Names {
  router: string;
  members: string[];
  /** The one interface on this machine's side. */
  host: string;
}

function namesOf(id: number, members: number): Names {
  return { router: `oglab${id}r`, members: Array.from({ length: members }, (_, i) => `oglab${id}m${i}`), host: `oglab${id}h` };
}

/** What the machine itself answers at, seen from the members. */
function hostAddresses(addresses: Addresses): string[] {
  const gateway = addresses.write.host.replace(/\d+$/, '1');
  const own = addresses.members.map(({ kubeOwn }) => kubeOwn.host);
  return [gateway, addresses.kube.host, ...own, addresses.write.host, addresses.read.host];
}

/** Finds a free network, builds it and returns its addresses; throws where the kernel or a missing right forbids it. */
export async function startNetns(members: number): Promise<{ addresses: Addresses; network: Network }> {
  if (process.getuid?.() !== 0) throw new Error('--net netns needs root');
  for (let attempt = 0; ; attempt += 1) {
    const id = randomInt(1, 255);
    const names = namesOf(id, members);
    try {
      // Making the router claims the number; it fails where another lab has it.
      await ip(undefined, [`netns add ${names.router}`]);
    } catch (error) {
      if (attempt < 20) continue;
      throw error;
    }
    const addresses = layoutNetns(members, `198.18.${id}`);
    try {
      await build(names, addresses);
    } catch (error) {
      await tearDown(names);
      throw error;
    }
    return { addresses, network: createNetwork(names, addresses) };
  }
}

async function build(names: Names, addresses: Addresses) {
  const own = hostAddresses(addresses);
  await ip(undefined, [
    ...names.members.map((name) => `netns add ${name}`),
    `link add ${names.host} type veth peer name host netns ${names.router}`,
    ...own.map((address) => `addr add ${address}/32 dev ${names.host}`),
    `link set ${names.host} up`,
  ]);
  // One address for the router on all its links: nobody's address look-ups depend on a rule, or a cut would be noticed
  // at once as "no route to host" instead of silence.
  const gateway = own[0]?.replace(/\d+$/, '254');
  await ip(names.router, [
    'link set lo up',
    `addr add ${gateway}/32 dev lo`,
    'link set host up',
    ...own.map((address) => `route add ${address}/32 dev host`),
    ...names.members.map((name, i) => `link add m${i} type veth peer name eth0 netns ${name}`),
    ...names.members.map((_, i) => `link set m${i} up`),
    ...addresses.members.map(({ ip: address }, i) => `route add ${address}/32 dev m${i}`),
  ]);
  await inside(names.router, 'echo 1 >/proc/sys/net/ipv4/ip_forward');
  for (const [i, { ip: address }] of addresses.members.entries()) {
    const route = `route add default via ${gateway} dev eth0 onlink`;
    await ip(names.members[i], ['link set lo up', `addr add ${address}/32 dev eth0`, 'link set eth0 up', route]);
  }
  await ip(undefined, [`route add ${gateway?.replace(/\d+$/, '0')}/24 via ${gateway} dev ${names.host} onlink src ${own[0]}`]);
}

async function tearDown(names: Names) {
  await ip(
    undefined,
    [`link del ${names.host}`, ...names.members.map((name) => `netns del ${name}`), `netns del ${names.router}`],
    true,
  );
}

const faultKinds = ['kube', 'peers', 'power', 'held'] as const;
type FaultKind = (typeof faultKinds)[number];

/** What drops the packets of one fault of one member. */
function rulesOf(addresses: Addresses, kind: FaultKind, member: number): string[] {
  const address = addresses.members[member]?.ip ?? '';
  const both = (other: string) => [`from ${address} to ${other}`, `from ${other} to ${address}`];
  const peers = addresses.members.map((other) => other.ip).filter((other) => other !== address);
  switch (kind) {
    case 'kube':
      return both(addresses.members[member]?.kubeOwn.host ?? addresses.kube.host);
    case 'peers':
      return peers.flatMap(both);
    case 'power':
      return [`from ${address}`, `to ${address}`];
    case 'held':
      return [`to ${address} ipproto tcp sport ${addresses.members[member]?.ports.ha ?? 0}`];
  }
}

function createNetwork(names: Names, addresses: Addresses): Network {
  const faults = new Set<string>();
  /** One-way cuts. */
  const muted: { from: number; to: number }[] = [];
  let standing = new Set<string>();
  let work = Promise.resolve();

  function wanted(): Set<string> {
    const all = addresses.members.flatMap((_, member) =>
      faultKinds.flatMap((kind) => (faults.has(`${kind} ${member}`) ? rulesOf(addresses, kind, member) : [])),
    );
    const addressOf = (member: number) => addresses.members[member]?.ip ?? '';
    const oneWay = muted.map(({ from, to }) => `from ${addressOf(from)} to ${addressOf(to)}`);
    return new Set([...all, ...oneWay]);
  }
  function change(member: number, kind: FaultKind, on: boolean) {
    const key = `${kind} ${member}`;
    if (faults.has(key) === on) return;
    if (on) faults.add(key);
    else faults.delete(key);
    apply();
  }
  function apply() {
    const before = standing;
    standing = wanted();
    const lines = [
      ...[...standing].filter((rule) => !before.has(rule)).map((rule) => `rule add pref 100 ${rule} blackhole`),
      ...[...before].filter((rule) => !standing.has(rule)).map((rule) => `rule del pref 100 ${rule} blackhole`),
    ];
    work = work.then(() => ip(names.router, lines, true));
  }

  return {
    cut(member, from) {
      if (from !== 'peers') change(member, 'kube', true);
      if (from !== 'kube') change(member, 'peers', true);
    },
    mute(from, to) {
      muted.push({ from, to });
      apply();
    },
    heal(member) {
      const rest = muted.filter(({ from, to }) => from !== member && to !== member);
      if (rest.length < muted.splice(0, muted.length, ...rest).length) apply();
      change(member, 'kube', false);
      change(member, 'peers', false);
    },
    isCut: (member) => faults.has(`kube ${member}`) || faults.has(`peers ${member}`),
    setPower: (member, on) => change(member, 'power', !on),
    hold: (member) => change(member, 'held', true),
    release(member, kept) {
      const name = names.members[member];
      const haPort = addresses.members[member]?.ports.ha ?? 0;
      // The sender's kernel goes on sending what a dead server had written: the connection itself has to end.
      if (kept === 'drop' && name !== undefined)
        work = work.then(() => inside(name, `ss -K dport = ${haPort}`).catch(() => undefined));
      change(member, 'held', false);
    },
    heldBytes: () => undefined,
    settled: () => work,
    traces: () => ({ namespaces: [names.router, ...names.members], links: [names.host] }),
    prefix: (member) => ['nsenter', `--net=/run/netns/${names.members[member]}`],
    async close() {
      await work;
      await tearDown(names);
    },
  };
}
