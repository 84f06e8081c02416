/**
 * Whether the local server could acknowledge a commit: the question before each fence, and the reason to arm one (I1).
 * A server whose role nobody here knows is taken for a primary when the lease says that this member was promoted last:
 * an agent that has just started finds it, and an overloaded primary answers no more than a starting one does.
 */
import { recordOf } from './lease.ts';
import type { Instance, ServerProcess } from './model.ts';
import type { View } from './view.ts';

/** What is looked at; a part of every view, and of the loop's memory. */
export type Acting = Pick<View, 'instance' | 'promotion' | 'lease' | 'self' | 'startedHere'>;

/** The process behind an instance, if there is one. */
export function processOf(instance: Instance): ServerProcess | undefined {
  return 'process' in instance ? instance.process : undefined;
}

/** SIGKILL was sent: none of its threads gets back to its own code. */
export function isDoomed(instance: Instance): boolean {
  return instance.is === 'hung' && instance.killed === true;
}

/** `Normal` is one too: it has no standby configured (opengauss-interface 2.5). */
export function isPrimaryRole(role: string | null | undefined): boolean {
  return role === 'Primary' || role === 'Normal';
}

/** Whether it could; unknown counts as yes. */
export function mayAcknowledge(seen: Acting): boolean {
  const { instance, promotion } = seen;
  const process = processOf(instance);
  if (process === undefined || isDoomed(instance)) return false;
  return isLed(instance) || isSame(promotion?.process, process) || isStranger(seen);
}

/** A primary, or one that answers nothing and was last heard as one. */
function isLed(instance: Instance): instance is Extract<Instance, { is: 'primary' | 'hung' }> {
  return instance.is === 'primary' || isHungPrimary(instance);
}

/** It answers nothing, and was last heard as a primary. */
export function isHungPrimary(instance: Instance): instance is Extract<Instance, { is: 'hung' }> {
  return instance.is === 'hung' && isPrimaryRole(instance.last);
}

/** A running server that this agent has not started and that has not said what it is. */
export function isStranger({ instance, lease, self, startedHere, promotion }: Acting): boolean {
  const unheard = instance.is === 'starting' || (instance.is === 'hung' && instance.last === 'Unknown');
  if (!unheard || isSame(startedHere, instance.process) || isSame(promotion?.process, instance.process)) return false;
  return recordOf(lease)?.promoting?.member === self.name;
}

/**
 * Under one's own lease, a primary that the record's last promotion did not make: somebody started or promoted it past
 * the agents, with nobody frozen or compared. Data or a record that cannot be read proves nothing.
 */
export function isPastRecord({ instance, lease, self, promotion }: Acting): boolean {
  const record = recordOf(lease);
  if (!isLed(instance) || isSame(promotion?.process, instance.process) || record === undefined || record.garbage !== undefined)
    return false;
  if (record.promoting?.member !== self.name) return true;
  return instance.data?.dataId !== undefined && instance.data.promotedTerm !== record.promoting.term;
}

/** Whether that is the very process: pids are used again. */
export function isSame(a: ServerProcess | undefined, b: ServerProcess): boolean {
  return a !== undefined && a.pid === b.pid && a.startTime === b.startTime;
}
