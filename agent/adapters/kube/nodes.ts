/** A Node as a NodeSight: whether it was declared off, and whether its kubelet denies it. Never fails. */
import type { V1Node } from '@kubernetes/client-node';
import type { NodeSight } from '../../core/model.ts';
import type { Wire } from './wire.ts';

/** Set by people or controllers on a machine that is known to be off; its effect does not matter here. */
const taintKey = 'node.kubernetes.io/out-of-service';

/** What a Node tells. */
export function decodeNode({ spec, status }: Wire<V1Node>): NodeSight {
  return {
    outOfService: spec?.taints?.some(({ key }) => key === taintKey) === true,
    ready: status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true,
  };
}
