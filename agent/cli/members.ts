/**
 * What a command has to know of the members before it writes anything: the API server's list says who they are, the own
 * agent's status who is primary and who answers. A command refuses early only what both cannot change their mind about;
 * the members look again before they act.
 */
import { isPrimaryRole } from '../core/acting.ts';
import type { ClusterStatus, MemberStatus } from '../adapters/http/document.ts';
import { complain, exit, type Io } from './io.ts';
import type { KubeAccess } from './kube.ts';
import { askLocal } from './local.ts';

const deadlineMs = 3000;

/** Undefined: it is a member, or nobody can tell. A number is the exit code of a command that names somebody else. */
export async function refuseStranger(io: Io, { kube, settings }: KubeAccess, name: string): Promise<number | undefined> {
  if (!name.startsWith(`og-${settings.cluster}-`))
    return stranger(io, settings.cluster, name, 'agent status -o name prints the members.');
  const pods = await kube.listPods(deadlineMs);
  // A list without the own pod is not the list of the members.
  const told = pods.ok && pods.value.some((pod) => pod.name === settings.pod);
  if (!told || pods.value.some((pod) => pod.name === name)) return undefined;
  return stranger(io, settings.cluster, name, `The members are ${pods.value.map((pod) => pod.name).join(', ') || 'none'}.`);
}

function stranger(io: Io, cluster: string, name: string, hint: string): number {
  return complain(io, exit.refused, `${name} is not a member of ${cluster}`, hint);
}

/** What the own agent shows; undefined when it does not answer. */
export async function localStatus(io: Io): Promise<ClusterStatus | undefined> {
  const answer = await askLocal(io, '/status');
  return 'unreachable' in answer || answer.status !== 200 ? undefined : (answer.body as ClusterStatus);
}

export function isPrimary(member: MemberStatus | undefined): boolean {
  return isPrimaryRole(member?.role);
}

export function primaryIn(status: ClusterStatus | undefined): MemberStatus | undefined {
  return status?.members.find(isPrimary);
}

/** A server that is down, by the word of its agent. */
export function isDown(member: MemberStatus): boolean {
  return member.role === 'Unknown' && member.agentVersion !== null;
}
