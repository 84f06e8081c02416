/** Cuts of a pod on a node under test, by rules in a chain of their own, which is emptied to undo them. */
import assert from 'node:assert/strict';
import type { Node } from '../../kube/real/node.ts';
import type { Pod } from './deploy.ts';

/** Drops what the pod sends to those addresses and what they send to it, inside the node that it runs on. */
export async function cutPod(node: Node, pod: Pod, from: string[]): Promise<void> {
  const rules = from.flatMap((other) => [
    `iptables -A LABCUT -s ${pod.ip} -d ${other} -j DROP`,
    `iptables -A LABCUT -s ${other} -d ${pod.ip} -j DROP`,
  ]);
  const hook = 'iptables -C FORWARD -j LABCUT 2>/dev/null || iptables -I FORWARD 1 -j LABCUT';
  const { code, out } = await node.shell('sh', '-c', ['iptables -N LABCUT 2>/dev/null', hook, ...rules].join('; '));
  assert.equal(code, 0, out);
}
