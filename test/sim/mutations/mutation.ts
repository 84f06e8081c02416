/**
 * A safety rule with the small change that takes it away. `focus` names the faults under which the rule matters, so that
 * few seeds are needed. Texts are found exactly, and once: when the code changes, the table has to follow.
 */
import type { DynamicConfig } from '../../../agent/core/config.ts';
import type { FaultKind } from '../faults.ts';
import type { SmallFault } from '../small/state.ts';

export interface Edit {
  /** Below agent/. */
  file: string;
  from: string;
  to: string;
}

export interface Mutation {
  name: string;
  /** What is taken away, as a rule. */
  rule: string;
  protects: string;
  edits: Edit[];
  focus: FaultKind[];
  modes?: DynamicConfig['sync']['mode'][];
  /** The row of the table of faults whose scenes notice. */
  row?: string;
  /** The faults with which the small model notices. */
  small?: SmallFault[];
  /** How many rows clients may write there; one, unless votes alone tell. */
  rows?: number;
  /** Changes nothing that matters. */
  control?: true;
}

export const cuts: FaultKind[] = ['cut from everything', 'cut from the members', 'cut from one member', 'deaf to the members'];
export const deaths: FaultKind[] = ['server killed', 'container killed', 'node without power'];
