/** All scenes, and the rows that have none here, each with the reason and the place where it is looked at instead. */
import { changeScenes } from './change.ts';
import { dataScenes } from './data.ts';
import { leaseScenes } from './lease.ts';
import { memberScenes } from './members.ts';
import { networkScenes } from './network.ts';
import type { Scene } from './scene.ts';

export const scenes: Scene[] = [...memberScenes, ...networkScenes, ...leaseScenes, ...changeScenes, ...dataScenes];

/** Rows of the table that have no scene here. */
export const elsewhere: Record<string, string> = {
  F19: 'kubelets take no part in the model, so that one that stops changes nothing',
  F38: 'tokens and certificates: test/adapters/kube',
  F50: 'clients that cancel a wait: SQL is not modelled',
  F59: 'to the loop a server that does not start, as F3',
  F62: 'names are not resolved by anything in the model',
  F66: 'versions of the agent: images and rolling updates are real ones in test/e2e/nodes/upkeep.ts',
  F70: 'a fleet of clusters',
  F71: 'the random seeds are that, in virtual time',
};
