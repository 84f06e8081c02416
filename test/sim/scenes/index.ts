/** All scenes, and the rows that have none here, each with the reason and the place where it is looked at instead. */
import { changeScenes } from './change.ts';
import { memberScenes } from './members.ts';
import { networkScenes } from './network.ts';
import type { Scene } from './scene.ts';

export const scenes: Scene[] = [...memberScenes, ...networkScenes, ...changeScenes];

/** Rows of the table that have no scene here. */
export const elsewhere: Record<string, string> = {
  F19: 'kubelets take no part in the model, so that one that stops changes nothing',
  F38: 'tokens and certificates: test/adapters/kube',
  F47: 'the limit of mode off is arithmetic over a view: test/core/takeover.test.ts',
  F50: 'clients that cancel a wait: SQL is not modelled',
  F55: 'full volumes: test/loop/disk.test.ts, test/core/fullvolumes.test.ts',
  F56: 'full volumes: test/loop/disk.test.ts, test/core/fullvolumes.test.ts',
  F59: 'to the loop a server that does not start, as F3',
  F62: 'names are not resolved by anything in the model',
  F66: 'versions of the agent: images and rolling updates are real ones in test/kube/real',
  F67: 'the roster of a world does not change: test/core/syncset.test.ts',
  F69: 'two clusters with one Lease: test/core/decide.test.ts (foreign data)',
  F70: 'a fleet of clusters',
  F71: 'the random seeds are that, in virtual time',
};
