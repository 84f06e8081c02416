/**
 * The safety rules, each with the small change that takes it away (`mutations/`). The simulator has to catch every change;
 * the control changes nothing that matters and has to survive.
 */
import { leaseMutations } from './mutations/lease.ts';
import type { Mutation } from './mutations/mutation.ts';
import { outageMutations } from './mutations/outage.ts';
import { setMutations } from './mutations/set.ts';
import { voteMutations } from './mutations/votes.ts';

export type { Mutation };

export const mutations: Mutation[] = [...leaseMutations, ...voteMutations, ...setMutations, ...outageMutations];
