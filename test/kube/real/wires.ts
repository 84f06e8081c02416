/**
 * The network of nodes under test: a bridge of this machine, and a network namespace with one cable to it for each
 * node. Pods' networks are routed between the nodes; nothing leaves the bridge, and nothing else of the machine's
 * network is changed.
 */
import { execFileSync } from 'node:child_process';

export interface Wires {
  /** Unique among the clusters on this machine. */
  id: number;
  /** The machine's own address, where the API server listens. */
  host: string;
  serviceNetwork: string;
  node(index: number): Place;
  /** Plugs a node's cable in or out. */
  cable(index: number, plugged: boolean): void;
  traces: { namespaces: string[]; links: string[] };
  remove(): void;
}

/** Where a node is. Index 0 is the router through which this machine reaches the Services. */
export interface Place {
  namespace: string;
  ip: string;
  podNetwork: string;
}

const clustersMax = 15;
const nodesMax = 15;

function ip(lines: string[], namespace?: string, force = false) {
  const where = namespace === undefined ? [] : ['-n', namespace];
  try {
    execFileSync('ip', [...where, ...(force ? ['-force'] : []), '-batch', '-'], {
      input: `${lines.join('\n')}\n`,
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: 20_000,
    });
  } catch (error) {
    if (!force) throw error;
  }
}

/** Builds the network for that many nodes; the first free number is taken. */
export function createWires(nodes: number): Wires {
  for (let id = 0; id < clustersMax; id += 1) {
    try {
      // The bridge is the claim: it can be made once.
      ip([`link add ogk${id} type bridge`]);
    } catch {
      continue;
    }
    const wires = describe(id, nodes);
    try {
      lay(wires, nodes);
    } catch (error) {
      wires.remove();
      throw error;
    }
    return wires;
  }
  throw new Error(`${clustersMax} clusters run on this machine already, or bridges may not be made here`);
}

function describe(id: number, nodes: number): Wires {
  if (nodes > nodesMax) throw new Error(`a cluster under test has at most ${nodesMax} nodes`);
  const indices = Array.from({ length: nodes + 1 }, (_, index) => index);
  const node = (index: number): Place => ({
    namespace: `ogk${id}-node${index}`,
    ip: `10.87.${id}.${10 + index}`,
    podNetwork: `10.86.${id * 16 + index}`,
  });
  const traces = { namespaces: indices.map((index) => node(index).namespace), links: [`ogk${id}`] };
  return {
    id,
    host: `10.87.${id}.1`,
    serviceNetwork: `10.196.${id}`,
    node,
    cable: (index, plugged) => ip([`link set ogk${id}n${index} ${plugged ? 'up' : 'down'}`]),
    traces,
    remove: () => ip([...traces.namespaces.map((name) => `netns del ${name}`), `link del ogk${id}`], undefined, true),
  };
}

function lay(wires: Wires, nodes: number) {
  const { id, host } = wires;
  ip([`addr add ${host}/24 dev ogk${id}`, `link set ogk${id} up`]);
  for (let index = 0; index <= nodes; index += 1) {
    const { namespace, ip: address, podNetwork } = wires.node(index);
    ip([
      `netns add ${namespace}`,
      `link add ogk${id}n${index} type veth peer name eth0 netns ${namespace}`,
      `link set ogk${id}n${index} master ogk${id} up`,
    ]);
    const others = Array.from({ length: nodes }, (_, other) => other + 1).filter((other) => other !== index);
    const ways = others.map((other) => `route add ${wires.node(other).podNetwork}.0/24 via ${wires.node(other).ip}`);
    ip(
      ['link set lo up', `addr add ${address}/24 dev eth0`, 'link set eth0 up', `route add default via ${host}`, ...ways],
      namespace,
    );
    execFileSync('ip', ['netns', 'exec', namespace, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward'], { timeout: 20_000 });
    if (index > 0) ip([`route add ${podNetwork}.0/24 via ${address}`]);
  }
  ip([`route add ${wires.serviceNetwork}.0/24 via ${wires.node(0).ip}`]);
}
