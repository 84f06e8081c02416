/**
 * Where everything of one lab listens: a loopback network of its own per lab (127.A.B.x), so that several labs run side
 * by side with the real port numbers. It tries the addresses by binding them and never assumes that one is free.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { closed, type Endpoint, listen } from './proxy.ts';

export interface Ports {
  client: number;
  ha: number;
  heartbeat: number;
  http: number;
  peer: number;
  ready: number;
  /** Where peers find the HA and peer ports: the fault proxies. */
  haAdvertised: number;
  peerAdvertised: number;
  /** The member's own way to the API server, at its own address. */
  kube: number;
}

export interface MemberAddress {
  ip: string;
  ports: Ports;
  /** Where the member finds the API server. */
  kubeUrl: string;
  /** Where the API server listens for this member alone, so that faults can be told apart. */
  kubeOwn: Endpoint;
}

export interface Addresses {
  members: MemberAddress[];
  /** The API server, for members. */
  kube: Endpoint;
  /** The API server, for people. */
  secureKube: Endpoint;
  write: Endpoint;
  read: Endpoint;
}

/** Finds a free loopback network; throws when forty tries all met something. */
export async function findAddresses(members: number): Promise<Addresses> {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    // A server of this machine that listens on every address takes the usual port from us: then others are tried.
    const found = layout(members, `127.${randomInt(2, 250)}.${randomInt(0, 250)}`, attempt % 2 === 0 ? 0 : 20_000);
    if (await areFree(found)) return found;
  }
  throw new Error('no free loopback addresses found');
}

/** The addresses of a lab in a network given by its first three numbers. */
export function layout(members: number, network: string, shift: number): Addresses {
  const ports: Ports = {
    client: 5432 + shift,
    ha: 5433 + shift,
    heartbeat: 5437 + shift,
    http: 8008 + shift,
    peer: 8009 + shift,
    ready: 8007 + shift,
    haAdvertised: 15433 + shift,
    peerAdvertised: 18009 + shift,
    kube: 16443 + shift,
  };
  return {
    members: Array.from({ length: members }, (_, i) => {
      const ip = `${network}.${10 + i}`;
      const kubeOwn = { host: `${network}.${30 + i}`, port: 8080 + shift };
      return { ip, ports, kubeUrl: `http://${ip}:${ports.kube}`, kubeOwn };
    }),
    kube: { host: `${network}.2`, port: 8080 + shift },
    secureKube: { host: `${network}.2`, port: 6443 + shift },
    write: { host: `${network}.4`, port: ports.client },
    read: { host: `${network}.5`, port: ports.client },
  };
}

/** The addresses of a lab whose members have network namespaces of their own: everybody has the usual ports. */
export function layoutNetns(members: number, network: string): Addresses {
  const found = layout(members, network, 0);
  const own = found.members.map((member) => ({
    ...member,
    ports: { ...member.ports, haAdvertised: member.ports.ha, peerAdvertised: member.ports.peer },
    kubeUrl: `http://${member.kubeOwn.host}:${member.kubeOwn.port}`,
  }));
  return { ...found, members: own };
}

async function areFree(addresses: Addresses): Promise<boolean> {
  const endpoints = [addresses.kube, addresses.secureKube, addresses.write, addresses.read];
  for (const { ip, ports, kubeOwn } of addresses.members) {
    endpoints.push(kubeOwn);
    for (const port of Object.values(ports) as number[]) endpoints.push({ host: ip, port });
  }
  const free = await Promise.all(endpoints.map(isFree));
  return free.every(Boolean);
}

async function isFree(endpoint: Endpoint): Promise<boolean> {
  const server = createServer();
  try {
    await listen(server, endpoint);
    await closed(server);
    return true;
  } catch {
    return false;
  }
}
